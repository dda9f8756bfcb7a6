"""Subscriptions in memory: the same meanings, nothing durable, and no connection to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from lifecycle.log.feed_store import DeadLetter, FeedStore, MovedOnError, SubscriptionPosition


class MemoryFeeds(FeedStore):
    """A `FeedStore` that lives as long as this object."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._positions: dict[str, int] = {}
        self._letters: dict[str, dict[int, DeadLetter]] = {}

    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        with self._lock:
            self._letters.setdefault(name, {})
            return self._positions.setdefault(name, position)

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name."""
        with self._lock:
            return [
                SubscriptionPosition(name, self._positions[name], len(self._letters[name]))
                for name in sorted(self._positions)
            ]

    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        with self._lock:
            if self._positions.get(name) != before:
                return False
            self._positions[name] = after
            return True

    @contextmanager
    def moving(self, name: str, before: int, after: int) -> Iterator[None]:
        """Move the position once the block is done; there is nothing to write with."""
        yield None
        if not self.move(name, before, after):
            raise MovedOnError

    def park(self, name: str, before: int, letter: DeadLetter) -> bool:
        """Keep a letter and move the position to it."""
        with self._lock:
            if not self.move(name, before, letter.position):
                return False
            self._letters[name][letter.position] = letter
            return True

    def letters(self, name: str, after: int, at_most: int) -> list[DeadLetter]:
        """Return the next letters with positions above `after`, by position."""
        with self._lock:
            kept = self._letters.get(name, {})
            return [kept[position] for position in sorted(kept) if position > after][:at_most]

    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        with self._lock:
            return any(each.order_id == order_id for each in self._letters[name].values())

    def drop(self, name: str, position: int) -> bool:
        """Forget a letter; False if it is there no longer."""
        with self._lock:
            return self._letters.get(name, {}).pop(position, None) is not None

    @contextmanager
    def dropping(self, name: str, position: int) -> Iterator[None]:
        """Forget the letter once the block is done; there is nothing to write with."""
        yield None
        if not self.drop(name, position):
            raise MovedOnError

    def retried(self, name: str, position: int, reason: str, attempts: int) -> None:
        """Add handings over to a letter that still was not taken."""
        with self._lock:
            letter = self._letters[name].get(position)
            if letter is not None:
                more = letter._replace(reason=reason, attempts=letter.attempts + attempts)
                self._letters[name][position] = more
