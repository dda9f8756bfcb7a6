"""The database of one log: its connections, its tables, and who holds a lock that we wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import Cursor, RawCursor
from psycopg.abc import Params, Query
from psycopg.pq import Format
from psycopg.rows import DictRow, tuple_row
from psycopg.sql import Composable

from lifecycle.core.instant import format_instant
from lifecycle.errors import StoreError
from lifecycle.log.store_port import TryAgainError, in_library_words
from lifecycle.log.stores.postgres.catalog import Catalog
from lifecycle.log.stores.postgres.connection import LogConnection, LogConnectionPool, lent
from lifecycle.log.stores.postgres.fault import LockWaitError, translated_errors
from lifecycle.log.stores.postgres.qualified import qualified, translated
from lifecycle.log.stores.postgres.settings import idle_statement
from lifecycle.log.stores.postgres.tables import LogTables, lock_statement
from lifecycle.log.stores.postgres.url import Target
from lifecycle.log.stores.sql.database import Transaction
from lifecycle.log.stores.sql.tables import Table

# The server shows a lock's number in two halves, and the times of a session to few.
_HOLDER: Final = qualified(
    """SELECT h.pid, a.usename::text, a.application_name, coalesce(a.xact_start, a.state_change)
FROM pg_catalog.pg_locks h LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
WHERE h.granted AND h.pid <> pg_backend_pid()
AND h.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
AND ((h.locktype = 'advisory' AND h.objsubid = 1
        AND (h.classid::text || ' ' || h.objid::text) = ANY($1::text[]))
    OR (h.locktype = 'relation' AND h.relation = to_regclass($2)
        AND h.mode = ANY('{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')))
ORDER BY h.locktype, h.pid LIMIT 1
"""
)
_HALF: Final = 2**32 - 1


class LogDatastore(PostgresDatastore):
    """The library's datastore on our connections, and the database of one log."""

    def __init__(self, target: Target, *, create: bool) -> None:
        super().__init__("", "", "", "", "", schema=target.tables.schema, originator_id_type="text")
        self.conninfo: Mapping[str, Any] = target.conninfo
        self.url: str = target.url
        self.tables: LogTables = target.tables
        self.retry_timeout: float = target.limits.retry_timeout
        self.connections: LogConnectionPool = LogConnectionPool(target, create=create)

    @contextmanager
    def get_connection(self) -> Iterator[LogConnection]:
        """Yield a connection, as the library's own methods ask for it."""
        with in_library_words(psycopg.Error), lent(self.connections) as connection:
            ordinary, connection.cursor_factory = connection.cursor_factory, QualifiedCursor
            try:
                yield connection
            finally:
                connection.cursor_factory = ordinary

    @contextmanager
    def connected(self) -> Iterator[LogConnection]:
        """Yield a connection; its errors are in our words."""
        with translated_errors(self.url), lent(self.connections) as connection:
            yield connection

    @contextmanager
    def begun(self, lock: int, *, writes: bool = False) -> Iterator[LogConnection]:
        """Yield a connection within a transaction; who holds `lock`, if it waits, is named.

        `writes` tells that a lost connection leaves it open whether something was stored.
        """
        with (
            naming_the_holder(self, lock),
            translated_errors(self.url, writes=writes),
            lent(self.connections) as connection,
            connection.transaction(),
        ):
            yield connection

    @contextmanager
    def locked(self, lock: int) -> Iterator[LogConnection]:
        """Yield a connection within a transaction that holds an advisory lock."""
        with self.begun(lock) as connection:
            connection.execute(lock_statement(lock).encode())
            yield connection

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement with its names qualified and its values numbered."""
        del index  # the planner finds it
        return translated(statement, self.tables.quoted_schema)

    def holds(self, tables: Sequence[Table]) -> bool:
        """Tell whether tables are all there, and this role may read them."""
        with self.connected() as connection:
            return self.catalog(connection).may_be_read(tables)

    def make(self, tables: Sequence[Table], transaction: Transaction) -> None:
        """Make tables, unless they are there; of many processes one does."""
        transaction.connection.execute(lock_statement(self.tables.create_lock).encode())
        self.catalog(transaction.connection).make_missing(tables)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with self.connected() as connection:
            return connection.tuples.execute(statement, parameters, binary=True).fetchall()

    @contextmanager
    def reading(self) -> Iterator[RawCursor[tuple[Any, ...]]]:
        """Yield a cursor whose statements all see one state of the database."""
        with self.connected() as connection, connection.transaction():
            connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor = RawCursor(connection, row_factory=tuple_row)
            cursor.format = Format.BINARY
            yield cursor

    @contextmanager
    def writing(self, idle: float | None = None) -> Iterator[Transaction]:
        """Yield a transaction; whether it was kept is in doubt if the reply to it is lost."""
        with self.begun(self.tables.create_lock, writes=True) as connection:
            if idle is not None:
                connection.execute(idle_statement(idle).encode())
            yield Transaction(connection.tuples, connection)

    def cut_off(self, connection: LogConnection) -> None:
        """Roll back what a thread does in `writing`, and refuse what it goes on to do."""
        connection.close()

    @contextmanager
    def writing_views(self) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all who write views."""
        # A reply that was lost is asked for again: what was done then shows as moved on.
        with self.locked(self.tables.views_lock) as connection:
            yield Transaction(connection.tuples, connection)

    overwriting = writing_views  # rows that were replaced are the server's to remove: by vacuum

    def catalog(self, connection: LogConnection) -> Catalog:
        """Return what tells of the log's tables, on this connection."""
        return Catalog(connection, self.tables, self.url)

    def register_type_adapters(self) -> None:
        """Leave out the library's composite type: our inserts do without."""

    def close(self) -> None:
        """Close every connection."""
        self.connections.close()


class QualifiedCursor(Cursor[DictRow]):
    """Qualifies what is run on it: the statements of the library's own recorders are plain."""

    def execute(self, query: Query, params: Params | None = None, **options: Any) -> Self:
        """Run a statement with its names qualified."""
        if isinstance(query, Composable):
            query = query.as_string(self)
        text = query.decode() if isinstance(query, bytes) else str(query)
        return super().execute(qualified(text).encode(), params, **options)


class _Holder(NamedTuple):
    """One session that holds a lock; what the server does not show is None."""

    pid: int
    role: str | None
    application: str | None
    since: Any

    def __str__(self) -> str:
        parts = [f"process {self.pid}"]
        parts += [f"role {self.role}"] if self.role else []
        parts += [f"application {self.application}"] if self.application else []
        parts += [f"since {format_instant(self.since)}"] if self.since else []
        return ", ".join(parts)


@contextmanager
def naming_the_holder(datastore: LogDatastore, lock: int) -> Iterator[None]:
    """Add to the error of an advisory lock that was not to be had who holds it just then."""
    try:
        yield
    except LockWaitError as fault:
        holder = _holder(datastore, lock)
        if holder is not None:
            raise LockWaitError(f"{fault.found}; it is held by: {holder}") from None
        raise


def _holder(datastore: LogDatastore, lock: int) -> _Holder | None:
    """Return who holds the lock; None where nobody does, or nobody can be asked."""
    parameters = ([f"{(lock >> 32) & _HALF} {lock & _HALF}"], datastore.tables.log)
    try:
        with lent(datastore.connections) as connection:
            rows = connection.tuples.execute(_HOLDER, parameters).fetchall()
    except (TryAgainError, StoreError, psycopg.Error):
        return None
    return _Holder._make(rows[0]) if rows else None
