"""What one event changed in its order: two paths compared."""

from __future__ import annotations

from typing import NamedTuple

from lifecycle.core.summary import Entered


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
        cls, before: tuple[Entered, ...], after: tuple[Entered, ...], cause: str
    ) -> Change | None:
        """Return what changed from one path to another, None when nothing did."""
        if before == after or not after:
            return None
        return cls(
            before=before[-1].status if before else None,
            after=after[-1].status,
            cause=cause,
            corrected=after[: len(before)] != before,
        )
