"""Subscriptions in two tables beside the log: what SQLite and PostgreSQL share.

Every move says from where: a position that is no longer there shows that another reader was
first, and nothing of that transaction is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.feed_store import DeadLetter, FeedStore, MovedOnError, SubscriptionPosition
from lifecycle.log.recorder import TryAgainError
from lifecycle.log.retry_policy import retried, retrying
from lifecycle.log.stores.sql.database import Database
from lifecycle.log.stores.sql.tables import FEEDS

Statement = tuple[str, Sequence[object]]
"""A statement and its values."""


class FeedStatements(NamedTuple):
    """What is said to the database; `?` stands for each value in its order."""

    begin: str = "INSERT INTO feeds (name, position) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
    position: str = "SELECT position FROM feeds WHERE name = ?"
    positions: str = (
        "SELECT name, position, (SELECT count(*) FROM feed_letters WHERE feed = name) "
        "FROM feeds ORDER BY name"
    )
    move: str = "UPDATE feeds SET position = ? WHERE name = ? AND position = ? RETURNING position"
    park: str = (
        "INSERT INTO feed_letters (feed, position, order_id, reason, attempts) "
        "VALUES (?, ?, ?, ?, ?)"
    )
    letters: str = (
        "SELECT position, order_id, reason, attempts FROM feed_letters "
        "WHERE feed = ? AND position > ? ORDER BY position LIMIT ?"
    )
    waits: str = "SELECT 1 FROM feed_letters WHERE feed = ? AND order_id = ? LIMIT 1"
    drop: str = "DELETE FROM feed_letters WHERE feed = ? AND position = ? RETURNING position"
    retried: str = (
        "UPDATE feed_letters SET reason = ?, attempts = attempts + ? "
        "WHERE feed = ? AND position = ? RETURNING position"
    )


class TableFeeds(FeedStore):
    """A `FeedStore` in two tables of the log's database, whose connection a handler gets."""

    def __init__(self, database: Database) -> None:
        self.url = database.url
        self.retry_timeout = database.retry_timeout
        self._database = database
        self._sql = FeedStatements._make(map(database.spelled, FeedStatements()))

    @retried
    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        found = self._found(self._sql.position, name)
        if not found:
            with self._database.writing() as transaction:
                self._database.make(FEEDS, transaction)
                transaction.cursor.execute(self._sql.begin, (name, position))
            found = self._database.ask(self._sql.position, name)
        return int(found[0][0])

    @retried
    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name."""
        return list(map(SubscriptionPosition._make, self._found(self._sql.positions)))

    @retried
    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        return self._do((self._sql.move, (after, name, before)))

    def moving(self, name: str, before: int, after: int) -> AbstractContextManager[Any]:
        """Return a transaction that yields the driver's connection and moves the position."""
        return self.shared((self._sql.move, (after, name, before)))

    @retried
    def park(self, name: str, before: int, letter: DeadLetter) -> bool:
        """Keep a letter and move the position to it."""
        return self._do(
            (self._sql.move, (letter.position, name, before)), (self._sql.park, (name, *letter))
        )

    @retried
    def letters(self, name: str, after: int, at_most: int) -> list[DeadLetter]:
        """Return the next letters with positions above `after`, by position."""
        found = self._found(self._sql.letters, name, after, at_most)
        return list(map(DeadLetter._make, found))

    @retried
    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        return bool(self._database.ask(self._sql.waits, name, order_id))

    @retried
    def drop(self, name: str, position: int) -> bool:
        """Forget a letter; False if it is there no longer."""
        return self._do((self._sql.drop, (name, position)))

    def dropping(self, name: str, position: int) -> AbstractContextManager[Any]:
        """Return a transaction that yields the driver's connection and forgets the letter."""
        return self.shared((self._sql.drop, (name, position)))

    @retried
    def retried(self, name: str, position: int, reason: str, attempts: int) -> None:
        """Add handings over to a letter that still was not taken."""
        self._do((self._sql.retried, (reason, attempts, name, position)))

    @contextmanager
    def shared(self, first: Statement) -> Iterator[Any]:
        """Yield the driver's connection once the first statement found what it moves.

        Raises:
            MovedOnError: it found nothing; another reader was first.
            StoreUnavailableError: nothing was kept, or nobody knows: the position shows it.
        """
        # Only beginning is asked again: what is done with the connection is not ours to repeat.
        begun, connection = retrying(self.url, self.retry_timeout, self._begun, first)
        try:
            with begun:
                yield connection
        except TryAgainError as again:
            raise StoreUnavailableError(self.url, again.found) from again

    def _found(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement; none where nobody ever subscribed."""
        return self._database.ask(statement, *parameters) if self._database.holds(FEEDS) else []

    def _begun(self, first: Statement) -> tuple[ExitStack, Any]:
        """Return a transaction to be ended, once the first statement found what it moves."""
        with ExitStack() as stack:
            transaction = stack.enter_context(self._database.writing())
            if transaction.cursor.execute(*first).fetchone() is None:
                raise MovedOnError
            return stack.pop_all(), transaction.connection

    def _do(self, first: Statement, *others: Statement) -> bool:
        """Run statements in one transaction; False, and nothing done, if the first finds none.

        Where the reply to a commit was lost, asking again finds out: the first then finds none.
        """
        with self._database.writing() as transaction:
            if transaction.cursor.execute(*first).fetchone() is None:
                return False
            for statement in others:
                transaction.cursor.execute(*statement)
        return True
