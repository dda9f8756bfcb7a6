"""The port to where subscriptions keep how far they are, what waits, and what was handed over.

A change is kept as a letter before its handler is called: a process that ends in the call leaves
it there, with its attempts. Of several readers, whoever changes a letter first has it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol

from lifecycle.core.instant import format_instant

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Due as soon as no earlier change of the order waits."""

TAKEN: Final = "taken"
DROPPED: Final = "dropped"


class MovedOnError(Exception):
    """Another reader of the same subscription was first; never leaves `feed`."""


class Letter(NamedTuple):
    """A change that a handler has not taken: it is handed over again, or it is a dead letter.

    `position` is that of the event in the log; `reason` names what went wrong, without any
    payload; `attempts` counts the calls, one that never returned too. `due_at` is when the next
    call may be, None for a dead letter. `reader` is who is handing it over just now.
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
        """What it waits for: `dead`, `behind` another, `in hand`, or the time of a `retry`."""
        if self.due_at is None:
            return "dead"
        if self.reader:
            return "in hand"
        return "behind" if self.due_at == EPOCH else "retry"

    def as_json(self) -> dict[str, Any]:
        """Return what there is to tell, as JSON values."""
        told = self._asdict() | {"state": self.state}
        shown = self.state in {"in hand", "retry"} and self.due_at is not None
        told["due_at"] = format_instant(self.due_at) if shown and self.due_at else None
        del told["reader"]
        return told

    def __repr__(self) -> str:
        return f"<Letter {self.state}, of {self.order_id!a} at {self.position}: {self.reason!a}>"


class Handed(NamedTuple):
    """What a subscription's handler took and when; or what a person dropped, and why.

    `handed_at` is when the call began that was the last.
    """

    subscription: str
    position: int
    order_id: str
    handed_at: datetime
    attempts: int
    outcome: str = TAKEN
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what there is to tell, as JSON values."""
        return self._asdict() | {"handed_at": format_instant(self.handed_at)}

    def __repr__(self) -> str:
        return f"<Handed {self.outcome}, of {self.order_id!a} at {self.position}>"


class SubscriptionPosition(NamedTuple):
    """A subscription: how far it is in the log, and how many letters are dead or will be retried.

    What waits behind a dead letter of its order is counted with the dead ones.
    """

    name: str
    position: int
    letters: int
    retries: int = 0


class FeedStore(Protocol):
    """Positions, letters and what was handed over. Every method raises `StoreError`.

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

    def park(self, before: int, letter: Letter) -> bool:
        """Keep a letter and move the position to it; False if it is no longer at `before`."""
        ...

    def waits(self, name: str, order_id: str) -> bool:
        """Tell whether a letter of this order waits."""
        ...

    def letters(self, name: str, after: int, at_most: int, *, all: bool = False) -> list[Letter]:
        """Return the next letters with positions above `after`, by position.

        The dead ones, and those that wait behind them; with `all` those to be retried too.
        """
        ...

    def due(self, name: str, now: datetime, after: int, at_most: int) -> list[Letter]:
        """Return the first letters of their orders that are due, or in somebody's hands."""
        ...

    def replace(self, before: Letter, after: Letter) -> bool:
        """Change a letter; False if it is no longer as `before`."""
        ...

    def settle(self, letter: Letter, handed: Handed) -> bool:
        """Keep what was handed over instead of its letter; False if that has changed."""
        ...

    def settling(self, letter: Letter, handed: Handed) -> AbstractContextManager[Any]:
        """Return a transaction that settles, and yields the driver's connection.

        Raises:
            MovedOnError: the letter has changed; nothing of the transaction is kept.
        """
        ...

    def cut_off(self, connection: Any) -> None:
        """Roll back what `settling` yielded and let it write nothing more, from another thread."""
        ...

    def handed(self, order_id: str, after: tuple[str, int], at_most: int) -> list[Handed]:
        """Return the next handings over of an order, by subscription and position."""
        ...
