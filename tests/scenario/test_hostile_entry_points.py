"""The hostile corpus through every entry point and every store.

Nothing raises, nothing is dropped, the bytes come out as they went in, every store gives
the same answer, and a bad body never fails those that share its commit.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle import Orders, Outcome, Receipt
from lifecycle.audit.export import export
from lifecycle.audit.verify import verify
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE
from tests.hostile_corpus import CORPUS, sample
from tests.postgres_server import Server
from tests.without_rules import connect

NOW = datetime(2026, 7, 7, tzinfo=UTC)
BODIES = list(CORPUS.values())
SAMPLE = sample(BODIES)

Entry = Callable[[Orders, bytes], Receipt]


def as_line(kind: str, **fields: object) -> Entry:
    def record(orders: Orders, body: bytes) -> Receipt:
        encoded = base64.b64encode(body).decode()
        line = {"kind": kind, "body_base64": encoded, **fields}
        [receipt] = orders.record_many([json.dumps(line)])
        return receipt

    return record


ENTRIES: dict[str, Entry] = {
    "record_callback": lambda orders, body: orders.record_callback(body),
    "record_request": lambda orders, body: orders.record_request("xyz", body),
    "record_response 200": lambda orders, body: orders.record_response("xyz", 200, body),
    "record_response 422": lambda orders, body: orders.record_response("xyz", 422, body),
    "record_response none": lambda orders, body: orders.record_response("xyz", None, body),
    "record_poll": lambda orders, body: orders.record_poll("xyz", 200, body),
    "a callback's line": as_line("callback"),
    "a response's line": as_line("response", order_id="xyz", http_status=200),
    "a poll's line without an order": as_line("poll", http_status=200),
}


def stored_bodies(orders: Orders) -> Counter[bytes]:
    """Return every body in the log, the quarantine's too."""
    return Counter(split(record)[1] for record in orders.log.scan() if record.stream != CONTROL)


def answers(orders: Orders, entry: Entry, bodies: list[bytes]) -> Iterator[tuple[str, str]]:
    for body in bodies:
        receipt = entry(orders, body)
        reason = getattr(receipt.event, "reason", "") or receipt.event.key  # type: ignore[union-attr]
        yield receipt.outcome.value, reason


@pytest.mark.parametrize(
    ("name", "bodies"),
    [
        *(pytest.param(name, SAMPLE, id=f"{name}, a sample") for name in list(ENTRIES)[1:]),
        *(
            pytest.param(name, BODIES, id=name, marks=[pytest.mark.long] * (place > 0))
            for place, name in enumerate(ENTRIES)
        ),
    ],
)
def test_every_hostile_body_is_kept_identical_and_answered_alike_on_every_store(
    name: str, bodies: list[bytes], tmp_path: Path, postgres: Server
) -> None:
    found = []
    for url in ("memory:", f"sqlite:///{tmp_path}/orders.db", postgres.new_url()):
        with connect(url, clock=lambda: NOW) as orders:
            told = list(answers(orders, ENTRIES[name], bodies))
            kept = stored_bodies(orders)
            outcomes = Counter(outcome for outcome, _ in told)
            assert sum(kept.values()) == len(bodies) - outcomes[Outcome.DUPLICATE]
            assert not set(kept) - set(bodies)
            for body, (outcome, _) in zip(bodies, told, strict=True):
                assert outcome == Outcome.DUPLICATE or body in kept
            assert verify(orders.log).ok
            found.append((told, kept))
    assert found[0] == found[1] == found[2]


def test_a_bad_body_never_fails_those_that_share_its_commit(tmp_path: Path) -> None:
    good = [
        json.dumps({"kind": "callback", "body": {"id": f"o{n}", "status": "brand_new"}})
        for n in range(len(BODIES))
    ]
    lines: list[bytes | str] = []
    for body, line in zip(BODIES, good, strict=True):
        lines += [body.replace(b"\n", b" "), line]
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        receipts = orders.record_many(lines)
        outcomes = Counter(receipt.outcome for receipt in receipts)
        assert outcomes[Outcome.APPENDED] >= len(good)
        assert sum(1 for _ in orders.find(status="brand_new")) == len(good)
        assert outcomes[Outcome.QUARANTINED] == len(orders.log.read(QUARANTINE))


def test_every_view_of_every_order_that_the_corpus_makes_can_be_printed(tmp_path: Path) -> None:
    with connect("memory:") as orders:
        for body in BODIES:
            orders.record_callback(body)
        views = list(orders.find())
        assert len(views) == sum(1 for _ in orders.log.streams(prefix=ORDERS)) > 20
        for view in views:
            assert json.loads(json.dumps(view.model_dump(mode="json")))["digest"] == view.digest
            assert json.dumps([h.model_dump(mode="json") for h in orders.history(view.order_id)])
        assert [item.body for item in orders.quarantine()]


def test_the_export_of_the_corpus_makes_the_same_views_in_an_empty_store(tmp_path: Path) -> None:
    with connect("memory:", clock=lambda: NOW) as orders, connect("memory:") as copy:
        for entry in ENTRIES.values():
            for body in BODIES[::7]:
                entry(orders, body)
        copy.record_many(export(orders.log, quarantine=True))
        theirs = {view.order_id: view.digest for view in copy.find()}
        assert {view.order_id: view.digest for view in orders.find()} == theirs
        assert stored_bodies(copy) == stored_bodies(orders)


@pytest.mark.parametrize(
    "bodies",
    [pytest.param(SAMPLE, id="a sample"), pytest.param(BODIES, id="whole", marks=pytest.mark.long)],
)
def test_the_command_line_takes_the_corpus_and_gives_every_byte_back(
    bodies: list[bytes], tmp_path: Path
) -> None:
    lines = [
        json.dumps({"kind": "callback", "body_base64": base64.b64encode(body).decode()}).encode()
        for body in bodies
    ]
    raw = [body for body in bodies if body.strip() and not {10, 13} & set(body)]
    recordings = tmp_path / "corpus.jsonl"
    recordings.write_bytes(b"\n".join([*lines, *raw]))
    database = f"sqlite:///{tmp_path}/x.db"
    told = _lifecycle("ingest", str(recordings), "--db", database, "--json")
    counts = json.loads(told)
    assert sum(counts[outcome] for outcome in Outcome) == len(lines) + len(raw)
    exported = _lifecycle("export", "--quarantine", "--db", database).splitlines()
    with connect(database, create=False) as orders:
        kept = stored_bodies(orders)
    assert len(exported) == sum(kept.values())
    assert all(kept[line] for line in raw)
    assert sum(kept.values()) == len(lines) + len(raw) - counts["duplicate"]


def _lifecycle(*arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "lifecycle", *arguments], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]
    assert b"Traceback" not in done.stderr
    return done.stdout
