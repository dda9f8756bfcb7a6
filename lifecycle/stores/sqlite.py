"""The log in one SQLite file: the embedded default.

Threads and processes may share the file. It must lie on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Final

from eventsourcing.sqlite import SQLiteApplicationRecorder

from lifecycle.errors import InvalidArgumentError, StoreMissingError, StoreUnavailableError
from lifecycle.log import Record
from lifecycle.stored import Before, hash_of
from lifecycle.stores.patience import PATIENCE, patiently
from lifecycle.stores.recorded_log import Clock, RecordedLog, now
from lifecycle.stores.recorder import Head, Plan, Tip
from lifecycle.stores.sqlite_connection import LogDatastore
from lifecycle.stores.sqlite_fault import in_our_words
from lifecycle.stores.sqlite_schema import COLUMNS, SCHEMA, TABLE

_PAGE: Final = 500
_PAGE_BYTES: Final = 4 * 1024 * 1024

# CAST: whoever went around the triggers may have left text.
_STATE: Final = "CAST(state AS BLOB)"
_HEADER: Final = (
    f"CASE instr({_STATE}, x'0a') WHEN 0 THEN {_STATE} "
    f"ELSE substr({_STATE}, 1, instr({_STATE}, x'0a') - 1) END"
)
_RECORDS: Final = f"SELECT originator_id, originator_version, topic, rowid, {_STATE} FROM {TABLE} "
_HEADS: Final = f"SELECT originator_id, originator_version, rowid, {_HEADER} FROM {TABLE} "
_OF_STREAMS: Final = (
    "WHERE originator_id IN ({places}) ORDER BY originator_id, originator_version"
)
_INSERT: Final = (
    f"INSERT INTO {TABLE} (rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?, ?)"
)
_STREAMS: Final = f"""
WITH RECURSIVE names (name) AS (
    SELECT min(originator_id) FROM {TABLE} WHERE originator_id > ? AND originator_id >= ?
    UNION ALL
    SELECT (SELECT min(originator_id) FROM {TABLE} WHERE originator_id > name)
    FROM names WHERE name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL LIMIT {_PAGE}"""


class SQLiteLog(RecordedLog):
    """The log in the SQLite file at `path`, made if there is none and `create` is true.

    `patience` is for how many seconds a call waits for others that hold the file's lock.

    Raises:
        StoreMissingError: there is no log and `create` is false; nothing is made.
        StoreUnavailableError: it cannot be opened.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        clock: Clock = now,
        patience: float = PATIENCE,
    ) -> None:
        name = os.fspath(path)
        if not name or "\0" in name:
            raise InvalidArgumentError("path", "the name of a file")
        self.recorder = _opened(name, create=create, patience=patience)
        super().__init__(self.recorder, clock, patience)


class SQLiteRecorder(SQLiteApplicationRecorder):
    """The library's recorder on our table, with what the log needs besides."""

    gapless = True
    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, url: str) -> None:
        super().__init__(datastore, TABLE)
        self.url = url
        self.insert_events_statement = (
            f"INSERT INTO {TABLE} (originator_id, originator_version, topic, state) "
            "VALUES (?, ?, ?, ?)"
        )

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the table and guard it."""
        return list(SCHEMA)

    def prepare(self, *, create: bool) -> None:
        """Make the table if it is not there and `create` is true, and check that it is ours."""
        with in_our_words(self.url):
            columns = self._columns()
            if not columns and create:
                self.create_table()
                columns = self._columns()
        if not columns:
            raise StoreMissingError(self.url)
        if columns != COLUMNS:
            raise StoreUnavailableError(self.url, f"its table {TABLE} is not of this library")

    def write(self, plan: Plan) -> Sequence[int]:
        """Insert what `plan` returns, all or nothing, and return the positions."""
        with (
            in_our_words(self.url),
            self.datastore.get_connection(commit=True) as connection,
            connection.transaction(commit=True),
        ):
            tip = _tip(connection.driver)
            rows = plan(tip)
            positions = range(tip.position + 1, tip.position + 1 + len(rows))
            connection.driver.executemany(
                _INSERT, [(position, *row) for position, row in zip(positions, rows, strict=True)]
            )
        return positions

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        with self._reading() as cursor:
            return list(map(Head._make, _of_streams(cursor, _HEADS, streams)))

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream."""
        last = "WHERE originator_id = ? ORDER BY originator_version DESC LIMIT 1"
        with self._reading() as cursor:
            row = cursor.execute(_HEADS + last, (stream,)).fetchone()
            return None if row is None else Head._make(row)

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        some = (
            "WHERE originator_id = ? AND originator_version > ? AND originator_version <= ? "
            "ORDER BY originator_version"
        )
        with self._reading() as cursor:
            return list(map(Record._make, cursor.execute(_RECORDS + some, (stream, after, until))))

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version, in one statement."""
        with self._reading() as cursor:
            return list(map(Record._make, _of_streams(cursor, _RECORDS, streams)))

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        some = f"WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT {_PAGE}"
        page: list[Record] = []
        size = 0
        with self._reading() as cursor:
            for row in cursor.execute(_RECORDS + some, (after, until)):
                page.append(Record._make(row))
                size += len(row[-1])
                if size > _PAGE_BYTES:
                    break
        return page

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none."""
        with self._reading() as cursor:
            names = (name for (name,) in cursor.execute(_STREAMS, (after, prefix)))
            return list(takewhile(lambda name: name.startswith(prefix), names))

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""
        with self._reading() as cursor:
            (last,) = cursor.execute(self.select_max_notification_id_statement).fetchone()
            return last or 0

    def close(self) -> None:
        """Close every connection."""
        with in_our_words(self.url):
            self.datastore.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor in autocommit: no lock is held between two statements."""
        with in_our_words(self.url), self.datastore.get_connection(commit=False) as connection:
            cursor = connection.driver.cursor()
            cursor.row_factory = None
            try:
                yield cursor
            finally:
                cursor.close()

    def _columns(self) -> tuple[str, ...]:
        with self._reading() as cursor:
            return tuple(row[1] for row in cursor.execute(f"PRAGMA table_info({TABLE})"))


def _opened(path: str, *, create: bool, patience: float) -> SQLiteRecorder:
    url = f"sqlite:///{path}"
    if not create and not os.path.exists(path):
        raise StoreMissingError(url)
    if os.path.isdir(path):
        raise StoreUnavailableError(url, "it is a folder")
    recorder = SQLiteRecorder(LogDatastore(path, url, create=create), url)
    try:
        patiently(url, patience, recorder.prepare, create=create)
    except BaseException:
        recorder.close()
        raise
    return recorder


def _tip(driver: sqlite3.Connection) -> Tip:
    cursor = driver.cursor()
    cursor.row_factory = None
    row = cursor.execute(_HEADS + "ORDER BY rowid DESC LIMIT 1").fetchone()
    if row is None:
        return Tip(0, None)
    last = Head._make(row)
    return Tip(last.position, Before(last.stream, last.version, hash_of(last.header)))


def _of_streams(
    cursor: sqlite3.Cursor, select: str, streams: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    """Run `select` for some streams: few different texts, so that statements stay prepared."""
    places = next(size for size in (1, 8, 64, 512) if size >= len(streams))
    padded = [*streams, *streams[-1:] * (places - len(streams))]
    where = _OF_STREAMS.format(places=",".join("?" * places))
    return iter(cursor.execute(select + where, padded))
