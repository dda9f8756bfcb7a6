"""Which orders a callback is about, before it is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from lifecycle.core.event import Arrival, Event
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizer_of
from lifecycle.http.receiver.request_flow import Callback
from lifecycle.log.kept_headers import keep_headers
from lifecycle.log.link_store import LinkStore


def orders_named(
    provider: Provider, callback: Callback, links: LinkStore | None = None
) -> tuple[str | None, ...]:
    """Return the ids of the orders that a callback is about; None stands for what is unreadable.

    Without `links` that is also what names its order by an id of the provider's own alone.
    """
    recognizer = recognizer_of(provider)
    headers = keep_headers(callback.head.headers, recognizer.kept_headers)
    arrival = Arrival(
        "callback", callback.body, datetime.now(UTC), callback.order_id, headers=headers
    )
    found = recognizer.recognize_all(
        arrival, None if links is None else partial(links.orders, recognizer.name)
    )
    return tuple([each.order_id if isinstance(each, Event) else None for each in found])
