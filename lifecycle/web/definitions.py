"""The rules: each definition with its picture, its states, and what is proved of it.

The proof takes half a minute of a processor. It runs in a process of its own, after everybody
else's turn, once for each definition while the pages are served.
"""

from __future__ import annotations

import json
import logging
import os
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from threading import Lock
from typing import Any, Final

from lifecycle.core.definition import Definition
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.recorded_rules import recorded_rules
from lifecycle.proof.sorting import Scope
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource

LOG: Final = logging.getLogger("lifecycle.pages")

_NICEST: Final = 19
_HEADINGS: Final = ("name", "fingerprint", "states", "providers")


class Prover:
    """Proves definitions, one after the other, in a process of its own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._processes: ProcessPoolExecutor | None = None
        self._proofs: dict[str, Future[dict[str, Any]]] = {}

    def proof(self, definition: Definition) -> dict[str, Any] | None:
        """Return the certificate of a definition as JSON; None while it is not there yet."""
        with self._lock:
            proof = self._proofs.get(definition.fingerprint)
            if proof is None:
                if self._processes is None:
                    spawning = get_context("spawn")
                    self._processes = ProcessPoolExecutor(1, spawning, initializer=_step_back)
                proof = self._processes.submit(certificate_of, definition)
                self._proofs[definition.fingerprint] = proof
        if not proof.done():
            return None
        if (failed := proof.exception()) is not None:
            LOG.error("a definition could not be proved: %s", type(failed).__name__)
            return {"ok": False, "verdict": "unproved", "obligations": [], "findings": []}
        return proof.result()

    def stop(self) -> None:
        """End the process."""
        if self._processes is not None:
            self._processes.shutdown(wait=False, cancel_futures=True)


def certificate_of(definition: Definition) -> dict[str, Any]:
    """Return the certificate of a definition as JSON; takes half a minute."""
    from lifecycle.proof.certificate import certify  # noqa: PLC0415 - in its own process alone

    return certify(definition, scope=Scope(workers=1)).shown()


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
    return Page("definitions.html", "Definitions", {"rows": rows}, told, table)


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


def _step_back() -> None:
    os.nice(_NICEST)
