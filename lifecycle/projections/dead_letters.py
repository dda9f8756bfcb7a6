"""The dead letters of all subscriptions, for operators: no handler is needed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from lifecycle.core.argument import check_type
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.feed_store import DROPPED, EPOCH, Delivery, DeliveryRecord, FeedStore
from lifecycle.projections.change_feed import checked_position

MAX_REASON_BYTES: Final = 500
_PAGE: Final = 100
_PRUNED_AT_ONCE: Final = 5000


class DeadLetters:
    """What subscriptions have not delivered, and what they have; as `Orders.letters`.

    `redrive` only marks a dead letter as due: the running subscription, which has the handler,
    delivers it.
    """

    def __init__(self, store: FeedStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def list(self, subscription: str | None = None, *, all: bool = False) -> Iterator[Delivery]:
        """Iterate over the dead letters and the changes they block, by subscription and position.

        With `all`, also the deliveries that are retried without help.
        """
        if subscription is not None:
            check_type("subscription", subscription, str)
            return undelivered(self._store, [subscription], all=all)
        return undelivered(self._store, all=all)

    def get(self, subscription: str, position: int) -> Delivery | None:
        """Return the undelivered change at a position, dead letter or not, or None."""
        check_type("subscription", subscription, str)
        at = checked_position("position", position)
        found = self._store.undelivered(subscription, max(at - 1, 0), 1, all=True)
        return next((delivery for delivery in found if delivery.position == at), None)

    def of_order(self, order_id: str | int) -> builtins.list[Delivery]:
        """Return the undelivered changes of an order, by subscription and position."""
        return self._store.undelivered_of(str(order_id))

    def redrive(self, subscription: str | None = None, position: int | None = None) -> int:
        """Make dead letters due, their attempts counted from zero, and return how many.

        Of all subscriptions, of one, or only the dead letter at one position.
        """
        if subscription is None or position is None:
            return sum(map(self._revive, self.list(subscription)))
        delivery = self.get(subscription, position)
        return 0 if delivery is None else int(self._revive(delivery))

    def drop(self, subscription: str, position: int, *, reason: str) -> DeliveryRecord | None:
        """Give up a delivery for good, and return the record that is kept, with the reason.

        None where there is no such delivery, or it was just delivered. What it blocked becomes due.

        Raises:
            InvalidArgumentError: the reason is empty, too long or not printable.
        """
        why = _checked_reason(reason)
        delivery = self.get(subscription, position)
        if delivery is None:
            return None
        dropped = DeliveryRecord(*delivery[:3], self._clock(), delivery.attempts, DROPPED, why)
        return dropped if self._store.settle(delivery, dropped) else None

    def delivered(self, order_id: str | int) -> Iterator[DeliveryRecord]:
        """Yield the changes of an order that were delivered or dropped.

        They come by subscription and position.
        """
        after = ("", 0)
        while page := self._store.delivered(str(order_id), after, _PAGE):
            yield from page
            after = page[-1][:2]

    def prune(self, *, older_than: timedelta) -> int:
        """Delete the records of deliveries that are older, and return how many.

        Without pruning they are kept for ever. On PostgreSQL only the owner of the tables may
        prune: no other role may delete what was recorded.

        Raises:
            InvalidArgumentError: `older_than` is not a timedelta of a second or more.
        """
        if not isinstance(older_than, timedelta) or older_than < timedelta(seconds=1):
            raise InvalidArgumentError("older_than", "a timedelta of a second or more")
        now, pruned = self._clock(), 0
        before = now - min(older_than, now - EPOCH)
        while more := self._store.prune(before, _PRUNED_AT_ONCE):
            pruned += more
        return pruned

    def _revive(self, delivery: Delivery) -> bool:
        if delivery.due_at is not None:
            return False
        return self._store.replace(delivery, delivery._replace(attempts=0, due_at=self._clock()))

    def __repr__(self) -> str:
        return "<DeadLetters>"


def undelivered(
    store: FeedStore, subscriptions: Iterable[str] | None = None, *, all: bool = False
) -> Iterator[Delivery]:
    """Yield the dead letters and the changes they block, by default of every subscription."""
    names = (each.name for each in store.positions()) if subscriptions is None else subscriptions
    for name in names:
        after = 0
        while page := store.undelivered(name, after, _PAGE, all=all):
            yield from page
            after = page[-1].position


def _checked_reason(reason: object) -> str:
    if (
        isinstance(reason, str)
        and reason.strip()
        and reason.isprintable()
        and len(reason.encode()) <= MAX_REASON_BYTES
    ):
        return reason
    raise InvalidArgumentError("reason", f"a printable text of 1 to {MAX_REASON_BYTES} bytes")
