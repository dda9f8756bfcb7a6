"""The port to where subscriptions keep how far they are, what waits, and what was delivered.

A change is kept as a delivery before its handler is called: a process that ends in the call leaves
it there, with its attempts. Of several readers, whoever changes a delivery first has it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from lifecycle.core.instant import format_instant

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Due as soon as no earlier change of the order waits."""

DELIVERED: Final = "delivered"
DROPPED: Final = "dropped"


class MovedOnError(Exception):
    """Another reader of the same subscription was first; never leaves `feed`."""


class Delivery(NamedTuple):
    """A change that its handler has not dealt with: it is delivered again, or is a dead letter.

    `position` is that of the event in the log; `reason` names what went wrong, without any
    payload; `attempts` counts the calls, one that never returned too. `due_at` is when the next
    call may be, None for a dead letter. `reader` is who is delivering it just now.
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
    """What was delivered to a subscription, and when; or what a person dropped, and why.

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
    """A subscription: how far it is in the log, how many dead letters and retries it has.

    What a dead letter blocks is counted with the dead ones.
    """

    name: str
    position: int
    dead_letters: int
    retries: int = 0


class FeedStore(Protocol):
    """Positions, deliveries and what was delivered. Every method raises `StoreError`.

    A position only ever moves from where its reader found it, so of two readers one is first.
    """

    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        ...

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name; none where nobody ever subscribed."""
        ...

    def advance(self, name: str, before: int, after: int) -> bool:
        """Advance a position; False if it is no longer at `before`."""
        ...

    def enqueue(self, before: int, delivery: Delivery) -> bool:
        """Keep a delivery and advance the position to it; False if it is no longer at `before`."""
        ...

    def has_undelivered(self, name: str, order_id: str) -> bool:
        """Tell whether an earlier change of this order is not delivered yet."""
        ...

    def undelivered(
        self, name: str, after: int, at_most: int, *, all: bool = False
    ) -> list[Delivery]:
        """Return the next deliveries with positions above `after`, by position.

        The dead letters, and what they block; with `all` those to be retried too.
        """
        ...

    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Delivery]:
        """Return the first deliveries of their orders that are due, or in progress."""
        ...

    def replace(self, before: Delivery, after: Delivery) -> bool:
        """Change a delivery; False if it is no longer as `before`."""
        ...

    def settle(self, delivery: Delivery, record: DeliveryRecord) -> bool:
        """Keep the record of a delivery instead of it; False if that has changed."""
        ...

    def settling(
        self, delivery: Delivery, record: DeliveryRecord, idle: float
    ) -> AbstractContextManager[Any]:
        """Return a transaction that settles, and yields the driver's connection.

        It may be `idle` for so many seconds, while the handler does something else.

        Raises:
            MovedOnError: the delivery has changed; nothing of the transaction is kept.
        """
        ...

    def cut_off(self, connection: Any) -> None:
        """Roll back what `settling` yielded and let it write nothing more, from another thread."""
        ...

    def prune(self, before: datetime, at_most: int) -> int:
        """Delete records of before a time, and return how many."""
        ...

    def delivered(
        self, order_id: str, after: tuple[str, int], at_most: int
    ) -> list[DeliveryRecord]:
        """Return the next records of an order, by subscription and position."""
        ...
