"""What one event changed in its order: two paths compared."""

from __future__ import annotations

from typing import NamedTuple

from lifecycle.core.summary import Entered
from lifecycle.core.view import OrderView


class Change(NamedTuple):
    """What one event changed in its order.

    `before` and `after` are statuses (`before` None at first), `cause` is the event's key.
    `corrected` is true when a path already told was rewritten, not just continued.
    """

    before: str | None
    after: str
    cause: str
    corrected: bool

    @classmethod
    def between(
        cls, told: tuple[Entered, ...], path: tuple[Entered, ...], cause: str
    ) -> Change | None:
        """Return what changed from one path to another, None when nothing did."""
        if told == path or not path:
            return None
        return cls(
            before=told[-1].status if told else None,
            after=path[-1].status,
            cause=cause,
            corrected=path[: len(told)] != told,
        )


Told = tuple[Change | None, OrderView | None]
"""A change and the view that it made; None where there is none."""
