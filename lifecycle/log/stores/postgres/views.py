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
from lifecycle.log.stores.postgres.connection import LogConnection
from lifecycle.log.stores.postgres.datastore import LogDatastore, QualifiedCursor
from lifecycle.log.stores.postgres.qualified import translated
from lifecycle.log.stores.sql.tables import TRACKING, VIEWS
from lifecycle.log.stores.sql.views import Cursor, TrackedViews


class PostgresViews(TrackedViews, PostgresTrackingRecorder):
    """A `ViewStore` on the connections of the log."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore) -> None:
        PostgresTrackingRecorder.__init__(self, datastore, tracking_table_name=TRACKING.name)
        TrackedViews.__init__(self, datastore.url, datastore.patience)

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement with its names qualified and its values numbered."""
        del index  # the planner finds it
        return translated(statement, self.datastore.tables.quoted_schema)

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there; only the log's owner needs to."""
        with self.datastore.locked(self.datastore.tables.create_lock) as connection:
            self.datastore.catalog(connection).make_missing(VIEWS)

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        with self.datastore.connected() as connection:
            return self.datastore.catalog(connection).may_be_read(VIEWS)

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        connection = cast("RawCursor[Any]", cursor).connection
        with QualifiedCursor(connection, row_factory=dict_row) as ours:
            self._insert_tracking(ours, tracking)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a cursor within a transaction that holds the lock of all who write views."""
        # A reply that was lost is asked for again: what was done then shows as moved on.
        with self.datastore.locked(self.datastore.tables.views_lock) as connection:
            yield _binary(connection)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a cursor whose statements all see one state of the database."""
        with self.datastore.connected() as connection, connection.transaction():
            connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield _binary(connection)


def _binary(connection: LogConnection) -> RawCursor[tuple[Any, ...]]:
    cursor = RawCursor(connection, row_factory=tuple_row)
    cursor.format = Format.BINARY
    return cursor
