"""The rules: each definition with its picture, its states, and what is proved of it.

The proof takes half a minute of a processor. It runs in a process of its own, after everybody
else's turn, and is kept in the user's cache: by the definition's fingerprint and our release.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Final

from lifecycle.core.definition import Definition
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.recorded_rules import recorded_rules
from lifecycle.projections.stored_form import release
from lifecycle.proof.sorting import Scope
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource

LOG: Final = logging.getLogger("lifecycle.pages")

_NICEST: Final = 19
_FIRST_SECONDS: Final = 0.2
_HEADINGS: Final = ("name", "fingerprint", "states", "providers")


class Prover:
    """Proves definitions, one after the other, in a process of its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lifecycle-prover")
        self._proofs: dict[str, Future[dict[str, Any]]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def proof(self, definition: Definition) -> dict[str, Any] | None:
        """Return the certificate of a definition as JSON; None while it is not there yet."""
        with self._lock:
            proof = self._proofs.get(definition.fingerprint)
            if proof is None:
                proof = self._thread.submit(self._prove, definition)
                self._proofs[definition.fingerprint] = proof
        try:
            failed = proof.exception(_FIRST_SECONDS)
        except TimeoutError:
            return None
        if failed is not None:
            LOG.error("a definition could not be proved: %s", type(failed).__name__)
            return {"ok": False, "verdict": "unproved", "obligations": [], "findings": []}
        return proof.result()

    def stop(self) -> None:
        """End what is being proved."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._process is not None:
            self._process.kill()

    def _prove(self, definition: Definition) -> dict[str, Any]:
        kept = kept_at(definition)
        with suppress(OSError, ValueError, TypeError):
            return dict(json.loads(kept.read_bytes()))
        program = [sys.executable, "-c", f"from {__name__} import print_proof; print_proof()"]
        pipe = subprocess.PIPE
        with subprocess.Popen(program, stdin=pipe, stdout=pipe) as process:  # noqa: S603 - our own
            self._process = process
            out, _ = process.communicate(definition.to_json().encode())
        proof: dict[str, Any] = json.loads(out)
        with suppress(OSError):  # then it is proved again next time
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(f".{os.getpid()}")
            new.write_bytes(out)
            new.replace(kept)
        return proof


def kept_at(definition: Definition) -> Path:
    """Return where the proof of a definition by this release is kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or f"{os.environ.get('HOME', '')}/.cache"
    return Path(cache) / "lifecycle" / f"proof-{release()}-{definition.fingerprint}.json"


def print_proof() -> None:
    """Read a definition from stdin and print its certificate, both as JSON."""
    from lifecycle.proof.certificate import certify  # noqa: PLC0415 - in its own process alone

    os.nice(_NICEST)
    definition = Definition.from_json(sys.stdin.read())
    certificate = certify(definition, scope=Scope(workers=1)).shown()
    sys.stdout.write(json.dumps(certificate))


def definitions_of(source: LogSource) -> dict[str, tuple[Definition, list[str]]]:
    """Return every definition, today's and those once in force, with whose orders it is for."""
    found: dict[str, tuple[Definition, list[str]]] = {}
    for name in source.readable():
        definition = source.known[name].definition
        found.setdefault(definition.fingerprint, (definition, []))[1].append(name)
    for provider, rules in recorded_rules(source.log, None).items():
        for each in rules:
            if each.rules.fingerprint not in found:
                definition = Definition.from_json(each.rules.definition)
                found[each.rules.fingerprint] = definition, [f"{provider}, in the past"]
    return found


def definitions_page(source: LogSource) -> Page:
    """Return the list of the rules."""
    found = definitions_of(source)
    rows = [
        (definition.name, fingerprint, len(definition.states), ", ".join(whose))
        for fingerprint, (definition, whose) in found.items()
    ]
    told = {"definitions": [dict(zip(_HEADINGS, row, strict=True)) for row in rows]}
    table = Table(_HEADINGS, rows)
    return Page("definitions.html", "Rules", {"rows": rows}, told, table)


def definition_page(source: LogSource, prover: Prover, fingerprint: str) -> Page:
    """Return one definition, with what is proved of it.

    Raises:
        InvalidArgumentError: there is none of this fingerprint.
    """
    definition, whose = definition_named(source, fingerprint)
    proof = prover.proof(definition)
    shown = {"definition": definition, "whose": whose, "proof": proof, "rows": _rows(definition)}
    told = {
        "fingerprint": fingerprint,
        "definition": json.loads(definition.to_json()),
        "proof": proof,
    }
    return Page("definition.html", definition.name, shown, told)


def definition_named(source: LogSource, fingerprint: str) -> tuple[Definition, list[str]]:
    """Return the definition of a fingerprint, and whose orders it is for.

    Raises:
        InvalidArgumentError: there is none.
    """
    found = definitions_of(source).get(fingerprint)
    if found is None:
        raise InvalidArgumentError("fingerprint", "one of the definitions", found=fingerprint)
    return found


def _rows(definition: Definition) -> list[tuple[str, list[str], list[str]]]:
    """Return each state with what it is and where it may lead."""
    roles = {
        "the end": definition.terminal - definition.aborts,
        "a bad end": definition.aborts,
        "first known to the provider": definition.birth,
        "beside the main line": definition.side,
        "on the main line": set(definition.main_line),
    }
    rows = []
    for state in definition.states:
        leads = dict.fromkeys(move.dest for move in definition.moves if move.source == state)
        rows.append((state, [role for role, states in roles.items() if state in states], [*leads]))
    return rows
