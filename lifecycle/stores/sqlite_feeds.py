"""Subscriptions in the SQLite file of the log: a handler may write in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from lifecycle.feed_store import DeadLetter, MovedOnError, Standing
from lifecycle.stores.feed_statement import STATEMENTS as SQL
from lifecycle.stores.patience import patient
from lifecycle.stores.sqlite_connection import Lent, LogDatastore
from lifecycle.stores.sqlite_fault import InOurWords

_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS feeds (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS feed_letters (
    feed TEXT NOT NULL,
    position INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (feed, position)
) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS feed_letters_order ON feed_letters (feed, order_id)",
)
_IS_THERE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feed_letters'"

_Statement = tuple[str, Sequence[object]]


class SQLiteFeeds:
    """A `FeedStore` on the connections of the log; `patience` is as the log's."""

    def __init__(self, datastore: LogDatastore, url: str, patience: float) -> None:
        self.url = url
        self.patience = patience
        self._datastore = datastore

    @patient
    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        found = self._ask(SQL.position, (name,)) if self._ask(_IS_THERE) else []
        if not found:
            with self._transaction() as driver:
                for statement in _SCHEMA:
                    driver.execute(statement)
                driver.execute(SQL.begin, (name, position))
            found = self._ask(SQL.position, (name,))
        return int(found[0][0])

    @patient
    def standings(self) -> list[Standing]:
        """Return all subscriptions, by name."""
        return list(map(Standing._make, self._ask(SQL.standings))) if self._ask(_IS_THERE) else []

    @patient
    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        return self._do((SQL.move, (after, name, before)))

    @contextmanager
    def moving(self, name: str, before: int, after: int) -> Iterator[sqlite3.Connection]:
        """Yield the driver's connection within a transaction that moves the position."""
        with self._shared((SQL.move, (after, name, before))) as driver:
            yield driver

    @patient
    def park(self, name: str, before: int, letter: DeadLetter) -> bool:
        """Keep a letter and move the position to it."""
        return self._do((SQL.move, (letter.position, name, before)), (SQL.park, (name, *letter)))

    @patient
    def letters(self, name: str, after: int, at_most: int) -> list[DeadLetter]:
        """Return the next letters with positions above `after`, by position."""
        found = self._ask(SQL.letters, (name, after, at_most)) if self._ask(_IS_THERE) else []
        return list(map(DeadLetter._make, found))

    @patient
    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        return bool(self._ask(SQL.waits, (name, order_id)))

    @patient
    def drop(self, name: str, position: int) -> bool:
        """Forget a letter; False if it is there no longer."""
        return self._do((SQL.drop, (name, position)))

    @contextmanager
    def dropping(self, name: str, position: int) -> Iterator[sqlite3.Connection]:
        """Yield the driver's connection within a transaction that forgets the letter."""
        with self._shared((SQL.drop, (name, position))) as driver:
            yield driver

    @patient
    def retried(self, name: str, position: int, reason: str, attempts: int) -> None:
        """Add handings over to a letter that still was not taken."""
        self._do((SQL.retried, (reason, attempts, name, position)))

    def _do(self, first: _Statement, *others: _Statement) -> bool:
        """Run statements in one transaction; False, and nothing done, if the first finds none."""
        with self._transaction() as driver:
            if driver.execute(*first).fetchone() is None:
                return False
            for statement in others:
                driver.execute(*statement)
        return True

    @contextmanager
    def _shared(self, first: _Statement) -> Iterator[sqlite3.Connection]:
        with self._transaction() as driver:
            if driver.execute(*first).fetchone() is None:
                raise MovedOnError
            yield driver

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with (
            InOurWords(self.url),
            Lent(self._datastore.pool) as connection,
            connection.transaction(commit=True),
        ):
            yield connection.driver

    def _ask(self, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
        with InOurWords(self.url), Lent(self._datastore.pool) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()
