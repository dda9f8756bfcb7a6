"""Subscriptions in the database of the log: a handler may write in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lifecycle.log.stores.postgres.datastore import LogDatastore
from lifecycle.log.stores.postgres.qualified import translated
from lifecycle.log.stores.postgres.tables import lock_statement
from lifecycle.log.stores.sql.feeds import TableFeeds, Transaction
from lifecycle.log.stores.sql.tables import FEEDS


class PostgresFeeds(TableFeeds):
    """A `FeedStore` on the connections of the log; a handler gets a `psycopg.Connection`."""

    def __init__(self, datastore: LogDatastore) -> None:
        self._datastore = datastore
        super().__init__(datastore.url, datastore.patience)

    def spelled(self, statement: str) -> str:
        """Return a statement with its names qualified and its values numbered."""
        return translated(statement, self._datastore.tables.quoted_schema)

    def is_there(self) -> bool:
        """Tell whether the tables are there, and this role may read them."""
        with self._datastore.connected() as connection:
            return self._datastore.catalog(connection).may_be_read(FEEDS)

    def create(self, transaction: Transaction) -> None:
        """Make the tables, unless they are there; of many processes one does."""
        lock = lock_statement(self._datastore.tables.create_lock)
        transaction.connection.execute(lock.encode())
        self._datastore.catalog(transaction.connection).make_missing(FEEDS)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with self._datastore.connected() as connection:
            return connection.tuples.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Yield a transaction; whether it was kept is in doubt if the reply to it is lost."""
        lock = self._datastore.tables.create_lock
        with self._datastore.begun(lock, writes=True) as connection:
            yield Transaction(connection.tuples, connection)
