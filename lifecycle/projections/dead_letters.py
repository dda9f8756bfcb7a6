"""The dead letters of all subscriptions, for whoever looks after them: no handler is needed."""

from __future__ import annotations

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
    """What was not delivered to subscriptions, and what was; as `Orders.letters`.

    To deliver a dead letter again is the matter of whoever has the handler: `redrive` marks it
    as due, and a subscription that follows delivers it.
    """

    def __init__(self, store: FeedStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def list(self, subscription: str | None = None, *, all: bool = False) -> Iterator[Delivery]:
        """Iterate over the dead letters and what they block, by subscription and position.

        With `all` what will be delivered again by itself too.
        """
        if subscription is not None:
            check_type("subscription", subscription, str)
            return undelivered(self._store, [subscription], all=all)
        return undelivered(self._store, all=all)

    def get(self, subscription: str, position: int) -> Delivery | None:
        """Return what is not delivered at a position in the log, a dead letter or not, if any."""
        check_type("subscription", subscription, str)
        at = checked_position("position", position)
        found = self._store.undelivered(subscription, max(at - 1, 0), 1, all=True)
        return next((delivery for delivery in found if delivery.position == at), None)

    def redrive(self, subscription: str | None = None, position: int | None = None) -> int:
        """Make dead letters due, with all their attempts before them, and return how many.

        Those of all subscriptions, of one, or only the one at a position.
        """
        if subscription is None or position is None:
            return sum(map(self._revive, self.list(subscription)))
        delivery = self.get(subscription, position)
        return 0 if delivery is None else int(self._revive(delivery))

    def drop(self, subscription: str, position: int, *, reason: str) -> DeliveryRecord | None:
        """Give a delivery up for good, and return what is kept of it, with the reason.

        None where there is none, or it was just delivered. What it blocked is due.

        Raises:
            InvalidArgumentError: the reason is none.
        """
        why = _checked_reason(reason)
        delivery = self.get(subscription, position)
        if delivery is None:
            return None
        dropped = DeliveryRecord(*delivery[:3], self._clock(), delivery.attempts, DROPPED, why)
        return dropped if self._store.settle(delivery, dropped) else None

    def delivered(self, order_id: str | int) -> Iterator[DeliveryRecord]:
        """Yield what was delivered of an order, or dropped, by subscription and position."""
        after = ("", 0)
        while page := self._store.delivered(str(order_id), after, _PAGE):
            yield from page
            after = page[-1][:2]

    def prune(self, *, older_than: timedelta) -> int:
        """Delete the records of what was delivered or dropped longer ago; return how many.

        They are kept for ever unless somebody prunes. On PostgreSQL this is for the owner of the
        tables: no other role may take away what was recorded.

        Raises:
            InvalidArgumentError: it is no timedelta of a second or more.
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
    """Yield what `DeadLetters.list` does, by default of every subscription."""
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
