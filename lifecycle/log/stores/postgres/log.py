"""The log in a PostgreSQL database: for production, and for many hosts at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from lifecycle.log.link_store import OrderLink
from lifecycle.log.retry_policy import retrying
from lifecycle.log.store_port import Row
from lifecycle.log.stores.postgres.array import bigint_array, bytea_array, text_array
from lifecycle.log.stores.postgres.catalog import refusing_statement
from lifecycle.log.stores.postgres.connection import LogConnection, lent
from lifecycle.log.stores.postgres.datastore import LogDatastore, naming_the_holder
from lifecycle.log.stores.postgres.fault import translated_errors
from lifecycle.log.stores.postgres.inspection import check_shape, guard_setting, schema_setting
from lifecycle.log.stores.postgres.rights import Grants, Role, let_in, role_settings, told_of
from lifecycle.log.stores.postgres.settings import REPORT, settings_of
from lifecycle.log.stores.postgres.statements import (
    link_statement,
    record_statements,
)
from lifecycle.log.stores.postgres.tables import TABLE, LogTables
from lifecycle.log.stores.postgres.url import Target, parse_url
from lifecycle.log.stores.postgres.views import PostgresViews
from lifecycle.log.stores.sql.feeds import TableFeeds
from lifecycle.log.stores.sql.links import TableLinks
from lifecycle.log.stores.sql.records import PAGE, PAGE_BYTES, RecordStatements, TableRecorder
from lifecycle.log.stores.sql.tree import TableTree

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
        self.recorder: PostgresRecorder = _opened(target, create=create)
        datastore = self.recorder.datastore
        super().__init__(
            self.recorder,
            clock,
            datastore.retry_timeout,
            feeds=TableFeeds(datastore),
            views=PostgresViews(datastore),
            tree=TableTree(datastore),
            links=TableLinks(datastore),
        )

    def initialize(self, grants: Grants) -> None:
        """Make what is missing, guard the log anew, and let roles in, as the owner."""
        self._ask(self.recorder.initialize, grants)

    def describe(self, role: str) -> Setting:
        """Return what a role may do to the log.

        Raises:
            InvalidArgumentError: there is no such role.
        """
        return self._ask(self.recorder.describe, role)


class _Transaction:
    """One commit to the database; see `lifecycle.log.store_port.Transaction`."""

    tip = None

    def __init__(self, recorder: PostgresRecorder, connection: LogConnection) -> None:
        self._recorder = recorder
        self._connection = connection

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        if not links:
            return self._recorder.insert(self._connection, rows)
        with self._connection.transaction():
            positions = self._recorder.insert(self._connection, rows)
            self._recorder.add_links(self._connection, links)
            return positions


class PostgresRecorder(TableRecorder, PostgresApplicationRecorder):
    """The library's recorder on our table, with what the log needs besides."""

    gapless = False
    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, target: Target) -> None:
        super().__init__(datastore, events_table_name=TABLE)
        self.url: str = target.url
        self._tables = target.tables
        self._append_lock = target.tables.append_lock
        self._limits = target.limits
        self._pool = datastore.connections
        self._prepare = target.prepares
        self.statements: RecordStatements = record_statements(target.tables)
        self._add_links = link_statement(target.tables)
        # Who writes alone, and its connection; one writer at a time.
        self._alone: tuple[int, LogConnection] | None = None

    def create_table(self) -> None:
        """Make the schema and the tables, unless another process just did."""
        with self.datastore.locked(self._tables.create_lock) as connection:
            catalog = self.datastore.catalog(connection)
            if not check_shape(catalog):
                catalog.make_log()

    def initialize(self, grants: Grants) -> None:
        """Make what is missing, guard the log anew, and let roles in, as the owner."""
        with self.datastore.locked(self._tables.create_lock) as connection:
            catalog = self.datastore.catalog(connection)
            catalog.make_log()
            let_in(catalog, grants)

    def describe(self, role: str) -> Setting:
        """Return what a role may do, as `PostgresLog.describe`."""
        with self.datastore.connected() as connection:
            found = Role.found(self.datastore.catalog(connection), role)
        if found is None:
            raise InvalidArgumentError("role", "one that the server has")
        return told_of(found)

    def prepare(self, *, create: bool) -> None:
        """Make the tables if there are none and `create` is true, and check that they are ours."""
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
            naming_the_holder(self.datastore, self._append_lock),
            translated_errors(self.url, writes=True),
            lent(self._pool) as connection,
        ):
            if not exclusive:
                yield _Transaction(self, connection)
                return
            with connection.transaction():
                connection.tuples.execute(self.statements.lock, prepare=self._prepare)
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

    def fetch_of_streams(self, statement: str, streams: Sequence[str]) -> list[Any]:
        """Return all rows of a statement about some streams."""
        return self.fetch(statement, text_array(streams))

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        rows = self.fetch(self.statements.page, after, until, PAGE, PAGE_BYTES)
        return list(map(Record._make, rows))

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        place = (version, position, PAGE, PAGE_BYTES, stream)
        return list(map(Record._make, self.fetch(self.statements.page_of_stream, *place)))

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, and what this role may do, read back."""
        with self.datastore.connected() as connection, connection.transaction():
            cursor = RawCursor(connection, row_factory=dict_row)
            found = cursor.execute(REPORT).fetchone() or {}
            catalog = self.datastore.catalog(connection)
            looked_at = [
                guard_setting(catalog),
                schema_setting(catalog),
                *role_settings(catalog, found["role"]),
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

    def add_links(self, connection: LogConnection, links: Sequence[OrderLink]) -> None:
        """Add to the index of links, on the connection that inserts who told of them."""
        columns = [text_array(column) for column in zip(*links, strict=True)]
        connection.tuples.execute(self._add_links, columns, prepare=self._prepare)

    def _insert(self, connection: LogConnection, rows: Sequence[Row]) -> list[int]:
        parameters = (
            text_array([row.stream for row in rows]),
            bigint_array([row.version for row in rows]),
            text_array([row.topic for row in rows]),
            bytea_array([row.state for row in rows]),
        )
        found = self._rows(connection, self.statements.insert, parameters)
        return [position for (position,) in found]

    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement, in a transaction of its own unless we hold one."""
        parameters = tuple(Int8(each) if type(each) is int else each for each in parameters)
        alone = self._alone
        if alone is not None and alone[0] == get_ident():
            return self._rows(alone[1], statement, parameters)
        with translated_errors(self.url), lent(self._pool) as connection:
            return self._rows(connection, statement, parameters)

    def _rows(
        self, connection: LogConnection, statement: str, parameters: Sequence[object]
    ) -> list[Any]:
        done = connection.tuples.execute(statement, parameters, prepare=self._prepare, binary=True)
        return done.fetchall()

    def _found(self) -> bool:
        """Tell whether the log is there; what is there must be safe to use."""
        with self.datastore.connected() as connection:
            catalog = self.datastore.catalog(connection)
            is_there = check_shape(catalog)
            if is_there:
                catalog.refuse_attached_code()
            return is_there


def statements_of(url: str, grants: Grants) -> list[str]:
    """Return what an administrator can run instead of `initialize`, as often as one likes."""
    tables = parse_url(url).tables
    return [
        refusing_statement(tables),
        *([] if tables == LogTables() else [tables.schema_statement()]),
        *tables.create_statements(again=True),
        *tables.guard_statements(),
        *grants.statements(tables),
    ]


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
        retrying(target.url, target.limits.retry_timeout, recorder.prepare, create=create)
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
