"""The event that a request of ours, its response or a poll is, from what its body says."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lifecycle.core.event import (
    ACCEPTED,
    ASKED,
    FAILED,
    NOTHING,
    REQUESTED,
    RESUBMITTED,
    Arrival,
    Content,
    Event,
    Fault,
    Kind,
)
from lifecycle.core.identity import exchange_key, opaque_id, verbatim_word
from lifecycle.core.provider import Reading

_OF_AN_ATTEMPT: Final = frozenset({"request", "response"})
_WITHOUT_READABLE_ERROR: Final = (Fault(),)

Seen = tuple[str, str, datetime | None, int | None]
"""Of what arrived: the digest, the hash of its body, its `Date` header, which reading this is."""


def exchange_event(
    order: tuple[str, str], arrival: Arrival, said: Reading, trigger: str | None, seen: Seen
) -> Event:
    """Return the event of an order, its provider and id; a request needs no `trigger`."""
    kind, exchange_id, (digest, sha256, date, part) = arrival.kind, arrival.exchange_id, seen
    exchange_id = None if exchange_id is None else opaque_id(exchange_id)
    name, trigger = _asked(arrival) if kind == "request" else (said.name or "", trigger)
    content = content_of(kind, name, said)
    return Event(
        *order,
        kind,
        name,
        trigger,
        exchange_key(arrival, exchange_id, digest, part),
        digest,
        arrival.received_at,
        arrival.body,
        sha256,
        said.event_id,
        arrival.attempt if kind in _OF_AN_ATTEMPT and not arrival.operation else None,
        exchange_id,
        verbatim_word(said.status),
        date if kind == "poll" else said.occurred_at,
        arrival.http_status if kind in {"response", "poll"} else None,
        arrival.headers,
        content.details,
        content.faults,
        said.problems,
        content.fate,
        client=arrival.client,
        operation=arrival.operation,
        sequence=said.sequence,
        part=part,
        links=said.links,
        replayed=arrival.replayed,
        context=arrival.context,
    )


def _asked(arrival: Arrival) -> tuple[str, str | None]:
    """Return the name and the trigger of a request of ours."""
    if arrival.operation is not None:
        return f"{arrival.operation}{ASKED}", None
    name = REQUESTED if arrival.attempt == 1 else RESUBMITTED
    return name, name


def content_of(kind: Kind, name: str, said: Reading) -> Content:
    """Return the details, faults and fate of an event of this name.

    Only a response that was not accepted has faults: at least one, and then no details.
    """
    if kind != "response" or name == ACCEPTED:
        return Content(said.details, (), None)
    fate = said.fate if name == FAILED else None
    return Content(NOTHING, said.faults or _WITHOUT_READABLE_ERROR, fate)
