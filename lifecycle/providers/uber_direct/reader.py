"""Reading: what an arrival of Uber Direct's says, or why it says nothing.

| arrival | its body |
|---|---|
| callback | `{id, kind, created, live_mode, delivery_id, status, data}`; `data` is the delivery |
| response, poll | the delivery object, with a `status` |
| error | `{kind: "error", code, message, metadata?}`; `metadata` may have a reason a field |

A status comes again when only `courier_imminent` changed. A return is a delivery of its own,
with an id that begins with `ret_`: what it says of its status is not about this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.core.details import leaves_of, object_or_empty, read_leaves, text_in
from lifecycle.core.event import NOTHING, Fault
from lifecycle.core.exchange_reader import ExchangeReader
from lifecycle.core.identity import id_text, opaque_id, spoken_word, verbatim_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.provider import JsonObject, NoReading, Reading
from lifecycle.providers.uber_direct.definition import DELIVERY, DeliveryDetails

STATUS, RETURN, REFUND = "delivery_status", "delivery_return", "refund_request"

_LEAVES: Final = leaves_of(DeliveryDetails)
_REFUND: Final = tuple(leaf for leaf in _LEAVES if leaf[0].endswith("_refund"))
_NO_NAME: Final = NoReading("no_name", "the body says no kind or status, or too long a one")


def _callback(said: JsonObject) -> Reading | NoReading:
    data, own_id = object_or_empty(said.get("data")), said.get("delivery_id")
    name = (spoken_word(said.get("kind")) or "").removeprefix("event.")
    if name == STATUS:
        is_return = _is_return(own_id) or _is_return(data.get("id"))
        name = RETURN if is_return else (spoken_word(said.get("status")) or "")
    if not name:
        return _NO_NAME
    if name in {RETURN, REFUND}:  # here `data` is no delivery, or another one
        back = _ids(return_id=data.get("id") or own_id)
        details = read_leaves(_REFUND, data) if name == REFUND else back
    else:
        details = {**_details(data), **_ids(delivery_id=own_id or data.get("id"))}
    order_id = id_text(data.get("external_id")) or id_text(said.get("external_id"))
    occurred_at, problems = read_event_time(said.get("created"))
    return Reading(
        name,
        order_id=order_id,
        status=None if name in {RETURN, REFUND} else verbatim_word(said.get("status")),
        event_id=opaque_id(said.get("id")),
        occurred_at=occurred_at,
        details=details,
        problems=problems,
        is_test=said.get("live_mode") is False,
        links=_links(details),
        refers_to=None if order_id else opaque_id(own_id),
    )


def _is_return(delivery_id: object) -> bool:
    return type(delivery_id) is str and delivery_id.startswith("ret_")


def _details(delivery: JsonObject) -> Mapping[str, Any]:
    back = object_or_empty(delivery.get("return")).get("id")
    found = read_leaves(_LEAVES, delivery)
    return {**found, **_ids(delivery_id=delivery.get("id"), return_id=back)} or NOTHING


def _links(details: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids by which later callbacks may name the order alone."""
    delivery, back = opaque_id(details.get("delivery_id")), opaque_id(details.get("return_id"))
    if back is None:
        return () if delivery is None else (delivery,)
    return (back,) if delivery is None else (delivery, back)


def _ids(**ids: object) -> dict[str, str]:
    return {name: each for name, each in ids.items() if type(each) is str and each}


def _faults(said: JsonObject) -> tuple[Fault, ...]:
    """Return an error for each field that has one, else the error of the whole request."""
    if said.get("kind") != "error":
        return ()
    code, fields = text_in(said.get("code")), object_or_empty(said.get("metadata"))
    named = ((text_in(reason), field) for field, reason in fields.items())
    return tuple(Fault(text, code, field) for text, field in named if text) or (
        Fault(text_in(said.get("message")), code),
    )


READER: Final = ExchangeReader(
    DELIVERY,
    order_id="external_id",
    status="status",
    rejected="validation_failed",
    faults=_faults,
    details=_details,
    links=lambda delivery: _links(_details(delivery)),
    taken=409,
    callback=_callback,
)
