"""Stored views in the PostgreSQL database of the log, on the library's tracking recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from psycopg import Cursor as DriverCursor
from psycopg import RawCursor
from psycopg.pq import Format
from psycopg.rows import DictRow, tuple_row

from lifecycle.stores.patience import patient
from lifecycle.stores.postgres_connection import Lent, LogConnection, LogDatastore
from lifecycle.stores.postgres_fault import InOurWords
from lifecycle.stores.postgres_schema import MAY_READ, Place
from lifecycle.stores.tracked import Cursor, TrackedViews
from lifecycle.stores.views_statement import INDEXES, TABLES

_TABLES: Final = (
    """CREATE TABLE {schema}.view_generations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text COLLATE "C" NOT NULL,
    definition text COLLATE "C" NOT NULL,
    form bigint NOT NULL,
    release text COLLATE "C" NOT NULL,
    phase text COLLATE "C" NOT NULL,
    walked text COLLATE "C" NOT NULL
)""",
    """CREATE TABLE {schema}.order_views (
    generation bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    terminal boolean NOT NULL,
    awaiting text COLLATE "C" NOT NULL,
    waiting_since bigint NOT NULL,
    anomalies bigint NOT NULL,
    first_received_at bigint NOT NULL,
    last_received_at bigint NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (generation, order_id)
)""",
    """CREATE TABLE {schema}.poisoned_orders (
    generation bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (generation, order_id)
)""",
)
_TRACKING: Final = """CREATE TABLE IF NOT EXISTS {schema}.tracking (
    application_name text, notification_id bigint, PRIMARY KEY (application_name)
)"""
_MARK: Final = "INSERT INTO {schema}.tracking VALUES ('__migration__', 1) ON CONFLICT DO NOTHING"
"""How the library knows a tracking table that holds one row a name."""


class PostgresViews(TrackedViews, PostgresTrackingRecorder):
    """A `ViewStore` on the connections of the log; `patience` is as the log's."""

    datastore: LogDatastore

    def __init__(self, datastore: LogDatastore, place: Place, url: str, patience: float) -> None:
        PostgresTrackingRecorder.__init__(self, datastore, tracking_table_name="tracking")
        TrackedViews.__init__(self, url, patience, place.quoted_schema)
        self._schema = place.quoted_schema
        self._create_lock = place.create_lock
        self._views_lock = place.views_lock

    @patient
    def create(self) -> None:
        """Make the tables, unless they are there."""
        indexes = [index.replace("\nON ", "\nON {schema}.") for index in INDEXES]
        with self._transaction(f"SELECT pg_advisory_xact_lock({self._create_lock})") as connection:
            if not _is_there(connection, f"{self._schema}.view_generations"):
                for statement in (_TRACKING, _MARK, *_TABLES, *indexes):
                    _run(connection, statement.format(schema=self._schema))

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        names = [f"{self._schema}.{table}" for table in TABLES]
        return bool(self._fetch(MAY_READ, names)[0][0])

    def track(self, cursor: Cursor, tracking: Tracking) -> None:
        """Have the library's recorder move a position, in the transaction of a cursor."""
        connection = cast("RawCursor[Any]", cursor).connection
        with connection.cursor() as ours:
            self._insert_tracking(cast("DriverCursor[DictRow]", ours), tracking)

    @contextmanager
    def writing(self) -> Iterator[Any]:
        """Yield a cursor within a transaction that holds the lock of all who write views."""
        # A reply that was lost is asked for again: what was done then shows as moved on.
        with self._transaction(f"SELECT pg_advisory_xact_lock({self._views_lock})") as connection:
            yield _binary(connection)

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Yield a cursor whose statements all see one state of the database."""
        with self._transaction(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        ) as connection:
            yield _binary(connection)

    @contextmanager
    def _transaction(self, first: str) -> Iterator[LogConnection]:
        with (
            InOurWords(self.url),
            Lent(self.datastore.connections) as connection,
            connection.transaction(),
        ):
            _run(connection, first)
            yield connection


def _binary(connection: LogConnection) -> RawCursor[tuple[Any, ...]]:
    cursor = RawCursor(connection, row_factory=tuple_row)
    cursor.format = Format.BINARY
    return cursor


def _run(connection: LogConnection, statement: str) -> None:
    connection.execute(statement.encode())


def _is_there(connection: LogConnection, table: str) -> bool:
    row = connection.tuples.execute("SELECT to_regclass($1) IS NOT NULL", (table,)).fetchone()
    return row is not None and bool(row[0])
