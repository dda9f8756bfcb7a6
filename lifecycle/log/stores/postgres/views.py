"""Stored views in the PostgreSQL database of the log, on the library's tracking recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import RawCursor
from psycopg.pq import Format
from psycopg.rows import dict_row, tuple_row

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.postgres.connection import (
    Lent,
    LogConnection,
    LogDatastore,
    QualifiedCursor,
    asking,
)
from lifecycle.log.stores.postgres.creation import make_missing
from lifecycle.log.stores.postgres.fault import InOurWords
from lifecycle.log.stores.postgres.lock_holder import NamingTheHolder
from lifecycle.log.stores.postgres.owners import may_be_read
from lifecycle.log.stores.postgres.schema import Place
from lifecycle.log.stores.postgres.tables import VIEWS
from lifecycle.log.stores.sql.views import Cursor, TrackedViews


class PostgresViews(TrackedViews, PostgresTrackingRecorder):
    """A `ViewStore` on the connections of the log; `patience` is as the log's."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, place: Place, url: str, patience: float) -> None:
        PostgresTrackingRecorder.__init__(self, datastore, tracking_table_name="tracking")
        TrackedViews.__init__(self, url, patience, place.quoted_schema)
        self._where = place

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there; only the log's owner needs to."""
        place = self._where
        with self._transaction(place.create_lock) as connection:
            make_missing(connection, place, self.url, VIEWS)

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        with InOurWords(self.url), Lent(self.datastore.connections) as connection:
            return may_be_read(asking(connection), self._where, self.url, VIEWS)

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        connection = cast("RawCursor[Any]", cursor).connection
        with QualifiedCursor(connection, row_factory=dict_row) as ours:
            self._insert_tracking(ours, tracking)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a cursor within a transaction that holds the lock of all who write views."""
        # A reply that was lost is asked for again: what was done then shows as moved on.
        with self._transaction(self._where.views_lock) as connection:
            yield _binary(connection)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a cursor whose statements all see one state of the database."""
        with (
            InOurWords(self.url),
            Lent(self.datastore.connections) as connection,
            connection.transaction(),
        ):
            connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield _binary(connection)

    @contextmanager
    def _transaction(self, lock: int) -> Iterator[LogConnection]:
        """Yield a connection within a transaction that holds a lock."""
        pool = self.datastore.connections
        with (
            NamingTheHolder(pool, self._where, lock),
            InOurWords(self.url),
            Lent(pool) as connection,
            connection.transaction(),
        ):
            connection.execute(self._where.lock_statement(lock).encode())
            yield connection


def _binary(connection: LogConnection) -> RawCursor[tuple[Any, ...]]:
    cursor = RawCursor(connection, row_factory=tuple_row)
    cursor.format = Format.BINARY
    return cursor
