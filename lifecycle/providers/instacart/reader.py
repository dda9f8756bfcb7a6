"""Reading: what an arrival of Instacart's says, or why it says nothing.

Liberal in what it accepts: a field that is missing, added or of a wrong type says nothing
and harms no other.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.event import Arrival
from lifecycle.core.exchange_reader import ExchangeReader
from lifecycle.core.identity import id_text, opaque_id
from lifecycle.core.instant import read_event_time
from lifecycle.core.provider import NoReading, Reading, Said
from lifecycle.providers.instacart.bodies import JsonObject, is_error, read_faults
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import read_details
from lifecycle.providers.instacart.words import SPELLED, read_word

EXCHANGES: Final = ExchangeReader(
    LAST_MILE,
    order_id="id",
    status="status",
    rejected="validation_failed",
    is_error=is_error,
    faults=read_faults,
    details=read_details,
    request_id="order_id",
    name=read_word,
)

_NO_NAME: Final = NoReading("no_name", "the body says no event name or status, or too long a one")


def read(arrival: Arrival, body: JsonObject | None) -> Said:
    """Return what an arrival says; `body` is None where its bytes are no JSON object."""
    if arrival.kind != "callback":
        return EXCHANGES.read(arrival, body)
    said = body or {}
    get = said.get
    spoken, metadata = get("event_name"), get("event_metadata")
    if spoken is None and metadata is None:
        return _flat(said)
    name = (SPELLED.get(spoken) if type(spoken) is str else None) or read_word(spoken)
    if name is None:
        return _NO_NAME
    occurred_at, problems = read_event_time(get("event_timestamp"))
    named = id_text(metadata.get("order_id")) if type(metadata) is dict else None
    return Reading(
        name,
        order_id=named or id_text(get("order_id")),
        status=spoken,
        event_id=opaque_id(get("event_id")),
        occurred_at=occurred_at,
        details=read_details(metadata),
        problems=problems,
    )


def _flat(order: JsonObject) -> Reading | NoReading:
    """Return what an order object says: no event id, and no time of an event.

    Its `created_at` is when the order was created.
    """
    status = order.get("status")
    name = read_word(status)
    if name is None:
        return _NO_NAME
    order_id = id_text(order.get("id"))
    return Reading(name, order_id=order_id, status=status, details=read_details(order))
