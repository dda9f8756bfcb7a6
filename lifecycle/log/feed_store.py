"""The port to the store of subscriptions: positions, open deliveries, and what was delivered.

A change is stored as a delivery before its handler is called, so a process that ends during the
call leaves it there, its attempt counted. Exactly one reader wins each change of a delivery.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from lifecycle.core.instant import format_instant

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Due as soon as no earlier change of the order waits."""

OWN_FEEDS: Final = "lifecycle:"
"""How the names of positions begin that are no subscription of a user."""

DELIVERED: Final = "delivered"
DROPPED: Final = "dropped"


class MovedOnError(Exception):
    """Another reader of the same subscription was first; never leaves `feed`."""


class Delivery(NamedTuple):
    """A change that is not delivered yet: it will be retried, or is a dead letter.

    `position` is that of the event in the log; `reason` names what went wrong, without any
    payload; `attempts` counts the calls, also one that never returned. `due_at` is the earliest
    time of the next call, None for a dead letter. `reader` is who is delivering it now.
    """

    subscription: str
    position: int
    order_id: str
    reason: str
    attempts: int = 0
    due_at: datetime | None = None
    reader: str = ""

    @property
    def state(self) -> str:
        """`dead`, `blocked` by an earlier change of its order, `in progress`, or `retrying`."""
        if self.due_at is None:
            return "dead"
        if self.reader:
            return "in progress"
        return "blocked" if self.due_at == EPOCH else "retrying"

    def as_json(self) -> dict[str, Any]:
        """Return what there is to tell, as JSON values."""
        told = self._asdict() | {"state": self.state}
        shown = self.state in {"in progress", "retrying"} and self.due_at is not None
        told["due_at"] = format_instant(self.due_at) if shown and self.due_at else None
        del told["reader"]
        return told

    def __repr__(self) -> str:
        return f"<Delivery {self.state}, of {self.order_id!a} at {self.position}: {self.reason!a}>"


class DeliveryRecord(NamedTuple):
    """A change that a subscription delivered, or that a person dropped, with the reason.

    `at` is when the last call began, or when it was dropped.
    """

    subscription: str
    position: int
    order_id: str
    at: datetime
    attempts: int
    outcome: str = DELIVERED
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what there is to tell, as JSON values."""
        return self._asdict() | {"at": format_instant(self.at)}

    def __repr__(self) -> str:
        return f"<DeliveryRecord {self.outcome}, of {self.order_id!a} at {self.position}>"


class SubscriptionPosition(NamedTuple):
    """A subscription: its position in the log, and how many dead letters and retries it has.

    Changes that a dead letter blocks count as dead letters.
    """

    name: str
    position: int
    dead_letters: int
    retries: int = 0


class FeedStore(Protocol):
    """Positions, deliveries and delivery records. Every method raises `StoreError`.

    A position advances only from the value its reader saw, so exactly one of two readers wins.
    """

    def begin(self, name: str, position: int) -> int:
        """Return the position of a subscription; a new one begins at `position`."""

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name; none before the first subscription."""

    def advance(self, name: str, before: int, after: int) -> bool:
        """Advance a position; False if it is no longer at `before`."""

    def enqueue(self, before: int, delivery: Delivery) -> bool:
        """Store a delivery and advance the position to it; False if that is not at `before` now."""

    def has_undelivered(self, name: str, order_id: str) -> bool:
        """Tell whether an earlier change of this order is not delivered yet."""

    def undelivered(
        self, name: str, after: int, at_most: int, *, all: bool = False
    ) -> list[Delivery]:
        """Return the next deliveries with positions above `after`, by position.

        These are dead letters and what they block; with `all`, also those that will be retried.
        """

    def undelivered_of(self, order_id: str) -> list[Delivery]:
        """Return all deliveries of an order, by subscription and position."""

    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Delivery]:
        """Return the deliveries that are due or in progress and are the first of their order."""

    def replace(self, before: Delivery, after: Delivery) -> bool:
        """Change a delivery; False if it is no longer as `before`."""

    def settle(self, delivery: Delivery, record: DeliveryRecord) -> bool:
        """Replace a delivery by its record; False if the delivery has changed."""

    def settling(
        self, delivery: Delivery, record: DeliveryRecord, idle: float
    ) -> AbstractContextManager[Any]:
        """Return a transaction that settles the delivery and yields the driver's connection.

        It may be idle for `idle` seconds, while the handler does something else.

        Raises:
            MovedOnError: the delivery has changed; nothing of the transaction is kept.
        """

    def cut_off(self, connection: Any) -> None:
        """Roll back and close the connection that `settling` yielded; called by another thread."""

    def prune(self, before: datetime, at_most: int) -> int:
        """Delete the records from before a time, and return how many."""

    def delivered(
        self, order_id: str, after: tuple[str, int], at_most: int
    ) -> list[DeliveryRecord]:
        """Return the next records of an order, by subscription and position."""
