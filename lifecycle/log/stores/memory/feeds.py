"""Subscriptions in memory: the same meanings, nothing durable, and no connection to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import RLock

from lifecycle.log.feed_store import (
    FeedStore,
    Handed,
    Letter,
    MovedOnError,
    SubscriptionPosition,
)


class MemoryFeeds(FeedStore):
    """A `FeedStore` that lives as long as this object."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._positions: dict[str, int] = {}
        self._letters: dict[tuple[str, int], Letter] = {}
        self._handed: list[Handed] = []

    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        with self._lock:
            return self._positions.setdefault(name, position)

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name."""
        with self._lock:
            return [self._standing(*each) for each in sorted(self._positions.items())]

    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        with self._lock:
            if self._positions.get(name) != before:
                return False
            self._positions[name] = after
            return True

    def park(self, before: int, letter: Letter) -> bool:
        """Keep a letter and move the position to it."""
        with self._lock:
            if not self.move(letter.subscription, before, letter.position):
                return False
            self._letters[letter.subscription, letter.position] = letter
            return True

    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        with self._lock:
            return any(each.order_id == order_id for each in self._kept(name))

    def letters(self, name: str, after: int, at_most: int, *, all: bool = False) -> list[Letter]:
        """Return the next letters with positions above `after`, by position."""
        with self._lock:
            found = self._kept(name) if all else self._dead(name)
            return [each for each in found if each.position > after][:at_most]

    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Letter]:
        """Return the first letters of their orders that are due, or in somebody's hands."""
        firsts: dict[str, Letter] = {}
        with self._lock:
            for letter in self._kept(name):
                firsts.setdefault(letter.order_id, letter)
        return [
            each
            for each in firsts.values()
            if each.position > after and each.due_at and (each.due_at <= now or each.reader)
        ][:at_most]

    def replace(self, before: Letter, after: Letter) -> bool:
        """Change a letter; False if it is no longer as `before`."""
        with self._lock:
            if self._letters.get(before[:2]) != before:
                return False
            self._letters[before[:2]] = after
            return True

    def settle(self, letter: Letter, handed: Handed) -> bool:
        """Keep what was handed over instead of its letter; False if that has changed."""
        with self._lock:
            if self._letters.get(letter[:2]) != letter:
                return False
            del self._letters[letter[:2]]
            self._handed.append(handed)
            return True

    @contextmanager
    def settling(self, letter: Letter, handed: Handed) -> Iterator[None]:
        """Settle once the block is done; there is nothing to write with."""
        yield None
        if not self.settle(letter, handed):
            raise MovedOnError

    def cut_off(self, connection: object) -> None:
        """Do nothing: there is no connection."""

    def handed(self, order_id: str, after: tuple[str, int], at_most: int) -> list[Handed]:
        """Return the next handings over of an order, by subscription and position."""
        with self._lock:
            found = sorted(each for each in self._handed if each.order_id == order_id)
        return [each for each in found if each[:2] > after][:at_most]

    def _standing(self, name: str, position: int) -> SubscriptionPosition:
        dead = len(self._dead(name))
        return SubscriptionPosition(name, position, dead, len(self._kept(name)) - dead)

    def _kept(self, name: str) -> list[Letter]:
        return [each for key, each in sorted(self._letters.items()) if key[0] == name]

    def _dead(self, name: str) -> list[Letter]:
        kept = self._kept(name)
        orders = {each.order_id for each in kept if each.due_at is None}
        return [each for each in kept if each.order_id in orders]
