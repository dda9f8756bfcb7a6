"""Stored views in the SQLite file of the log, on the library's tracking recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.view_statements import INDEXES
from lifecycle.log.stores.sql.views import Cursor, TrackedViews
from lifecycle.log.stores.sqlite.connection import Lent, LogDatastore
from lifecycle.log.stores.sqlite.fault import InOurWords

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS view_generations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    definition TEXT NOT NULL,
    form INTEGER NOT NULL,
    release TEXT NOT NULL,
    phase TEXT NOT NULL,
    walked TEXT NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS order_views (
    generation INTEGER NOT NULL,
    order_id TEXT NOT NULL COLLATE BINARY,
    status TEXT NOT NULL,
    terminal INTEGER NOT NULL,
    awaiting TEXT NOT NULL,
    waiting_since INTEGER NOT NULL,
    anomalies INTEGER NOT NULL,
    first_received_at INTEGER NOT NULL,
    last_received_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    digest TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (generation, order_id)
)""",
    """CREATE TABLE IF NOT EXISTS poisoned_orders (
    generation INTEGER NOT NULL,
    order_id TEXT NOT NULL COLLATE BINARY,
    reason TEXT NOT NULL,
    PRIMARY KEY (generation, order_id)
) WITHOUT ROWID""",
)
_IS_THERE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN (?, ?)"


class SQLiteViews(TrackedViews, SQLiteTrackingRecorder):
    """A `ViewStore` on the connections of the log; `patience` is as the log's."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, url: str, patience: float) -> None:
        SQLiteTrackingRecorder.__init__(self, datastore)
        TrackedViews.__init__(self, url, patience, None)

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the tables, the library's for tracking first."""
        return [*super().construct_create_table_statements(), *_TABLES, *INDEXES]

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there."""
        while not self.is_there():
            # Whoever makes them first also marks the library's table, which works once.
            with InOurWords(self.url), suppress(IntegrityError):
                self.create_table()

    def is_there(self) -> bool:
        """Tell whether the tables are there."""
        ((tables,),) = self._fetch(_IS_THERE, "view_generations", "tracking")
        return bool(tables == 2)

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        self._insert_tracking(cast("SQLiteCursor", cursor), tracking)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a cursor within a transaction that holds the file's write lock."""
        with (
            Lent(self.datastore.pool, in_our_words=True) as connection,
            connection.transaction(commit=True) as cursor,
        ):
            yield cursor

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a cursor whose statements all see one state of the file."""
        with Lent(self.datastore.pool, in_our_words=True) as connection:
            connection.driver.execute("BEGIN")
            try:
                yield connection.tuples
            finally:
                connection.driver.execute("ROLLBACK")
