"""Reading: what an arrival of Instacart's says, or why it says nothing.

Liberal in what it accepts: a field that is missing, added or of a wrong type says nothing
and harms no other.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.event import Arrival
from lifecycle.core.exchange_reader import ExchangeReader
from lifecycle.core.identity import as_kept
from lifecycle.core.provider import NoReading, Reading, Said
from lifecycle.providers.instacart.bodies import JsonObject, is_error, read_callback, read_faults
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import read_details
from lifecycle.providers.instacart.words import normalized, read_word

EXCHANGES: Final = ExchangeReader(
    LAST_MILE,
    order_id="id",
    status="status",
    rejected="validation_failed",
    is_error=is_error,
    faults=read_faults,
    details=read_details,
    request_id="order_id",
    name=normalized,
)

_NO_NAME: Final = NoReading("no_name", "the body says no event name or status, or too long a one")


def read(arrival: Arrival, body: JsonObject | None) -> Said:
    """Return what an arrival says; `body` is None where its bytes are no JSON object."""
    return _callback(body or {}) if arrival.kind == "callback" else EXCHANGES.read(arrival, body)


def _callback(body: JsonObject) -> Reading | NoReading:
    callback = read_callback(body)
    word = read_word(callback.word)
    if callback.word is None or word is None:
        return _NO_NAME
    return Reading(
        word.name,
        order_id=callback.order_id,
        status=as_kept(callback.word),
        event_id=callback.event_id,
        occurred_at=callback.occurred_at,
        details=read_details(callback.order),
        problems=("bad_time",) if callback.has_bad_time else (),
    )
