"""The letters of all subscriptions, for those who look after them: no handler is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from lifecycle.core.argument import check_type
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.feed_store import DROPPED, FeedStore, Handed, Letter
from lifecycle.projections.change_feed import checked_position

MAX_REASON_BYTES: Final = 500
_AT_ONCE: Final = 100


class Letters:
    """What subscriptions did not take, and what they took; as `Orders.letters`.

    To hand a dead letter over again is the matter of whoever has the handler: `redrive` marks it
    as due, and a subscription that follows takes it up.
    """

    def __init__(self, store: FeedStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def list(self, subscription: str | None = None, *, all: bool = False) -> Iterator[Letter]:
        """Yield the dead letters and what waits behind them, by subscription and position.

        With `all` what will be handed over again by itself too.
        """
        for name in self._names(subscription):
            after = 0
            while page := self._store.letters(name, after, _AT_ONCE, all=all):
                yield from page
                after = page[-1].position

    def get(self, subscription: str, position: int) -> Letter | None:
        """Return the letter of a subscription at a position in the log, dead or not, if any."""
        check_type("subscription", subscription, str)
        at = checked_position("position", position)
        found = self._store.letters(subscription, max(at - 1, 0), 1, all=True)
        return next((letter for letter in found if letter.position == at), None)

    def redrive(self, subscription: str | None = None, position: int | None = None) -> int:
        """Make dead letters due, with all their attempts before them, and return how many.

        Those of all subscriptions, of one, or only the one at a position.
        """
        if subscription is None or position is None:
            return sum(map(self._revive, self.list(subscription)))
        letter = self.get(subscription, position)
        return 0 if letter is None else int(self._revive(letter))

    def drop(self, subscription: str, position: int, *, reason: str) -> Handed | None:
        """Take a letter out for good, and return what is kept of it, with the reason.

        None where there is no such letter, or it was just taken. What waited behind it is due.

        Raises:
            InvalidArgumentError: the reason is none.
        """
        why = _checked_reason(reason)
        letter = self.get(subscription, position)
        if letter is None:
            return None
        dropped = Handed(*letter[:3], self._clock(), letter.attempts, DROPPED, why)
        return dropped if self._store.settle(letter, dropped) else None

    def handed(self, order_id: str | int) -> Iterator[Handed]:
        """Yield what was handed over of an order, or dropped, by subscription and position."""
        after = ("", 0)
        while page := self._store.handed(str(order_id), after, _AT_ONCE):
            yield from page
            after = page[-1][:2]

    def _names(self, subscription: str | None) -> Iterator[str]:
        if subscription is not None:
            check_type("subscription", subscription, str)
            yield subscription
        else:
            yield from (each.name for each in self._store.positions())

    def _revive(self, letter: Letter) -> bool:
        if letter.due_at is not None:
            return False
        return self._store.replace(letter, letter._replace(attempts=0, due_at=self._clock()))

    def __repr__(self) -> str:
        return "<Letters>"


def _checked_reason(reason: object) -> str:
    if (
        isinstance(reason, str)
        and reason.strip()
        and reason.isprintable()
        and len(reason.encode()) <= MAX_REASON_BYTES
    ):
        return reason
    raise InvalidArgumentError("reason", f"a printable text of 1 to {MAX_REASON_BYTES} bytes")
