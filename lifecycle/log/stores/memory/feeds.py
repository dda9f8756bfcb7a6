"""Subscriptions in memory: the same meanings, nothing durable, and no connection to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import RLock

from lifecycle.log.feed_store import (
    Delivery,
    DeliveryRecord,
    FeedStore,
    MovedOnError,
    SubscriptionPosition,
)


class MemoryFeeds(FeedStore):
    """A `FeedStore` that lives as long as this object."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._positions: dict[str, int] = {}
        self._deliveries: dict[tuple[str, int], Delivery] = {}
        self._records: list[DeliveryRecord] = []

    def begin(self, name: str, position: int) -> int:
        """Return the position of a subscription; a new one begins at `position`."""
        with self._lock:
            return self._positions.setdefault(name, position)

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name."""
        with self._lock:
            return [self._standing(*each) for each in sorted(self._positions.items())]

    def advance(self, name: str, before: int, after: int) -> bool:
        """Advance a position; False if it is no longer at `before`."""
        with self._lock:
            if self._positions.get(name) != before:
                return False
            self._positions[name] = after
            return True

    def enqueue(self, before: int, delivery: Delivery) -> bool:
        """Store a delivery and advance the position to it."""
        with self._lock:
            if not self.advance(delivery.subscription, before, delivery.position):
                return False
            self._deliveries[delivery.subscription, delivery.position] = delivery
            return True

    def has_undelivered(self, name: str, order_id: str) -> bool:
        """Tell whether an earlier change of this order is not delivered yet."""
        with self._lock:
            return any(each.order_id == order_id for each in self._kept(name))

    def undelivered(
        self, name: str, after: int, at_most: int, *, all: bool = False
    ) -> list[Delivery]:
        """Return the next deliveries with positions above `after`, by position."""
        with self._lock:
            found = self._kept(name) if all else self._dead(name)
            return [each for each in found if each.position > after][:at_most]

    def undelivered_of(self, order_id: str) -> list[Delivery]:
        """Return all deliveries of an order, by subscription and position."""
        with self._lock:
            kept = [*self._deliveries.values()]
        found = (each for each in kept if each.order_id == order_id)
        return sorted(found, key=lambda each: each[:2])

    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Delivery]:
        """Return the deliveries that are due or in progress and are the first of their order."""
        firsts: dict[str, Delivery] = {}
        with self._lock:
            for delivery in self._kept(name):
                firsts.setdefault(delivery.order_id, delivery)
        return [
            each
            for each in firsts.values()
            if each.position > after and each.due_at and (each.due_at <= now or each.reader)
        ][:at_most]

    def replace(self, before: Delivery, after: Delivery) -> bool:
        """Change a delivery; False if it is no longer as `before`."""
        with self._lock:
            if self._deliveries.get(before[:2]) != before:
                return False
            self._deliveries[before[:2]] = after
            return True

    def settle(self, delivery: Delivery, record: DeliveryRecord) -> bool:
        """Replace a delivery by its record; False if the delivery has changed."""
        with self._lock:
            if self._deliveries.get(delivery[:2]) != delivery:
                return False
            del self._deliveries[delivery[:2]]
            self._records.append(record)
            return True

    @contextmanager
    def settling(self, delivery: Delivery, record: DeliveryRecord, idle: float) -> Iterator[None]:
        """Settle once the block is done; there is nothing to write with."""
        del idle
        yield None
        if not self.settle(delivery, record):
            raise MovedOnError

    def cut_off(self, connection: object) -> None:
        """Do nothing: there is no connection."""

    def prune(self, before: datetime, at_most: int) -> int:
        """Delete the records from before a time, and return how many."""
        with self._lock:
            old = [each for each in self._records if each.at < before][:at_most]
            self._records = [each for each in self._records if each not in old]
            return len(old)

    def delivered(
        self, order_id: str, after: tuple[str, int], at_most: int
    ) -> list[DeliveryRecord]:
        """Return the next records of an order, by subscription and position."""
        with self._lock:
            found = sorted(each for each in self._records if each.order_id == order_id)
        return [each for each in found if each[:2] > after][:at_most]

    def _standing(self, name: str, position: int) -> SubscriptionPosition:
        dead = len(self._dead(name))
        return SubscriptionPosition(name, position, dead, len(self._kept(name)) - dead)

    def _kept(self, name: str) -> list[Delivery]:
        return [each for key, each in sorted(self._deliveries.items()) if key[0] == name]

    def _dead(self, name: str) -> list[Delivery]:
        kept = self._kept(name)
        orders = {each.order_id for each in kept if each.due_at is None}
        return [each for each in kept if each.order_id in orders]
