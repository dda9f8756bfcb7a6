"""The log in one SQLite file: the embedded default.

Threads and processes may share the file. It must lie on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256
from types import TracebackType
from typing import Any, Final, Self

from eventsourcing.sqlite import SQLiteApplicationRecorder

from lifecycle.errors import InvalidArgumentError, StoreMissingError, StoreUnavailableError
from lifecycle.log.codec import link
from lifecycle.log.contract import Record, Setting
from lifecycle.log.event_log import Clock, EventLog, now
from lifecycle.log.link_store import OrderLink
from lifecycle.log.retry_policy import RETRY_SECONDS, retrying
from lifecycle.log.store_port import STREAMS_AT_ONCE, Head, Row, Tip
from lifecycle.log.stores.sql.feeds import TableFeeds
from lifecycle.log.stores.sql.links import TableLinks
from lifecycle.log.stores.sql.records import PAGE, PAGE_BYTES, TableRecorder, named
from lifecycle.log.stores.sql.tables import FEEDS, KEYS, LINKS, TREE
from lifecycle.log.stores.sql.tree import TableTree
from lifecycle.log.stores.sqlite.backup import back_up
from lifecycle.log.stores.sqlite.checkup import (
    checkup,
    put_back_guards,
    warn_if_readable,
    warn_of_lacking_guards,
)
from lifecycle.log.stores.sqlite.connection import (
    MEANINGS,
    NOTHING_COMMITTED,
    Lent,
    LogConnection,
)
from lifecycle.log.stores.sqlite.datastore import LogDatastore
from lifecycle.log.stores.sqlite.fault import is_undecodable, raise_translated, translated_errors
from lifecycle.log.stores.sqlite.files import refuse_if_no_file
from lifecycle.log.stores.sqlite.schema import COLUMNS, SCHEMA, TABLE, create_statements
from lifecycle.log.stores.sqlite.statements import (
    ADD_LINK,
    INSERT_UNPLACED,
    LAST,
    STATEMENTS,
)
from lifecycle.log.stores.sqlite.views import SQLiteViews

_STATEMENT_SIZES: Final = (1, 8, 64, STREAMS_AT_ONCE)
_EMPTY: Final = Tip(0, None)


class SQLiteLog(EventLog):
    """The log in the SQLite file at `path`, made if there is none and `create` is true.

    A call waits `retry_timeout` seconds at most for others that hold the file's lock.

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
        retry_timeout: float = RETRY_SECONDS,
    ) -> None:
        name = os.fspath(path)
        if not name or "\0" in name:
            raise InvalidArgumentError("path", "the name of a file")
        self.recorder: SQLiteRecorder = _opened(name, create=create, retry_timeout=retry_timeout)
        datastore = self.recorder.datastore
        feeds, views = TableFeeds(datastore), SQLiteViews(datastore)
        self.recorder.optional = (
            create_statements(FEEDS),
            create_statements(TREE),
            create_statements(LINKS),
            create_statements(KEYS),
            tuple(views.create_table_statements),
        )
        super().__init__(
            self.recorder,
            clock,
            retry_timeout,
            feeds=feeds,
            views=views,
            tree=TableTree(datastore),
            links=TableLinks(datastore),
        )

    def backup(self, path: str) -> None:
        """Write all that is stored into a new file at `path`; others go on meanwhile.

        Raises:
            StoreUnavailableError: it cannot be written, or something is there already.
        """
        self._ask(self.recorder.backup, path)

    def put_back_guards(self) -> None:
        """Make the log's own triggers anew where somebody dropped or changed them."""
        self._ask(self.recorder.put_back_guards)


class _Transaction:
    """One commit to the file; see `lifecycle.log.store_port.Transaction`."""

    __slots__ = ("_before", "_connection", "_generation", "_recorder", "_written", "tip")

    tip: Tip

    def __init__(self, recorder: SQLiteRecorder) -> None:
        self._recorder = recorder
        self._written: Head | None = None

    def __enter__(self) -> Self:
        recorder, lent = self._recorder, None
        try:
            self._connection = lent = recorder.datastore.pool.get_connection()
            self._generation = lent.begin()
            generation, last = lent.committed
            if generation != self._generation:
                last = recorder.end_of_log(lent)
            lent.committed = NOTHING_COMMITTED
            self._before, self.tip = recorder.last, _EMPTY
            if last is not None:
                linked = (str(last.stream), last.version, sha256(last.header).hexdigest())
                self.tip = Tip(max(last.position, 0), link(linked))
        except BaseException as fault:
            recorder.datastore.pool.put_failed(lent, fault)
            raise_translated(recorder.url, fault)
            raise
        return self

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        positions = range(self.tip.position + 1, self.tip.position + 1 + len(rows))
        values = [
            (position, row.stream, row.version, row.topic, row.state)
            for position, row in zip(positions, rows, strict=True)
        ]
        done = self._connection.tuples.executemany(STATEMENTS.insert, values)
        if rows and done.rowcount != len(rows):
            raise StoreUnavailableError(
                self._recorder.url,
                "an insert had no effect; a trigger may be why; run: lifecycle doctor",
            )
        if values:
            position, stream, version, _, state = values[-1]
            self._written = Head(stream, version, position, state.partition(b"\n")[0])
        if links:
            self._add_links(links)
        return positions

    def _add_links(self, links: Sequence[OrderLink]) -> None:
        for statement in create_statements(LINKS):
            self._connection.driver.execute(statement)
        self._connection.driver.executemany(ADD_LINK, links)

    def __exit__(
        self,
        failed: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Commit, and check the files; forget the last record if they are not the log's any more.

        If the block failed, roll back.
        """
        try:  # from the first line on: an interrupt must not leave the file locked
            if fault is None:
                recorder, connection = self._recorder, self._connection
                connection.tuples.execute("COMMIT")
                if self._written is not None:
                    recorder.last = self._written
                    connection.committed = (self._generation, self._written)
                if connection.files.check_committed():
                    connection.forget()
                    recorder.end_of_log(connection)
        except BaseException as failure:
            self._recorder.last = self._before
            self._connection.committed = NOTHING_COMMITTED
            self._fail(failure)
            raise
        if fault is None:
            self._recorder.datastore.pool.put_connection(self._connection)
        else:
            self._fail(fault)

    def _fail(self, fault: BaseException) -> None:
        """Roll back, and raise an error of SQLite's as one of ours."""
        self._recorder.datastore.pool.put_failed(self._connection, fault)
        raise_translated(self._recorder.url, fault)


class SQLiteRecorder(TableRecorder, SQLiteApplicationRecorder):
    """The library's recorder on our table, with what the log needs besides."""

    gapless = True
    statements = STATEMENTS
    datastore: LogDatastore
    optional: Sequence[tuple[str, ...]] = ()

    def __init__(self, datastore: LogDatastore, url: str) -> None:
        super().__init__(datastore, TABLE)
        self.url = url
        self.insert_events_statement = INSERT_UNPLACED
        self.last: Head | None = None
        self._confirmed: LogConnection | None = None

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the table and guard it."""
        return list(SCHEMA)

    def prepare(self, *, create: bool) -> None:
        """Make the table if it is not there and `create` is true, and check that it is ours."""
        with translated_errors(self.url):
            columns = self._columns()
            if not columns and create:
                self.create_table()
                columns = self._columns()
            elif columns == COLUMNS and create:
                self._warn_of_lacking_guards()
        if not columns:
            raise StoreMissingError(self.url)
        if columns != COLUMNS:
            raise StoreUnavailableError(self.url, f"its table {TABLE} is not of this library")

    def writing(self, *, exclusive: bool = False) -> _Transaction:
        """Return a transaction; other writers are always kept out."""
        del exclusive
        return _Transaction(self)

    def confirm(self) -> None:
        """Return if what was acknowledged before can still be counted on."""
        with Lent(self.datastore.pool, translated=True) as connection:
            if connection.check() or connection is not self._confirmed:
                self.end_of_log(connection)
                self._confirmed = connection

    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement, in autocommit: no lock is held afterwards."""
        with Lent(self.datastore.pool, translated=True) as connection:
            return _rows_of(connection, statement, parameters)

    def fetch_of_streams(self, statement: str, streams: Sequence[str]) -> list[Any]:
        """Return all rows of a statement about some streams."""
        # The last is repeated: few different statements stay prepared.
        size = next(size for size in _STATEMENT_SIZES if size >= len(streams))
        padded = [*streams, *([streams[-1]] * (size - len(streams)))]
        with Lent(self.datastore.pool, translated=True) as connection:
            return _rows_of(connection, _about(statement, size), padded)

    def fetch_names(self, after: str, prefix: str) -> list[Any]:
        """Return names; what is no UTF-8 in one comes as lone surrogates."""
        parameters = (after.encode(errors="surrogateescape"), prefix, PAGE)
        with Lent(self.datastore.pool, translated=True) as connection:
            return _rows_of(connection, STATEMENTS.streams, parameters, "surrogateescape")

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        return self._page(STATEMENTS.page, after, until, PAGE)

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        return self._page(STATEMENTS.page_of_stream, stream, version, version, position, PAGE)

    def backup(self, path: str) -> None:
        """Write all that is stored into a new file at `path`."""
        with Lent(self.datastore.pool, translated=True) as connection:
            back_up(connection.driver, path)

    def put_back_guards(self) -> None:
        """Make the log's own triggers anew where somebody dropped or changed them."""
        with (
            Lent(self.datastore.pool, translated=True) as connection,
            connection.transaction(commit=True),
        ):
            put_back_guards(connection.driver, connection.tuples)

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, read back."""
        with Lent(self.datastore.pool, translated=True) as connection:
            found = connection.settings()
            told = checkup(
                connection.driver, connection.tuples, self.datastore.pool.file, self.optional
            )
        return [*(Setting(name, value, MEANINGS[name]) for name, value in found.items()), *told]

    def close(self) -> None:
        """Close every connection."""
        with translated_errors(self.url):
            self.datastore.close()

    def _page(self, statement: str, *parameters: object) -> list[Record]:
        with Lent(self.datastore.pool, translated=True) as connection:
            try:
                return _page_of(connection.new_cursor(), statement, parameters)
            except sqlite3.OperationalError as fault:
                if not is_undecodable(fault):
                    raise
            with connection.tolerant() as cursor:
                return _page_of(cursor, statement, parameters)

    def _warn_of_lacking_guards(self) -> None:
        with Lent(self.datastore.pool) as connection:
            warn_of_lacking_guards(connection.tuples, self.url)

    def _columns(self) -> tuple[str, ...]:
        return tuple(row[1] for row in self.fetch(f"PRAGMA table_info({TABLE})"))

    def end_of_log(self, connection: LogConnection) -> Head | None:
        """Return the last head, which is no older than what was acknowledged.

        Raises:
            StoreUnavailableError: another database was copied over the file.
        """
        rows = _rows_of(connection, LAST)
        head = _head_of(*rows[0]) if rows else None
        if self.last is not None and not _holds(head, self.last):
            raise self.datastore.pool.file.overwritten()
        return head


@cache
def _about(statement: str, streams: int) -> str:
    """Return a statement about so many streams."""
    return statement.format(places=",".join("?" * streams))


def _rows_of(
    connection: LogConnection,
    statement: str,
    parameters: Sequence[object] = (),
    errors: str = "backslashreplace",
) -> list[Any]:
    """Return all rows of a statement, whatever their texts are made of."""
    try:
        return connection.tuples.execute(statement, parameters).fetchall()
    except sqlite3.OperationalError as fault:
        if not is_undecodable(fault):
            raise
    with connection.tolerant(errors) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def _page_of(cursor: sqlite3.Cursor, statement: str, parameters: Sequence[object]) -> list[Record]:
    """Return records until there are enough of them, or of their bytes."""
    page: list[Record] = []
    size = 0
    with closing(cursor):
        for row in cursor.execute(statement, parameters):
            page.append(named(row))
            size += len(row[-1])
            if size > PAGE_BYTES:
                break
    return page


def _opened(path: str, *, create: bool, retry_timeout: float) -> SQLiteRecorder:
    url = f"sqlite:///{path}"
    refuse_if_no_file(path, url, create=create)
    recorder = SQLiteRecorder(LogDatastore(path, url, retry_timeout, create=create), url)
    try:
        retrying(url, retry_timeout, recorder.prepare, create=create)
        warn_if_readable(recorder.datastore.pool.file)
    except BaseException:
        recorder.close()
        raise
    return recorder


def _head_of(stream: str, version: int, _: str, position: int, state: bytes) -> Head:
    """Return a record without its body: what is cut off here, SQLite would read as well."""
    return Head(stream, version, position, state.partition(b"\n")[0])


def _holds(head: Head | None, last: Head) -> bool:
    """Tell whether a log that ends with `head` can hold what was written `last`."""
    return head is not None and (head == last or head.position > last.position)
