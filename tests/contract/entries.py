"""Entries made by hand: what a store is given, without any provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from lifecycle.core.event import Arrival, Event, Unreadable
from lifecycle.log.contract import Append, Outcome

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)


class TickingClock:
    """Tells a time that moves by a microsecond whenever it is asked."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time


def event(order_id: str = "xyz", number: int = 1, body: bytes = b"{}", **fields: Any) -> Event:
    """Return a callback; `number` is its event id, `body` what it says."""
    content = sha256(body).hexdigest()
    made = Event(
        provider="instacart",
        order_id=order_id,
        kind="callback",
        name="brand_new",
        trigger="brand_new",
        key=f"callback:{number}",
        digest=content,
        received_at=NOON,
        body=body,
        sha256=content,
        event_id=str(number),
        status="brand_new",
    )
    return made._replace(**fields)


def unreadable(body: bytes = b"<html>", **fields: Any) -> Unreadable:
    """Return something that could not be read as an event."""
    arrival = Arrival("callback", body, NOON, headers={"content-type": "text/html"})
    made = Unreadable("instacart", "not_json", "syntax: at the start", body, NOON, arrival)
    return made._replace(**fields)


def told(append: Append) -> tuple[Outcome, str, int, int]:
    """Return what a log answers of one entry."""
    return append.outcome, append.stream, append.version, append.position


def stream(order_id: str = "xyz") -> str:
    return f"order:instacart:{order_id}"
