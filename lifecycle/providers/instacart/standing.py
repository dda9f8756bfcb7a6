"""Standing: what the log says about an order at the moment somebody wants to send a request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.core.view import HistoryEntry, OrderView, Verdict

_CORRECTION: Final = ("correction",)
_RESEND: Final = ("resend",)


class Standing(NamedTuple):
    """An order's requests and responses, and where it stands.

    `asked` are their keys, `asked_at` is when the last of them was recorded, `attempt`
    the newest and `body` the SHA-256 of its request's bytes.
    """

    view: OrderView | None = None
    version: int = 0
    asked: frozenset[str] = frozenset()
    asked_at: datetime | None = None
    attempt: int = 0
    body: str | None = None

    @classmethod
    def of(cls, view: OrderView, history: Iterable[HistoryEntry]) -> Standing:
        """Return how an order stands."""
        asked = [entry for entry in history if entry.kind in {"request", "response"}]
        newest = f"request:{view.attempt}"
        bodies = [e.sha256 for e in asked if e.key == newest and e.verdict != Verdict.DIVERGENT]
        return cls(
            view,
            view.arrival.version,
            frozenset(entry.key for entry in asked),
            max((entry.received_at for entry in asked), default=None),
            view.attempt,
            bodies[0] if bodies else None,
        )

    @property
    def is_clean(self) -> bool:
        """Whether a request may be begun and sent at once: none is out that may be carried out."""
        return self.view is None or not self.asked or self.view.awaiting == _CORRECTION

    def rest(self, settle_after: timedelta, now: datetime | None) -> float:
        """Return for how many seconds a request that was sent may still be on its way."""
        if self.asked_at is None or now is None:
            return 0.0
        # Turned away at the door, as its answer says: it is on its way no more.
        if self.view is not None and self.view.awaiting == _RESEND:
            return 0.0
        return (settle_after - (now - self.asked_at)).total_seconds()

    def joined(self, key: str) -> Standing:
        """Return it with one more request or response."""
        return self._replace(asked=self.asked | {key})
