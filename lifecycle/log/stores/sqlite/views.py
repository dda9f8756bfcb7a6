"""Stored views in the SQLite file of the log, on the library's tracking recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.tables import GENERATIONS, ORDER_VIEWS, POISONED
from lifecycle.log.stores.sql.views import Cursor, TrackedViews
from lifecycle.log.stores.sqlite.connection import Lent, LogDatastore
from lifecycle.log.stores.sqlite.fault import translated_errors
from lifecycle.log.stores.sqlite.schema import create_statements

_IS_THERE: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN (?, ?)"


class SQLiteViews(TrackedViews, SQLiteTrackingRecorder):
    """A `ViewStore` on the connections of the log; `patience` is as the log's."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, url: str, patience: float) -> None:
        SQLiteTrackingRecorder.__init__(self, datastore)
        TrackedViews.__init__(self, url, patience)

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement with the index named: the planner knows not how few orders wait."""
        # CAST: whoever changes a row by hand may leave text where bytes belong.
        used = f" INDEXED BY {index}" if index else ""
        return statement.replace(
            "body FROM order_views", f"CAST(body AS BLOB) FROM order_views{used}"
        )

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the tables, the library's for tracking first."""
        tracking = super().construct_create_table_statements()
        return [*tracking, *create_statements((GENERATIONS, ORDER_VIEWS, POISONED))]

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there."""
        while not self.is_there():
            # Whoever makes them first also marks the library's table, which works once.
            with translated_errors(self.url), suppress(IntegrityError):
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
            Lent(self.datastore.pool, translated=True) as connection,
            connection.transaction(commit=True) as cursor,
        ):
            yield cursor

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a cursor whose statements all see one state of the file."""
        with Lent(self.datastore.pool, translated=True) as connection:
            connection.driver.execute("BEGIN")
            try:
                yield connection.tuples
            finally:
                connection.driver.execute("ROLLBACK")
