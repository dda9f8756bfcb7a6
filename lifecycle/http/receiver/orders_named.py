"""Which orders a callback is about, before it is recorded."""

from __future__ import annotations

from datetime import UTC, datetime

from lifecycle.core.event import Arrival, Event
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizer_of
from lifecycle.http.receiver.request_flow import Callback
from lifecycle.log.jsonl import keep_headers


def orders_named(provider: Provider, callback: Callback) -> tuple[str | None, ...]:
    """Return the ids of the orders that a callback is about; None stands for what is unreadable."""
    recognizer = recognizer_of(provider)
    headers = keep_headers(callback.head.headers, recognizer.kept_headers)
    arrival = Arrival(
        "callback", callback.body, datetime.now(UTC), callback.order_id, headers=headers
    )
    found = recognizer.recognize_all(arrival)
    return tuple([each.order_id if isinstance(each, Event) else None for each in found])
