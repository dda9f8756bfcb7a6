"""Replay golden logs and print the results as digests in JSON; runs on any interpreter.

It needs only the library:

    python campaigns/golden_replay.py tests/golden [local-times | hash-order]

The second argument breaks the library on purpose: `determinism` must catch it.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from lifecycle.audit.export import export
from lifecycle.audit.verify import verify
from lifecycle.composition import connect
from lifecycle.core.event import Event
from lifecycle.log.codec import decode
from lifecycle.service.orders import Orders

NOW: Final = datetime(2026, 7, 7, 12, tzinfo=UTC)

Digests = dict[str, dict[str, str]]


def main(folder: str, broken: str = "") -> None:
    """Print the digests of every log in a folder."""
    if broken == "local-times":
        commit = import_module("lifecycle.log.writer")
        vars(commit)["format_instant"] = lambda at: at.astimezone().isoformat()
    if broken == "hash-order":
        # `lifecycle.fold` is the function; the module of that name is asked for.
        fold = import_module("lifecycle.core.fold")
        right = fold.sort_key
        vars(fold)["sort_key"] = lambda *of: (right(*of)[0], hash(of[1].key))
    json.dump(replayed(Path(folder)), sys.stdout, indent=2, sort_keys=True)


def replayed(folder: Path) -> Digests:
    """Return what every log of a folder gives, by the file's name."""
    recorded = {path.name: of_recordings(path) for path in sorted(folder.glob("*.jsonl"))}
    released = {path.name: of_database(path) for path in sorted(folder.glob("*.sqlite"))}
    return recorded | released


def of_recordings(path: Path) -> dict[str, str]:
    """Return what recordings give that are recorded anew: the stored bytes too."""
    with connect("memory:", clock=lambda: NOW) as orders:
        orders.log.declare_rules({})  # they name the release, and take the first position
        receipts = orders.record_many(path.read_bytes().splitlines())
        answers = [f"{r.outcome.value} {r.position} {r.version}" for r in receipts]
        return {"answers": digest(answers), **shown(orders)}


def of_database(path: Path) -> dict[str, str]:
    """Return what a database gives that a release wrote; it is copied, and never changed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, Path(folder) / "copy.db")
        with closing(connect(f"sqlite:///{copy}", create=False, clock=lambda: NOW)) as orders:
            verification = verify(orders.log)
            found = [finding.sentence for finding in verification.findings]
            checkpoint = str(verification.checkpoint)
            return {"findings": digest(found), "checkpoint": checkpoint, **shown(orders)}


def shown(orders: Orders) -> dict[str, str]:
    """Return what a log holds and shows, down to the last byte.

    What is `as printed` holds texts for people, which a release may word anew.
    """
    records = list(orders.log.scan())
    events = [entry for entry in map(decode, records) if isinstance(entry, Event)]
    views = list(orders.find())
    items = list(orders.quarantine())
    histories = [entry for view in views for entry in orders.history(view.order_id)]
    return {
        "identities": digest(f"{e.stream} {e.version} {e.key} {e.digest}" for e in events),
        "readings": digest(f"{e.name} {e.trigger} {e.occurred_at} {e.problems}" for e in events),
        "quarantine": digest(f"{item.reason} {item.sha256}" for item in items),
        "verdicts": digest(f"{e.key} {e.verdict} {e.from_} {e.to}" for e in histories),
        "views": digest(view.digest for view in views),
        "stored bytes as printed": digest(record.state for record in records),
        "export as printed": digest(export(orders.log, quarantine=True)),
        "views as printed": digest(map(printed, views)),
        "histories as printed": digest(map(printed, histories)),
        "quarantine as printed": digest(map(printed, items)),
    }


def printed(model: BaseModel) -> str:
    """Return a value as the command line prints it."""
    return json.dumps(model.model_dump(mode="json"))


def digest(parts: Iterable[str | bytes]) -> str:
    """Return one SHA-256 over all parts, and how many there were."""
    total, count = sha256(), 0
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(raw) + raw)
        count += 1
    return f"{count} {total.hexdigest()}"


if __name__ == "__main__":
    main(*sys.argv[1:])
