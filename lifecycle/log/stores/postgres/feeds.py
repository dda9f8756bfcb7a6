"""Subscriptions in the database of the log: a handler may write in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lifecycle.log.stores.postgres.connection import Lent, LogConnectionPool, asking
from lifecycle.log.stores.postgres.creation import make_missing
from lifecycle.log.stores.postgres.fault import InOurWords
from lifecycle.log.stores.postgres.lock_holder import NamingTheHolder
from lifecycle.log.stores.postgres.owners import may_be_read
from lifecycle.log.stores.postgres.schema import Place
from lifecycle.log.stores.postgres.tables import FEEDS
from lifecycle.log.stores.sql.feed_statements import Statements
from lifecycle.log.stores.sql.feeds import TableFeeds, Transaction


class PostgresFeeds(TableFeeds):
    """A `FeedStore` on the connections of the log; a handler gets a `psycopg.Connection`."""

    def __init__(self, pool: LogConnectionPool, place: Place, url: str, patience: float) -> None:
        super().__init__(url, patience, Statements().placed(place.quoted_schema))
        self._pool = pool
        self._place = place

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        with InOurWords(self.url), Lent(self._pool) as connection:
            return may_be_read(asking(connection), self._place, self.url, FEEDS)

    def create(self, transaction: Transaction) -> None:
        """Make the tables, unless they are there; of many processes one does."""
        connection = transaction.connection
        connection.execute(self._place.lock_statement(self._place.create_lock).encode())
        make_missing(connection, self._place, self.url, FEEDS)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with InOurWords(self.url), Lent(self._pool) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Yield a transaction; whether it was kept is in doubt if the reply to it is lost."""
        with (
            NamingTheHolder(self._pool, self._place, self._place.create_lock),
            InOurWords(self.url, writes=True),
            Lent(self._pool) as connection,
            connection.transaction(),
        ):
            yield Transaction(connection.tuples, connection)
