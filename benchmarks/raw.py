"""The limits of appending: the raw insert, and the floor under a log that keeps its promises.

`RawLog` is the bare insert with a unique key and the same strict parse: it recognizes, chains
and notifies nothing. `Floor` does only what the promises cost in any implementation: parse,
digest of the content, hashes of body and header, insert of the stored form.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any, Final

from workload import Callback

from lifecycle.composition import connect
from lifecycle.core.strict_json import parse, parse_and_write
from lifecycle.log.codec import hash_of, split
from lifecycle.log.contract import Outcome, Record
from lifecycle.log.stores.sqlite.connection import PAGE_BYTES, SETTINGS
from lifecycle.log.stores.sqlite.schema import SCHEMA
from lifecycle.log.stores.sqlite.statements import STATEMENTS

_FILE: Final = {"page_size": PAGE_BYTES, "journal_mode": "WAL"}
_RAW: Final = (
    "CREATE TABLE raw (position INTEGER PRIMARY KEY, order_id TEXT NOT NULL, "
    "event_id TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (order_id, event_id))"
)
_INSERT_RAW: Final = "INSERT OR IGNORE INTO raw (order_id, event_id, body) VALUES (?, ?, ?)"


class _Table:
    """A table in the SQLite file at `path`, with the settings that the log uses."""

    def __init__(self, path: str, schema: Iterable[str]) -> None:
        self._driver = sqlite3.connect(path, isolation_level=None)
        for name, value in (_FILE | SETTINGS).items():
            self._driver.execute(f"PRAGMA {name}={value}")
        for statement in schema:
            self._driver.execute(statement)

    def close(self) -> None:
        """Close the file."""
        self._driver.close()

    def commit(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in one transaction, durable on return."""
        self._driver.execute("BEGIN IMMEDIATE")
        self._driver.executemany(statement, rows)
        self._driver.execute("COMMIT")


class RawLog(_Table):
    """A table of bodies with a unique key."""

    def __init__(self, path: str) -> None:
        super().__init__(path, [_RAW])

    def insert(self, callbacks: Sequence[Callback]) -> None:
        """Insert callbacks in one transaction, nothing else."""
        self.commit(_INSERT_RAW, [(each.order_id, each.event_id, each.body) for each in callbacks])

    def parse_and_insert(self, callbacks: Sequence[Callback]) -> None:
        """Parse the bodies, which the limit pays for too, and insert them."""
        for each in callbacks:
            parse(each.body)
        self.insert(callbacks)


class Floor(_Table):
    """The log's own table, filled with records that were made before."""

    def __init__(self, path: str) -> None:
        super().__init__(path, SCHEMA)

    def record(self, callbacks: Sequence[Callback], records: Sequence[Record]) -> None:
        """Do for callbacks what cannot be left out, and insert the records they become."""
        vouch(callbacks, records)
        self.insert(records)

    def insert(self, records: Sequence[Record]) -> None:
        """Insert records in one transaction."""
        self.commit(
            STATEMENTS.insert,
            [(r.position, r.stream, r.version, r.topic, r.state) for r in records],
        )


def vouch(callbacks: Iterable[Callback], records: Iterable[Record]) -> None:
    """Parse callbacks, digest what they say, and hash bodies and the headers of their records."""
    for each in callbacks:
        vouch_for_body(each.body)
    for record in records:
        hash_of(split(record)[0])


def vouch_for_body(body: bytes) -> None:
    """Parse a body, digest what it says, and hash it."""
    sha256(parse_and_write(body)[1]).hexdigest()
    sha256(body).hexdigest()


def stored(batches: Iterable[Sequence[Callback]]) -> list[tuple[Sequence[Callback], list[Record]]]:
    """Return batches of callbacks, each with the records that it becomes."""
    found: list[tuple[Sequence[Callback], list[Record]]] = []
    with closing(connect("memory:")) as orders:
        for batch in batches:
            lines = [{"kind": "callback", "body": each.body} for each in batch]
            kept = [r for r in orders.record_many(lines) if r.outcome is Outcome.APPENDED]
            places = [receipt.position for receipt in kept]
            new = orders.log.scan(after=places[0] - 1, until=places[-1]) if places else ()
            found.append((batch, list(new)))
    return found
