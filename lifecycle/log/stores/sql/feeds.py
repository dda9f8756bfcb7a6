"""Subscriptions in three tables beside the log: what SQLite and PostgreSQL share.

Every change says from what: a position or a delivery that is no longer so shows that another
reader was first, and nothing of that transaction is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.feed_store import (
    EPOCH,
    Delivery,
    DeliveryRecord,
    FeedStore,
    MovedOnError,
    SubscriptionPosition,
)
from lifecycle.log.retry_policy import retried, retrying
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.sql.database import Database
from lifecycle.log.stores.sql.tables import FEEDS
from lifecycle.log.view_store import microseconds

Statement = tuple[str, Sequence[object]]
"""A statement and its values."""

_NEVER: Final = 2**63 - 1
_PARTS: Final = {
    "delivery": "feed, position, order_id, reason, attempts, due_at, reader",
    "dead": "EXISTS (SELECT 1 FROM feed_deliveries dead WHERE dead.feed = l.feed "
    "AND dead.order_id = l.order_id AND dead.due_at = 9223372036854775807)",
}


class FeedStatements(NamedTuple):
    """What is said to the database; `?` stands for each value in its order."""

    begin: str = "INSERT INTO feeds (name, position) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
    position: str = "SELECT position FROM feeds WHERE name = ?"
    positions: str = (
        "SELECT name, position, "
        "(SELECT count(*) FROM feed_deliveries l WHERE l.feed = name AND {dead}), "
        "(SELECT count(*) FROM feed_deliveries l WHERE l.feed = name AND NOT {dead}) "
        "FROM feeds ORDER BY name"
    )
    advance: str = (
        "UPDATE feeds SET position = ? WHERE name = ? AND position = ? RETURNING position"
    )
    enqueue: str = "INSERT INTO feed_deliveries ({delivery}) VALUES (?, ?, ?, ?, ?, ?, ?)"
    has_undelivered: str = "SELECT 1 FROM feed_deliveries WHERE feed = ? AND order_id = ? LIMIT 1"
    dead: str = (
        "SELECT {delivery} FROM feed_deliveries l WHERE feed = ? AND position > ? AND {dead} "
        "ORDER BY position LIMIT ?"
    )
    undelivered: str = (
        "SELECT {delivery} FROM feed_deliveries WHERE feed = ? AND position > ? "
        "ORDER BY position LIMIT ?"
    )
    undelivered_of: str = (
        "SELECT {delivery} FROM feed_deliveries WHERE (feed, position) IN "
        "(SELECT feed, position FROM feed_deliveries "
        "WHERE feed IN (SELECT name FROM feeds) AND order_id = ?) ORDER BY feed, position"
    )
    due: str = (
        "SELECT {delivery} FROM feed_deliveries l WHERE feed = ? AND position > ? "
        "AND (due_at <= ? OR reader <> '') "
        "AND NOT EXISTS (SELECT 1 FROM feed_deliveries first WHERE first.feed = l.feed "
        "AND first.order_id = l.order_id AND first.position < l.position) "
        "ORDER BY position LIMIT ?"
    )
    replace: str = (
        "UPDATE feed_deliveries SET reason = ?, attempts = ?, due_at = ?, reader = ? "
        "WHERE feed = ? AND position = ? AND attempts = ? AND reader = ? RETURNING position"
    )
    remove: str = (
        "DELETE FROM feed_deliveries "
        "WHERE feed = ? AND position = ? AND attempts = ? AND reader = ? RETURNING position"
    )
    keep: str = (
        "INSERT INTO feed_delivered (feed, position, order_id, at, attempts, outcome, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    delivered: str = (
        "SELECT feed, position, order_id, at, attempts, outcome, reason FROM feed_delivered "
        "WHERE order_id = ? AND (feed > ? OR (feed = ? AND position > ?)) "
        "ORDER BY feed, position LIMIT ?"
    )
    prune: str = (
        "DELETE FROM feed_delivered WHERE (order_id, feed, position) IN "
        "(SELECT order_id, feed, position FROM feed_delivered WHERE at < ? ORDER BY at LIMIT ?) "
        "RETURNING position"
    )


class TableFeeds(FeedStore):
    """A `FeedStore` in tables of the log's database, whose connection a handler gets."""

    def __init__(self, database: Database) -> None:
        self.url: str = database.url
        self.retry_timeout: float = database.retry_timeout
        self._database = database
        self._sql = FeedStatements._make(
            database.spelled(each.format(**_PARTS)) for each in FeedStatements()
        )

    @retried
    def begin(self, name: str, position: int) -> int:
        """Return the position of a subscription; a new one begins at `position`."""
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
    def advance(self, name: str, before: int, after: int) -> bool:
        """Advance a position; False if it is no longer at `before`."""
        return self._do((self._sql.advance, (after, name, before)))

    @retried
    def enqueue(self, before: int, delivery: Delivery) -> bool:
        """Store a delivery and advance the position to it."""
        advanced = (delivery.position, delivery.subscription, before)
        return self._do((self._sql.advance, advanced), (self._sql.enqueue, _row(delivery)))

    @retried
    def has_undelivered(self, name: str, order_id: str) -> bool:
        """Tell whether an earlier change of this order is not delivered yet."""
        return bool(self._database.ask(self._sql.has_undelivered, name, order_id))

    @retried
    def undelivered(
        self, name: str, after: int, at_most: int, *, all: bool = False
    ) -> list[Delivery]:
        """Return the next deliveries with positions above `after`, by position."""
        statement = self._sql.undelivered if all else self._sql.dead
        return list(map(_delivery, self._found(statement, name, after, at_most)))

    @retried
    def undelivered_of(self, order_id: str) -> list[Delivery]:
        """Return all deliveries of an order, by subscription and position."""
        return list(map(_delivery, self._found(self._sql.undelivered_of, order_id)))

    @retried
    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Delivery]:
        """Return the deliveries that are due or in progress and are the first of their order."""
        found = self._database.ask(self._sql.due, name, after, microseconds(now), at_most)
        return list(map(_delivery, found))

    @retried
    def replace(self, before: Delivery, after: Delivery) -> bool:
        """Change a delivery; False if it is no longer as `before`."""
        return self._do((self._sql.replace, (*_row(after)[3:], *_key(before))))

    @retried
    def settle(self, delivery: Delivery, record: DeliveryRecord) -> bool:
        """Replace a delivery by its record; False if the delivery has changed."""
        return self._do(*self._settled(delivery, record))

    @contextmanager
    def settling(self, delivery: Delivery, record: DeliveryRecord, idle: float) -> Iterator[Any]:
        """Yield the driver's connection in a transaction that settles a delivery.

        Raises:
            MovedOnError: it has changed; another reader was first.
            StoreUnavailableError: nothing was kept, or nobody knows: the delivery shows it.
        """
        remove, keep = self._settled(delivery, record)
        # Only beginning is asked again: what is done with the connection is not ours to repeat.
        begin = partial(self._begun, idle)
        begun, connection = retrying(self.url, self.retry_timeout, begin, remove, keep)
        try:
            with begun:
                yield connection
        except TryAgainError as again:
            raise StoreUnavailableError(self.url, again.found) from again

    def cut_off(self, connection: Any) -> None:
        """Roll back what `settling` yielded and let it write nothing more, from another thread."""
        self._database.cut_off(connection)

    @retried
    def prune(self, before: datetime, at_most: int) -> int:
        """Delete the records from before a time, and return how many."""
        if not self._database.holds(FEEDS):
            return 0
        with self._database.writing() as transaction:
            found = transaction.cursor.execute(self._sql.prune, (microseconds(before), at_most))
            return len(found.fetchall())

    @retried
    def delivered(
        self, order_id: str, after: tuple[str, int], at_most: int
    ) -> list[DeliveryRecord]:
        """Return the next records of an order, by subscription and position."""
        feed, position = after
        found = self._found(self._sql.delivered, order_id, feed, feed, position, at_most)
        return [DeliveryRecord._make((*row[:3], _time(row[3]), *row[4:])) for row in found]

    def _settled(self, delivery: Delivery, record: DeliveryRecord) -> tuple[Statement, Statement]:
        row = (*record[:3], microseconds(record.at), *record[4:])
        return (self._sql.remove, _key(delivery)), (self._sql.keep, row)

    def _found(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement; none before the first subscription."""
        return self._database.ask(statement, *parameters) if self._database.holds(FEEDS) else []

    def _begun(self, idle: float, first: Statement, second: Statement) -> tuple[ExitStack, Any]:
        """Return a transaction to be ended, once the first statement found what it changes."""
        with ExitStack() as stack:
            transaction = stack.enter_context(self._database.writing(idle))
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


def _key(delivery: Delivery) -> tuple[object, ...]:
    return delivery.subscription, delivery.position, delivery.attempts, delivery.reader


def _row(delivery: Delivery) -> tuple[object, ...]:
    due = _NEVER if delivery.due_at is None else microseconds(delivery.due_at)
    return (*delivery[:5], due, delivery.reader)


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery._make((*row[:5], None if row[5] == _NEVER else _time(row[5]), row[6]))


def _time(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)
