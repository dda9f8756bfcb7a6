"""Stored views in the PostgreSQL database of the log, on the library's tracking recorder."""

from __future__ import annotations

from typing import Any, cast

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import RawCursor
from psycopg.rows import dict_row

from lifecycle.log.stores.postgres.datastore import LogDatastore, QualifiedCursor
from lifecycle.log.stores.sql.database import Cursor
from lifecycle.log.stores.sql.tables import TRACKING
from lifecycle.log.stores.sql.views import TrackedViews


class PostgresViews(TrackedViews, PostgresTrackingRecorder):
    """A `ViewStore` on the connections of the log."""

    def __init__(self, datastore: LogDatastore) -> None:
        PostgresTrackingRecorder.__init__(self, datastore, tracking_table_name=TRACKING.name)
        TrackedViews.__init__(self, datastore)

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        connection = cast("RawCursor[Any]", cursor).connection
        with QualifiedCursor(connection, row_factory=dict_row) as ours:
            self._insert_tracking(ours, tracking)
