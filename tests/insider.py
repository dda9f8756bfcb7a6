"""Somebody with the database in hand: fourteen ways to change a log, each with random instances.

The log was followed and a checkpoint of it was taken away before; what it saw is changed here.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from runpy import run_path
from typing import Any, Final, Protocol

import psycopg

from lifecycle.audit.checkpoint import Checkpoint, take
from lifecycle.audit.export import export_whole
from lifecycle.audit.signed_note import Note, PrivateKey
from lifecycle.audit.verify import Verification, verify
from lifecycle.core.event import Redriven, Reviewed
from lifecycle.errors import StoredFormatError
from lifecycle.log.contract import Log, Record
from lifecycle.log.stores.postgres.url import parse_url
from lifecycle.registry import known_providers
from tests.contract.entries import event, stream, unreadable
from tests.tampered import header_hash, resealed

VERIFIER: Final = Path(__file__).resolve().parent.parent / "docs/auditors/verifier.py"
KEY: Final = PrivateKey("example.com/orders", bytes(range(32)))

_verifier: Final = run_path(str(VERIFIER))


class Raw(Protocol):
    """The tables of a log, with no guard in the way."""

    def read(self) -> list[Record]: ...

    def write(self, records: list[Record]) -> None: ...

    def set_feed(self, position: int) -> None: ...

    def forget_the_tree(self) -> None: ...


class RawSQLite:
    """The tables in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Record]:
        with closing(sqlite3.connect(self._path)) as raw:
            rows = raw.execute(
                "SELECT originator_id, originator_version, topic, rowid, state "
                "FROM stored_events ORDER BY rowid"
            )
            return [Record._make(row) for row in rows]

    def write(self, records: list[Record]) -> None:
        with closing(sqlite3.connect(self._path)) as raw, raw:
            raw.execute("PRAGMA ignore_check_constraints = ON")
            for change in ("update", "delete"):
                raw.execute(f"DROP TRIGGER IF EXISTS stored_events_refuse_{change}")
            raw.execute("DELETE FROM stored_events")
            raw.executemany(
                "INSERT INTO stored_events "
                "(originator_id, originator_version, topic, rowid, state) VALUES (?, ?, ?, ?, ?)",
                records,
            )

    def set_feed(self, position: int) -> None:
        with closing(sqlite3.connect(self._path)) as raw, raw:
            raw.execute("UPDATE feeds SET position = ?", (position,))

    def forget_the_tree(self) -> None:
        with closing(sqlite3.connect(self._path)) as raw, raw:
            for table in ("tree_tiles", "checkpoints"):
                raw.execute(f"DELETE FROM {table}")


class RawPostgres:
    """The tables in a schema, as a superuser sees them."""

    def __init__(self, raw: psycopg.Connection, url: str) -> None:
        self._raw = raw
        self._tables = parse_url(url).tables

    def read(self) -> list[Record]:
        rows = self._raw.execute(
            "SELECT originator_id, originator_version, topic, notification_id, state "
            f"FROM {self._tables.log} ORDER BY notification_id"
        )
        return [Record._make(row) for row in rows]

    def write(self, records: list[Record]) -> None:
        table = self._tables.log
        self._raw.execute(f"DROP TRIGGER IF EXISTS stored_events_refuse ON {table}")
        checks = self._raw.execute(
            "SELECT conname FROM pg_constraint "
            f"WHERE contype = 'c' AND conrelid = '{table}'::regclass"
        ).fetchall()
        for (name,) in checks:
            self._raw.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        self._raw.execute(f"DELETE FROM {table}")
        with self._raw.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {table} (originator_id, originator_version, topic, notification_id, "
                "state) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s)",
                records,
            )

    def set_feed(self, position: int) -> None:
        self._raw.execute(
            f"UPDATE {self._tables.quoted_schema}.feeds SET position = %s", (position,)
        )

    def forget_the_tree(self) -> None:
        for table in ("tree_tiles", "checkpoints"):
            self._raw.execute(f"DELETE FROM {self._tables.quoted_schema}.{table}")


def standalone(function: str, written: bytes, held: str | None = None) -> str | None:
    """Return what the standalone verifier finds in a file; None if nothing."""
    try:
        _verifier[function](written, str(KEY.public), held)
    except (ValueError, LookupError, TypeError, AttributeError) as found:
        return str(found)
    return None


@dataclass
class Scene:
    """A log, its tables, and the checkpoint that somebody took away."""

    log: Log
    raw: Raw
    held: Note
    chance: random.Random

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.held.text)

    def verified(self) -> Verification:
        return verify(self.log, checkpoints=[self.checkpoint], providers=known_providers())

    def standalone(self) -> str | None:
        """Return what the standalone verifier finds in an export; None if nothing."""
        try:
            whole = b"".join(export_whole(self.log))
        except StoredFormatError as found:
            return str(found)
        return standalone("verify_export", whole, str(self.held))


def fill(log: Log, chance: random.Random) -> None:
    """Some orders, items of the quarantine of which one was re-driven, and a subscription."""
    names = [f"o{number}" for number in range(chance.randrange(2, 6))]
    for number in range(chance.randrange(8, 30)):
        body = json.dumps({"n": number, "text": "x" * chance.randrange(40)}).encode()
        log.append(event(chance.choice(names), number, body, received_at=datetime.now(UTC)))
    log.append_many([unreadable(), unreadable(b"{"), unreadable(b"\xff\n\xff", arrival=None)])
    again = event("o0", 1000, unreadable().body, redriven_from=1, received_at=datetime.now(UTC))
    log.append_many([again, Redriven(1, again.stream, again.key, datetime.now(UTC))])
    log.append(Reviewed("item:1", "anna", "looked at", datetime.now(UTC)))
    log.feeds.begin("notify", 0)
    log.feeds.advance("notify", 0, chance.randrange(3, log.last_position()))


def scene(log: Log, raw: Raw, seed: int) -> Scene:
    """Return a log that was followed, of which a checkpoint was taken away, and that went on."""
    chance = random.Random(seed)
    fill(log, chance)
    held = take(log, KEY, lambda: datetime.now(UTC))
    assert isinstance(held, Note)
    for number in range(chance.randrange(3)):
        log.append(event("o0", 2000 + number, received_at=datetime.now(UTC)))
    return Scene(log, raw, held, chance)


def rehashed(records: list[Record]) -> list[Record]:
    """Return records whose chains all hold again, as somebody who knows the format makes them."""
    made: list[Record] = []
    ends: dict[str, str] = {}
    for record in records:
        header = json.loads(record.state.partition(b"\n")[0])
        fields: dict[str, Any] = {}
        if header["version"] > 1:
            fields["previous"] = ends[record.stream]
        if "after" in header:
            last = made[-1]
            fields["after"] = [last.stream, last.version, header_hash(last.state)]
        if header["record"] != "control":
            fields["sha256"] = sha256(record.state.partition(b"\n")[2]).hexdigest()
        state = resealed(record.state, **fields)
        made.append(record._replace(state=state))
        ends[record.stream] = header_hash(state)
    return made


def numbered(records: list[Record]) -> list[Record]:
    """Return records at the positions 1, 2, 3, ..."""
    return [record._replace(position=number) for number, record in enumerate(records, 1)]


def flip(seen: Scene, records: list[Record], at: int) -> None:
    state = bytearray(records[at].state)
    state[seen.chance.randrange(len(state))] ^= seen.chance.randrange(1, 256)
    records[at] = records[at]._replace(state=bytes(state))


def grow(seen: Scene, records: list[Record], at: int) -> None:
    state = records[at].state
    place = seen.chance.choice([len(state), seen.chance.randrange(len(state) + 1)])
    records[at] = records[at]._replace(state=state[:place] + b"x" + state[place:])


def change_a_column(seen: Scene, records: list[Record], at: int) -> None:
    columns = {"topic": "another", "version": 500, "stream": stream("another")}
    name = seen.chance.choice(list(columns))
    records[at] = records[at]._replace(**{name: columns[name]})


def swap_contents(seen: Scene, records: list[Record], at: int) -> None:
    other = seen.chance.choice([place for place in range(len(records)) if place != at])
    states = records[other].state, records[at].state
    records[at] = records[at]._replace(state=states[0])
    records[other] = records[other]._replace(state=states[1])


def swap_positions(seen: Scene, records: list[Record], at: int) -> None:
    other = seen.chance.choice([place for place in range(len(records)) if place != at])
    places = records[other].position, records[at].position
    records[at] = records[at]._replace(position=places[0])
    records[other] = records[other]._replace(position=places[1])


def insert(seen: Scene, records: list[Record], at: int) -> None:
    copied = next(record for record in records if record.topic == "callback")
    version = 1 + max(record.version for record in records if record.stream == copied.stream)
    state = resealed(copied.state, version=version, key="callback:forged")
    records.insert(at, copied._replace(version=version, state=state))
    records[:] = numbered(records)


def delete(seen: Scene, records: list[Record], at: int) -> None:
    del records[at]
    if seen.chance.random() < 0.5:
        records[:] = numbered(records)


def cut_the_tail(seen: Scene, records: list[Record], at: int) -> None:
    del records[at:]


def rehash(seen: Scene, records: list[Record], at: int) -> None:
    if json.loads(records[at].state.partition(b"\n")[0])["record"] == "control":
        at -= 1
    records[at] = records[at]._replace(state=records[at].state + b" ")
    records[:] = rehashed(records)


def restore_a_backup(seen: Scene, records: list[Record], at: int) -> None:
    del records[at:]
    forged = [record for record in records if record.topic == "callback"]
    if forged:  # and life went on
        last = [record for record in records if record.stream == forged[-1].stream][-1]
        fields = {"version": last.version + 1, "key": "callback:later"}
        states = rehashed([*records, last._replace(state=resealed(last.state, **fields))])
        position = records[-1].position + 1
        records.append(states[-1]._replace(version=last.version + 1, position=position))


def below_one(seen: Scene, records: list[Record], at: int) -> None:
    records[at] = records[at]._replace(position=-seen.chance.randrange(5))


RECORDS: Final[dict[str, Callable[[Scene, list[Record], int], None]]] = {
    "flip": flip,
    "grow": grow,
    "change a column": change_a_column,
    "swap contents": swap_contents,
    "swap positions": swap_positions,
    "insert": insert,
    "delete": delete,
    "cut the tail": cut_the_tail,
    "rehash": rehash,
    "restore a backup": restore_a_backup,
    "position below 1": below_one,
}
"""What is done to the records that the checkpoint saw; `at` is one of them."""


def tamper(seen: Scene, kind: str) -> None:
    """Change what the checkpoint saw, in one of the ways."""
    records = seen.raw.read()
    at = seen.chance.randrange(seen.checkpoint.head.size)
    RECORDS[kind](seen, records, at)
    seen.raw.write(records)


def forge_a_mark(seen: Scene) -> None:
    """Hide an item that waits: say that it became an event which never came from it."""
    events = [each for each in seen.log.scan() if each.topic == "callback"]
    chosen = seen.chance.choice(events)
    key = json.loads(chosen.state.partition(b"\n")[0])["key"]
    item = seen.chance.choice([2, 3, 99])
    made = seen.log.append(event("o0", 4000, redriven_from=item, received_at=datetime.now(UTC)))
    ours = (made.stream, "callback:4000")
    target, key = seen.chance.choice(
        [(chosen.stream, key), (stream("none"), "callback:none"), ours]
    )
    seen.log.append(Redriven(item, target, key, datetime.now(UTC)))


def back_date(seen: Scene) -> None:
    """Record today what should have been received before the checkpoint."""
    ago = timedelta(minutes=seen.chance.randrange(6, 10_000))
    seen.log.append(event("o0", 3000, received_at=datetime.now(UTC) - ago))


def move_a_feed(seen: Scene) -> None:
    """Have changes told again, or never."""
    end, was = seen.log.last_position(), seen.checkpoint.feeds["notify"]
    far = end + seen.chance.randrange(1, 100)
    seen.raw.set_feed(seen.chance.choice([-1, seen.chance.randrange(was), far]))
