"""Reading the log's table: what SQLite and PostgreSQL share.

A record is (stream, version, topic, position, state), a head has the header only.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

from lifecycle.log.contract import MAX_POSITION, Record
from lifecycle.log.store_port import Head

PAGE: Final = 500
PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page holds so many records at most, and ends with the one that makes it larger than this."""


_ROW: Final = "SELECT originator_id, originator_version, "
_IN_ORDER: Final = "WHERE {of_streams} ORDER BY originator_id, originator_version"
_SHARED: Final = {
    "heads": "{head}" + _IN_ORDER,
    "last_head": "{head}WHERE originator_id = ? AND {is_number} "
    "ORDER BY originator_version DESC LIMIT 1",
    "read": "{record}WHERE originator_id = ? AND originator_version > ? "
    "AND originator_version <= ? ORDER BY originator_version",
    "read_many": "{record}" + _IN_ORDER,
    "odd_ones": "{record}WHERE originator_id = ? AND (originator_version < 1 OR NOT {is_number}) "
    "ORDER BY originator_version, {position}",
    "strays": "{record}WHERE {position} < 1 UNION ALL "
    f"{{record}}WHERE {{position}} > {MAX_POSITION} ORDER BY 4",
    # A walk from each name to the next: its cost is the number of names, not of records.
    "streams": "WITH RECURSIVE names (name) AS (SELECT min(originator_id) FROM {table} "
    "WHERE originator_id > {name} AND originator_id >= ? UNION ALL "
    "SELECT (SELECT min(originator_id) FROM {table} WHERE originator_id > name) "
    "FROM names WHERE name IS NOT NULL) SELECT name FROM names WHERE name IS NOT NULL LIMIT ?",
    "last_position": "SELECT max({position}) FROM {table} "  # noqa: S608 - parts of our own
    f"WHERE {{position}} <= {MAX_POSITION}",
}


class Columns(NamedTuple):
    """What a database writes its own way: names, and expressions on a row of the table.

    `is_number` holds where a version is a number, `of_streams` where a row is of some streams;
    `name` is a value that a name is compared with.
    """

    table: str
    position: str
    state: str
    header: str
    is_number: str
    of_streams: str
    name: str = "?"

    @property
    def record(self) -> str:
        """The beginning of a statement for records."""
        return f"{_ROW}topic, {self.position}, {self.state} FROM {self.table} "

    @property
    def head(self) -> str:
        """The beginning of a statement for heads."""
        return f"{_ROW}{self.position}, {self.header} FROM {self.table} "

    def shared(self) -> dict[str, str]:
        """Return those of `RecordStatements` that are the same but for these."""
        parts = {**self._asdict(), "record": self.record, "head": self.head}
        return {name: statement.format_map(parts) for name, statement in _SHARED.items()}


class RecordStatements(NamedTuple):
    """What is said to the log's table; `lock` keeps all other writers out, where one is needed."""

    insert: str
    heads: str
    last_head: str
    read: str
    read_many: str
    page: str
    page_of_stream: str
    odd_ones: str
    strays: str
    streams: str
    last_position: str
    lock: str = ""


class TableRecorder:
    """The reading half of a `Recorder` on the log's table; a subclass knows the database."""

    statements: RecordStatements
    has_races: bool = False
    most_rows: int = sys.maxsize

    @abstractmethod
    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement, in a transaction of its own."""

    @abstractmethod
    def fetch_of_streams(self, statement: str, streams: Sequence[str]) -> list[Any]:
        """Return all rows of a statement about some streams."""

    def fetch_names(self, after: str, prefix: str) -> list[Any]:
        """Return some of the streams' names above `after`, the first at least `prefix`."""
        return self.fetch(self.statements.streams, after, prefix, PAGE)

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        return map(Head._make, self.fetch_of_streams(self.statements.heads, streams))

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream that is a number."""
        heads = self.fetch(self.statements.last_head, stream)
        return Head._make(heads[0]) if heads else None

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        return list(map(Record._make, self.fetch(self.statements.read, stream, after, until)))

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version, in one statement."""
        return list(map(Record._make, self.fetch_of_streams(self.statements.read_many, streams)))

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""
        return list(map(Record._make, self.fetch(self.statements.odd_ones, stream)))

    def strays(self) -> list[Record]:
        """Return the records whose positions are none from 1 to `MAX_POSITION`."""
        return list(map(named, self.fetch(self.statements.strays)))

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none."""
        names = (name for (name,) in self.fetch_names(after, prefix))
        return list(takewhile(lambda name: type(name) is str and name.startswith(prefix), names))

    def last_position(self) -> int:
        """Return the highest position up to `MAX_POSITION`, 0 for an empty log."""
        ((last,),) = self.fetch(self.statements.last_position)
        return max(last or 0, 0)


def named(row: Sequence[Any]) -> Record:
    """Return a record whose stream has a name that is text, whatever was put there."""
    stream = row[0]
    if type(stream) is str:
        return Record._make(row)
    return Record(ascii(stream), *row[1:])
