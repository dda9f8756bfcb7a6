"""Subscriptions in three tables beside the log: what SQLite and PostgreSQL share.

Every change says from what: a position or a letter that is no longer so shows that another
reader was first, and nothing of that transaction is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.feed_store import (
    EPOCH,
    FeedStore,
    Handed,
    Letter,
    MovedOnError,
    SubscriptionPosition,
)
from lifecycle.log.recorder import TryAgainError
from lifecycle.log.retry_policy import retried, retrying
from lifecycle.log.stores.sql.database import Database
from lifecycle.log.stores.sql.tables import FEEDS
from lifecycle.log.view_store import microseconds

Statement = tuple[str, Sequence[object]]
"""A statement and its values."""

_NEVER: Final = 2**63 - 1
_PARTS: Final = {
    "letter": "feed, position, order_id, reason, attempts, due_at, reader",
    "dead": "EXISTS (SELECT 1 FROM feed_letters dead WHERE dead.feed = l.feed "
    "AND dead.order_id = l.order_id AND dead.due_at = 9223372036854775807)",
}


class FeedStatements(NamedTuple):
    """What is said to the database; `?` stands for each value in its order."""

    begin: str = "INSERT INTO feeds (name, position) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
    position: str = "SELECT position FROM feeds WHERE name = ?"
    positions: str = (
        "SELECT name, position, "
        "(SELECT count(*) FROM feed_letters l WHERE l.feed = name AND {dead}), "
        "(SELECT count(*) FROM feed_letters l WHERE l.feed = name AND NOT {dead}) "
        "FROM feeds ORDER BY name"
    )
    move: str = "UPDATE feeds SET position = ? WHERE name = ? AND position = ? RETURNING position"
    park: str = "INSERT INTO feed_letters ({letter}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    waits: str = "SELECT 1 FROM feed_letters WHERE feed = ? AND order_id = ? LIMIT 1"
    letters: str = (
        "SELECT {letter} FROM feed_letters l WHERE feed = ? AND position > ? AND {dead} "
        "ORDER BY position LIMIT ?"
    )
    all_letters: str = (
        "SELECT {letter} FROM feed_letters WHERE feed = ? AND position > ? "
        "ORDER BY position LIMIT ?"
    )
    due: str = (
        "SELECT {letter} FROM feed_letters l WHERE feed = ? AND position > ? "
        "AND (due_at <= ? OR reader <> '') "
        "AND NOT EXISTS (SELECT 1 FROM feed_letters first WHERE first.feed = l.feed "
        "AND first.order_id = l.order_id AND first.position < l.position) "
        "ORDER BY position LIMIT ?"
    )
    replace: str = (
        "UPDATE feed_letters SET reason = ?, attempts = ?, due_at = ?, reader = ? "
        "WHERE feed = ? AND position = ? AND attempts = ? AND reader = ? RETURNING position"
    )
    remove: str = (
        "DELETE FROM feed_letters WHERE feed = ? AND position = ? AND attempts = ? AND reader = ? "
        "RETURNING position"
    )
    keep: str = (
        "INSERT INTO feed_handed (feed, position, order_id, handed_at, attempts, outcome, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    handed: str = (
        "SELECT feed, position, order_id, handed_at, attempts, outcome, reason FROM feed_handed "
        "WHERE order_id = ? AND (feed > ? OR (feed = ? AND position > ?)) "
        "ORDER BY feed, position LIMIT ?"
    )


class TableFeeds(FeedStore):
    """A `FeedStore` in tables of the log's database, whose connection a handler gets."""

    def __init__(self, database: Database) -> None:
        self.url = database.url
        self.retry_timeout = database.retry_timeout
        self._database = database
        self._sql = FeedStatements._make(
            database.spelled(each.format(**_PARTS)) for each in FeedStatements()
        )

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

    @retried
    def park(self, before: int, letter: Letter) -> bool:
        """Keep a letter and move the position to it."""
        moved = (letter.position, letter.subscription, before)
        return self._do((self._sql.move, moved), (self._sql.park, _row(letter)))

    @retried
    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        return bool(self._database.ask(self._sql.waits, name, order_id))

    @retried
    def letters(self, name: str, after: int, at_most: int, *, all: bool = False) -> list[Letter]:
        """Return the next letters with positions above `after`, by position."""
        statement = self._sql.all_letters if all else self._sql.letters
        return list(map(_letter, self._found(statement, name, after, at_most)))

    @retried
    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Letter]:
        """Return the first letters of their orders that are due, or in somebody's hands."""
        found = self._database.ask(self._sql.due, name, after, microseconds(now), at_most)
        return list(map(_letter, found))

    @retried
    def replace(self, before: Letter, after: Letter) -> bool:
        """Change a letter; False if it is no longer as `before`."""
        return self._do((self._sql.replace, (*_row(after)[3:], *_key(before))))

    @retried
    def settle(self, letter: Letter, handed: Handed) -> bool:
        """Keep what was handed over instead of its letter; False if that has changed."""
        return self._do(*self._settled(letter, handed))

    @contextmanager
    def settling(self, letter: Letter, handed: Handed) -> Iterator[Any]:
        """Yield the driver's connection in a transaction that settles a letter.

        Raises:
            MovedOnError: it has changed; another reader was first.
            StoreUnavailableError: nothing was kept, or nobody knows: the letter shows it.
        """
        remove, keep = self._settled(letter, handed)
        # Only beginning is asked again: what is done with the connection is not ours to repeat.
        begun, connection = retrying(self.url, self.retry_timeout, self._begun, remove, keep)
        try:
            with begun:
                yield connection
        except TryAgainError as again:
            raise StoreUnavailableError(self.url, again.found) from again

    def cut_off(self, connection: Any) -> None:
        """Roll back what `settling` yielded and let it write nothing more, from another thread."""
        self._database.cut_off(connection)

    @retried
    def handed(self, order_id: str, after: tuple[str, int], at_most: int) -> list[Handed]:
        """Return the next handings over of an order, by subscription and position."""
        feed, position = after
        found = self._found(self._sql.handed, order_id, feed, feed, position, at_most)
        return [Handed._make((*row[:3], _time(row[3]), *row[4:])) for row in found]

    def _settled(self, letter: Letter, handed: Handed) -> tuple[Statement, Statement]:
        row = (*handed[:3], microseconds(handed.handed_at), *handed[4:])
        return (self._sql.remove, _key(letter)), (self._sql.keep, row)

    def _found(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement; none where nobody ever subscribed."""
        return self._database.ask(statement, *parameters) if self._database.holds(FEEDS) else []

    def _begun(self, first: Statement, second: Statement) -> tuple[ExitStack, Any]:
        """Return a transaction to be ended, once the first statement found what it changes."""
        with ExitStack() as stack:
            transaction = stack.enter_context(self._database.writing())
            if transaction.cursor.execute(*first).fetchone() is None:
                raise MovedOnError
            transaction.cursor.execute(*second)
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


def _key(letter: Letter) -> tuple[object, ...]:
    return letter.subscription, letter.position, letter.attempts, letter.reader


def _row(letter: Letter) -> tuple[object, ...]:
    due = _NEVER if letter.due_at is None else microseconds(letter.due_at)
    return (*letter[:5], due, letter.reader)


def _letter(row: Sequence[Any]) -> Letter:
    return Letter._make((*row[:5], None if row[5] == _NEVER else _time(row[5]), row[6]))


def _time(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
