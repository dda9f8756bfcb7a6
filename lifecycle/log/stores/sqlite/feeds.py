"""Subscriptions in the SQLite file of the log: a handler may write in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lifecycle.log.stores.sql.feeds import TableFeeds, Transaction
from lifecycle.log.stores.sql.tables import FEEDS
from lifecycle.log.stores.sqlite.connection import Lent, LogDatastore
from lifecycle.log.stores.sqlite.schema import create_statements

FEEDS_SCHEMA: Final = create_statements(FEEDS)

_IS_THERE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feed_letters'"


class SQLiteFeeds(TableFeeds):
    """A `FeedStore` on the connections of the log; a handler gets a `sqlite3.Connection`."""

    def __init__(self, datastore: LogDatastore, url: str, patience: float) -> None:
        super().__init__(url, patience)
        self._datastore = datastore

    def is_there(self) -> bool:
        """Tell whether the tables are there."""
        return bool(self.ask(_IS_THERE))

    def create(self, transaction: Transaction) -> None:
        """Make the tables, unless they are there."""
        for statement in FEEDS_SCHEMA:
            transaction.cursor.execute(statement)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with Lent(self._datastore.pool, translated=True) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all who write."""
        with (
            Lent(self._datastore.pool, translated=True) as connection,
            connection.transaction(commit=True),
        ):
            yield Transaction(connection.tuples, connection.driver)
