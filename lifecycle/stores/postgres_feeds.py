"""Subscriptions in the database of the log: a handler may write in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lifecycle.stores.feed_statement import TABLES, Statements
from lifecycle.stores.postgres_connection import Lent, LogConnectionPool
from lifecycle.stores.postgres_fault import InOurWords
from lifecycle.stores.postgres_schema import MAY_READ, Place
from lifecycle.stores.table_feeds import TableFeeds, Transaction

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS {schema}.feeds (
    name text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS {schema}.feed_letters (
    feed text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (feed, position)
)""",
    "CREATE INDEX IF NOT EXISTS feed_letters_order ON {schema}.feed_letters (feed, order_id)",
)


class PostgresFeeds(TableFeeds):
    """A `FeedStore` on the connections of the log; a handler gets a `psycopg.Connection`."""

    def __init__(self, pool: LogConnectionPool, place: Place, url: str, patience: float) -> None:
        super().__init__(url, patience, Statements().placed(place.quoted_schema))
        self._pool = pool
        self._place = place

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        names = [f"{self._place.quoted_schema}.{table}" for table in TABLES]
        return bool(self.ask(MAY_READ, names)[0][0])

    def create(self, transaction: Transaction) -> None:
        """Make the tables, unless they are there; of many processes one does."""
        lock = f"SELECT pg_advisory_xact_lock({self._place.create_lock})"
        for statement in (lock, *_SCHEMA):
            placed = statement.format(schema=self._place.quoted_schema)
            transaction.connection.execute(placed.encode())

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with InOurWords(self.url), Lent(self._pool) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Yield a transaction; whether it was kept is in doubt if the reply to it is lost."""
        with (
            InOurWords(self.url, writes=True),
            Lent(self._pool) as connection,
            connection.transaction(),
        ):
            yield Transaction(connection.tuples, connection)
