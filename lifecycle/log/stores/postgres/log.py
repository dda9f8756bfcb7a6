"""The log in a PostgreSQL database: for production, and for many hosts at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from threading import get_ident
from typing import Any, Final

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg import RawCursor
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8

from lifecycle.errors import InvalidArgumentError, StoreMissingError, StoreUnavailableError
from lifecycle.log.contract import Record, Setting
from lifecycle.log.event_log import Clock, EventLog, now
from lifecycle.log.recorder import Head, Row
from lifecycle.log.retry_policy import retrying
from lifecycle.log.stores.postgres.array import bigint_array, bytea_array, text_array
from lifecycle.log.stores.postgres.connection import Lent, LogConnection, LogDatastore, asking
from lifecycle.log.stores.postgres.creation import let_in, make_log
from lifecycle.log.stores.postgres.fault import InOurWords
from lifecycle.log.stores.postgres.feeds import PostgresFeeds
from lifecycle.log.stores.postgres.inspection import (
    check_shape,
    guard_setting,
    schema_setting,
    shown_path,
)
from lifecycle.log.stores.postgres.lock_holder import NamingTheHolder
from lifecycle.log.stores.postgres.owners import refuse_attached_code, refusing_statement
from lifecycle.log.stores.postgres.rights import Grants, Role, role_settings, told_of
from lifecycle.log.stores.postgres.schema import Place
from lifecycle.log.stores.postgres.settings import REPORT, settings_of
from lifecycle.log.stores.postgres.statements import Statements
from lifecycle.log.stores.postgres.tables import TABLE
from lifecycle.log.stores.postgres.url import Target, parse_url
from lifecycle.log.stores.postgres.views import PostgresViews

_PAGE: Final = 500
_PAGE_BYTES: Final = 4 * 1024 * 1024

_STATEMENT_BYTES: Final = 64 * 1024 * 1024
"""More than this is sent in several statements of one transaction; a value ends at a gigabyte."""

_UNLOCKED_INSERTS: Final = "POSTGRES_ENABLE_DB_FUNCTIONS"


class PostgresLog(EventLog):
    """The log in the database at `url`, made if there is none and `create` is true.

    Raises:
        StoreUrlError: `url` cannot be read.
        StoreMissingError: there is no log and `create` is false; nothing is made.
        StoreUnavailableError: it cannot be opened, or the server is not safe.
    """

    def __init__(self, url: str, *, create: bool = True, clock: Clock = now) -> None:
        target = parse_url(url)
        self.recorder = _opened(target, create=create)
        patience = target.limits.patience
        pool = self.recorder.datastore.connections
        feeds = PostgresFeeds(pool, target.place, target.url, patience)
        views = PostgresViews(self.recorder.datastore, target.place, target.url, patience)
        super().__init__(self.recorder, clock, patience, feeds=feeds, views=views)


class _Transaction:
    """One commit to the database; see `lifecycle.log.recorder.Transaction`."""

    tip = None

    def __init__(self, recorder: PostgresRecorder, connection: LogConnection) -> None:
        self._recorder = recorder
        self._connection = connection

    def insert(self, rows: Sequence[Row]) -> Sequence[int]:
        return self._recorder.insert(self._connection, rows)


class PostgresRecorder(PostgresApplicationRecorder):
    """The library's recorder on our table, with what the log needs besides."""

    gapless = False
    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, target: Target) -> None:
        super().__init__(datastore, events_table_name=TABLE)
        self.url = target.url
        self._place = target.place
        self._limits = target.limits
        self._pool = datastore.connections
        self._naming = NamingTheHolder(self._pool, target.place, target.place.append_lock)
        self._prepare = target.prepares
        self._statements = Statements.of(target.place)
        # Who writes alone, and its connection; one writer at a time.
        self._alone: tuple[int, LogConnection] | None = None

    def create_table(self) -> None:
        """Make the schema and the tables, unless another process just did."""
        with Lent(self._pool) as connection, connection.transaction():
            connection.execute(self._place.lock_statement(self._place.create_lock).encode())
            if not self._is_there(connection):
                make_log(connection, self._place, self.url)

    def initialize(
        self,
        role: str | None = None,
        *,
        follower: str | None = None,
        reader: str | None = None,
        revoke_public: bool = False,
    ) -> None:
        """Make what is missing, guard the log anew, and let roles in, as the owner."""
        grants = Grants(role, follower, reader, revoke_public)
        with (
            NamingTheHolder(self._pool, self._place, self._place.create_lock),
            InOurWords(self.url),
            Lent(self._pool) as connection,
            connection.transaction(),
        ):
            connection.execute(self._place.lock_statement(self._place.create_lock).encode())
            make_log(connection, self._place, self.url)
            let_in(connection, self._place, grants)

    def describe(self, role: str) -> Setting:
        """Return what a role may do to the log.

        Raises:
            InvalidArgumentError: there is no such role.
        """
        with InOurWords(self.url), Lent(self._pool) as connection:
            found = Role.found(asking(connection), self._place, role)
        if found is None:
            raise InvalidArgumentError("role", "one that the server has")
        return told_of(found)

    def prepare(self, *, create: bool) -> None:
        """Make the tables if there are none and `create` is true, and check that they are ours."""
        with (
            NamingTheHolder(self._pool, self._place, self._place.create_lock),
            InOurWords(self.url),
        ):
            is_there = self._found()
            if not is_there and create:
                self.create_table()
                is_there = self._found()
        if not is_there:
            raise StoreMissingError(self.url)

    @contextmanager
    def writing(self, *, exclusive: bool = False) -> Iterator[_Transaction]:
        """Yield a transaction: one statement, or, if `exclusive`, what comes after the lock."""
        with (
            self._naming,
            InOurWords(self.url, writes=True),
            Lent(self._pool) as connection,
        ):
            if not exclusive:
                yield _Transaction(self, connection)
                return
            with connection.transaction():
                connection.tuples.execute(self._statements.lock, prepare=self._prepare)
                # What is read meanwhile is read on this connection: there may be no other.
                self._alone = (get_ident(), connection)
                try:
                    yield _Transaction(self, connection)
                finally:
                    self._alone = None

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Insert events as the library's own methods ask for it, by the same one statement."""
        del kwargs
        rows = [
            Record(str(event.originator_id), event.originator_version, event.topic, 0, event.state)
            for event in stored_events
        ]
        with self.datastore.get_connection() as connection:
            return self.insert(connection, rows) or None

    def confirm(self) -> None:
        """Return: every statement finds the table by its name."""

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        return map(Head._make, self._fetch(self._statements.heads, text_array(streams)))

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream that is a number."""
        heads = self._fetch(self._statements.last_head, stream)
        return Head._make(heads[0]) if heads else None

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        rows = self._fetch(self._statements.read, stream, Int8(after), Int8(until))
        return list(map(Record._make, rows))

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version, in one statement."""
        return list(map(Record._make, self._fetch(self._statements.read_many, text_array(streams))))

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        limits = (Int8(after), Int8(until), Int8(_PAGE), Int8(_PAGE_BYTES))
        return list(map(Record._make, self._fetch(self._statements.read_page, *limits)))

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        limits = (Int8(version), Int8(position), Int8(_PAGE), Int8(_PAGE_BYTES))
        rows = self._fetch(self._statements.read_page_of_stream, *limits, stream)
        return list(map(Record._make, rows))

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""
        return list(map(Record._make, self._fetch(self._statements.read_odd_ones, stream)))

    def strays(self) -> list[Record]:
        """Return the records whose positions are none from 1 to `MAX_POSITION`."""
        return list(map(Record._make, self._fetch(self._statements.read_strays)))

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none."""
        found = self._fetch(self._statements.read_streams, after, prefix, Int8(_PAGE))
        return list(takewhile(lambda name: name.startswith(prefix), (name for (name,) in found)))

    def last_position(self) -> int:
        """Return the highest position up to `MAX_POSITION`, 0 for an empty log."""
        ((last,),) = self._fetch(self._statements.last_position)
        return max(last or 0, 0)

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, and what this role may do, read back."""
        with (
            InOurWords(self.url),
            Lent(self._pool) as connection,
            connection.transaction(),
        ):
            connection.execute(shown_path(self._place).encode())
            cursor = RawCursor(connection, row_factory=dict_row)
            found = cursor.execute(REPORT).fetchone() or {}
            ask = asking(connection)
            looked_at = [
                guard_setting(ask, self._place),
                schema_setting(ask, self._place),
                *role_settings(ask, self._place, found["role"]),
            ]
        return list(settings_of(self._limits, found, looked_at))

    def close(self) -> None:
        """Close every connection."""
        self.datastore.close()

    def insert(self, connection: LogConnection, rows: Sequence[Row]) -> Sequence[int]:
        """Insert records by one statement, or in one transaction if they are too large for it."""
        chunks = list(_chunked(rows)) if rows else []
        if len(chunks) == 1:
            return self._insert(connection, rows)
        with connection.transaction():
            return [place for chunk in chunks for place in self._insert(connection, chunk)]

    def _insert(self, connection: LogConnection, rows: Sequence[Row]) -> list[int]:
        parameters = (
            text_array([row.stream for row in rows]),
            bigint_array([row.version for row in rows]),
            text_array([row.topic for row in rows]),
            bytea_array([row.state for row in rows]),
        )
        found = self._rows(connection, self._statements.insert, parameters)
        return [position for (position,) in found]

    def _fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement, in a transaction of its own unless we hold one."""
        alone = self._alone
        if alone is not None and alone[0] == get_ident():
            return self._rows(alone[1], statement, parameters)
        with InOurWords(self.url), Lent(self._pool) as connection:
            return self._rows(connection, statement, parameters)

    def _rows(
        self, connection: LogConnection, statement: str, parameters: Sequence[object]
    ) -> list[Any]:
        done = connection.tuples.execute(statement, parameters, prepare=self._prepare, binary=True)
        return done.fetchall()

    def _found(self) -> bool:
        """Tell whether the log is there; what is there must be safe to use."""
        with Lent(self._pool) as connection:
            if not self._is_there(connection):
                return False
            refuse_attached_code(asking(connection), self._place, self.url)
            return True

    def _is_there(self, connection: LogConnection) -> bool:
        return check_shape(asking(connection), self._place, self.url)


def initialize(url: str, grants: Grants) -> None:
    """Make the log at `url` if there is none, guard it, and let roles in.

    Errors are those of `PostgresLog`.
    """
    target = parse_url(url)
    recorder = _opened(target, create=True)
    try:
        retrying(
            target.url,
            target.limits.patience,
            recorder.initialize,
            grants.role,
            follower=grants.follower,
            reader=grants.reader,
            revoke_public=grants.revoke_public,
        )
    finally:
        recorder.close()


def describe(url: str, role: str) -> Setting:
    """Return what a role may do to the log at `url`; errors are those of `PostgresLog`."""
    target = parse_url(url)
    recorder = _opened(target, create=False)
    try:
        return retrying(target.url, target.limits.patience, recorder.describe, role)
    finally:
        recorder.close()


def statements_of(url: str, grants: Grants) -> list[str]:
    """Return what an administrator can run instead of `initialize`, as often as one likes."""
    place = parse_url(url).place
    schema = [] if place == Place() else [place.schema_statement()]
    made = place.create_statements(again=True)
    refusing = refusing_statement(place)
    guard = place.guard_statements()
    return [refusing, *schema, *made, *guard, *grants.statements(place)]


def _opened(target: Target, *, create: bool) -> PostgresRecorder:
    if os.environ.get(_UNLOCKED_INSERTS, "").strip().lower() in {
        "1",
        "y",
        "yes",
        "t",
        "true",
        "on",
    }:
        raise StoreUnavailableError(
            target.url,
            f"{_UNLOCKED_INSERTS} is set: such functions insert without the lock that keeps "
            "positions in the order of commits, and followers miss events; unset it",
        )
    recorder = PostgresRecorder(LogDatastore(target, create=create), target)
    try:
        retrying(target.url, target.limits.patience, recorder.prepare, create=create)
    except BaseException:
        recorder.close()
        raise
    return recorder


def _chunked(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows in their order, no more bytes at once than one statement should carry."""
    start = size = 0
    for index, row in enumerate(rows):
        size += len(row.state)
        if size > _STATEMENT_BYTES and index > start:
            yield rows[start:index]
            start, size = index, len(row.state)
    yield rows[start:]
