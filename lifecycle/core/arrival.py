"""An arrival before a provider sees it: made ready, or made again from what is stored."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from msgspec import structs

from lifecycle.core import identity
from lifecycle.core.event import NO_HEADERS, Arrival
from lifecycle.core.identity import stated_order_id
from lifecycle.core.stored import Stored

_OF_AN_OPERATION: Final = frozenset({"request", "poll"})


def ready(arrival: Arrival) -> Arrival:
    """Return an arrival that a provider may see: its order id as text, its headers read-only.

    Only requests and polls are of an operation: in any other arrival it says nothing.
    """
    stated = arrival.order_id
    if stated is not None:
        stated = stated_order_id(stated)
        if stated != arrival.order_id:
            arrival = structs.replace(arrival, order_id=stated)
    if arrival.operation is not None and arrival.kind not in _OF_AN_OPERATION:
        arrival = structs.replace(arrival, operation=None)
    if type(arrival.headers) is not MappingProxyType:
        # Nor may the provider change these.
        arrival = structs.replace(arrival, headers=MappingProxyType({**arrival.headers}))
    return arrival


def is_asked(arrival: Arrival) -> bool:
    """Tell whether an operation has a name, and its request a number."""
    if not identity.is_operation(arrival.operation):
        return False
    return arrival.kind != "request" or (arrival.number or 0) > 0


def arrival_again(stored: Stored, body: bytes) -> Arrival:
    """Return what arrived, ready, from what is stored of the event that it became."""
    operation = stored.operation if stored.kind in _OF_AN_OPERATION else None
    return Arrival(
        stored.kind,
        body,
        stored.received_at,
        stored.order_id or None,
        stored.attempt or 1,
        stored.exchange_id,
        stored.http_status,
        MappingProxyType({**stored.headers}) if stored.headers else NO_HEADERS,
        operation=operation,
        number=None if operation is None else identity.number_in(stored.key),
    )
