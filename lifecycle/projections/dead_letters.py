"""The dead letters of all subscriptions, for operators: no handler is needed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from lifecycle.core.argument import check_type
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log
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

    def __init__(self, log: Log, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    @property
    def _store(self) -> FeedStore:
        """Where the deliveries are that a position names.

        Raises:
            PartitionedLogError: each partition has such a position.
        """
        return self._log.feeds

    @property
    def _stores(self) -> Iterable[FeedStore]:
        return (part.feeds for part in self._log.partitions)

    def list(self, subscription: str | None = None, *, all: bool = False) -> Iterator[Delivery]:
        """Iterate over the dead letters and the changes they block, by subscription and position.

        With `all`, also the deliveries that are retried without help.
        """
        if subscription is not None:
            check_type("subscription", subscription, str)
        names = None if subscription is None else [subscription]
        return chain.from_iterable(undelivered(store, names, all=all) for store in self._stores)

    def get(self, subscription: str, position: int) -> Delivery | None:
        """Return the undelivered change at a position, dead letter or not, or None."""
        check_type("subscription", subscription, str)
        at = checked_position("position", position)
        found = self._store.undelivered(subscription, max(at - 1, 0), 1, all=True)
        return next((delivery for delivery in found if delivery.position == at), None)

    def of_order(self, order_id: str | int) -> builtins.list[Delivery]:
        """Return the undelivered changes of an order, by subscription and position."""
        return [each for store in self._stores for each in store.undelivered_of(str(order_id))]

    def redrive(self, subscription: str | None = None, position: int | None = None) -> int:
        """Make dead letters due, their attempts counted from zero, and return how many.

        Of all subscriptions, of one, or only the dead letter at one position.
        """
        if subscription is None or position is None:
            names = None if subscription is None else [subscription]
            return sum(
                self._revive(store, each)
                for store in self._stores
                for each in undelivered(store, names)
            )
        delivery = self.get(subscription, position)
        return 0 if delivery is None else int(self._revive(self._store, delivery))

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
        for store in self._stores:
            after = ("", 0)
            while page := store.delivered(str(order_id), after, _PAGE):
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
        for store in self._stores:
            while more := store.prune(before, _PRUNED_AT_ONCE):
                pruned += more
        return pruned

    def _revive(self, store: FeedStore, delivery: Delivery) -> bool:
        if delivery.due_at is not None:
            return False
        return store.replace(delivery, delivery._replace(attempts=0, due_at=self._clock()))

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
