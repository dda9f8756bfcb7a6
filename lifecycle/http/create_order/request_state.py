"""What the log says about the create requests of one order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.core.view import HistoryEntry, OrderView, Verdict

_CORRECTION: Final = ("correction",)
_RESEND: Final = ("resend",)


class RequestState(NamedTuple):
    """An order's view, and its requests and responses.

    `exchange_keys` are the keys of requests and responses, `last_recorded_at` is when the last was
    recorded. `attempt` is the newest, `body` the SHA-256 of its request.
    """

    view: OrderView | None = None
    version: int = 0
    exchange_keys: frozenset[str] = frozenset()
    last_recorded_at: datetime | None = None
    attempt: int = 0
    body: str | None = None

    @classmethod
    def of(cls, view: OrderView, history: Iterable[HistoryEntry]) -> RequestState:
        """Return the state of an order's requests."""
        exchanges = [entry for entry in history if entry.kind in {"request", "response"}]
        newest = f"request:{view.attempt}"
        bodies = [e.sha256 for e in exchanges if e.key == newest and e.verdict != Verdict.DIVERGENT]
        return cls(
            view,
            view.arrival.version,
            frozenset(entry.key for entry in exchanges),
            max((entry.received_at for entry in exchanges), default=None),
            view.attempt,
            bodies[0] if bodies else None,
        )

    @property
    def may_send_at_once(self) -> bool:
        """Whether a request may be sent at once: no earlier one may still be carried out."""
        return self.view is None or not self.exchange_keys or self.view.awaiting == _CORRECTION

    def seconds_in_flight(self, settle_after: timedelta, now: datetime | None) -> float:
        """Return for how many seconds an earlier request may still be in flight."""
        if self.last_recorded_at is None or now is None:
            return 0.0
        # Its answer says that it was refused: it is no longer in flight.
        if self.view is not None and self.view.awaiting == _RESEND:
            return 0.0
        return (settle_after - (now - self.last_recorded_at)).total_seconds()

    def with_key(self, key: str) -> RequestState:
        """Return the state with one more request or response."""
        return self._replace(exchange_keys=self.exchange_keys | {key})
