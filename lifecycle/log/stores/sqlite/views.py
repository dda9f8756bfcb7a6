"""Stored views in the SQLite file of the log, on the library's tracking recorder."""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from eventsourcing.persistence import IntegrityError, Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteTrackingRecorder

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.database import Cursor
from lifecycle.log.stores.sql.tables import TRACKING, VIEWS
from lifecycle.log.stores.sql.views import TrackedViews
from lifecycle.log.stores.sqlite.datastore import LogDatastore
from lifecycle.log.stores.sqlite.fault import translated_errors
from lifecycle.log.stores.sqlite.schema import create_statements


class SQLiteViews(TrackedViews, SQLiteTrackingRecorder):
    """A `ViewStore` on the connections of the log."""

    def __init__(self, datastore: LogDatastore) -> None:
        SQLiteTrackingRecorder.__init__(self, datastore)
        TrackedViews.__init__(self, datastore)

    def construct_create_table_statements(self) -> list[str]:
        """Return the statements that make the tables, the library's for tracking first."""
        ours = [table for table in VIEWS if table is not TRACKING]
        return [*super().construct_create_table_statements(), *create_statements(ours)]

    @retried
    def create(self) -> None:
        """Make the tables, unless they are there."""
        while not self._database.holds(VIEWS):
            # Whoever makes them first also marks the library's table, which works once.
            with translated_errors(self.url), suppress(IntegrityError):
                self.create_table()

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        self._insert_tracking(cast("SQLiteCursor", cursor), tracking)
