"""The port to where subscriptions keep how far they are, and what they could not hand over."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol


class MovedOnError(Exception):
    """Another reader of the same subscription was first; never leaves `feed`."""


class DeadLetter(NamedTuple):
    """A change that a handler did not take: a dead letter.

    `position` is that of the event in the log, from which the change is told again; `reason`
    names what went wrong, without any payload; `attempts` counts the handings over.
    """

    position: int
    order_id: str
    reason: str
    attempts: int

    def __repr__(self) -> str:
        return f"<DeadLetter of {self.order_id!a} at {self.position}: {self.reason!a}>"


class SubscriptionPosition(NamedTuple):
    """A subscription: how far it is in the log, and how many letters wait."""

    name: str
    position: int
    letters: int


class FeedStore(Protocol):
    """Positions and dead letters by subscription. Every method raises `StoreError`.

    A position only ever moves from where its reader found it, so of two readers one is first.
    """

    def begin(self, name: str, position: int) -> int:
        """Return where a subscription stands; a new one begins at `position`."""
        ...

    def positions(self) -> list[SubscriptionPosition]:
        """Return all subscriptions, by name; none where nobody ever subscribed."""
        ...

    def move(self, name: str, before: int, after: int) -> bool:
        """Move a position; False if it is no longer at `before`."""
        ...

    def moving(self, name: str, before: int, after: int) -> AbstractContextManager[Any]:
        """Return a transaction that yields the driver's connection and moves the position.

        Raises:
            MovedOnError: it is no longer at `before`; nothing of the transaction is kept.
        """
        ...

    def park(self, name: str, before: int, letter: DeadLetter) -> bool:
        """Keep a letter and move the position to it; False if it is no longer at `before`."""
        ...

    def letters(self, name: str, after: int, at_most: int) -> list[DeadLetter]:
        """Return the next letters with positions above `after`, by position."""
        ...

    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        ...

    def drop(self, name: str, position: int) -> bool:
        """Forget a letter, as its change was taken; False if it is there no longer."""
        ...

    def dropping(self, name: str, position: int) -> AbstractContextManager[Any]:
        """Return a transaction that yields the driver's connection and forgets the letter.

        Raises:
            MovedOnError: it is there no longer; nothing of the transaction is kept.
        """
        ...

    def retried(self, name: str, position: int, reason: str, attempts: int) -> None:
        """Add handings over to a letter that still was not taken."""
        ...
