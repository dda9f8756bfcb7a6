"""Reading: what an arrival of DoorDash Drive's says, or why it says nothing.

| arrival | its body |
|---|---|
| callback | flat: `event_name`, `created_at` (when it happened), and all that is known |
| response, poll | the delivery object, with a `delivery_status` |
| error | `{code, message}`, and `field_errors: [{field, error}]` or a `reason` |

A callback has neither an event id nor a status: its name says what happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.core.details import leaves_of, read_leaves, text_in
from lifecycle.core.event import NOTHING, Fault
from lifecycle.core.exchange_reader import ExchangeReader
from lifecycle.core.identity import id_text, spoken_word
from lifecycle.core.instant import read_event_time
from lifecycle.core.provider import JsonObject, NoReading, Reading
from lifecycle.providers.doordash_drive.definition import DELIVERY, DeliveryDetails

EVENTS: Final[Mapping[str, str]] = {
    "delivery_created": "created",
    "dasher_confirmed": "confirmed",
    "dasher_enroute_to_pickup": "enroute_to_pickup",
    "dasher_confirmed_pickup_arrival": "arrived_at_pickup",
    "dasher_picked_up": "picked_up",
    "dasher_enroute_to_dropoff": "enroute_to_dropoff",
    "dasher_confirmed_dropoff_arrival": "arrived_at_dropoff",
    "dasher_dropped_off": "delivered",
    "delivery_cancelled": "cancelled",
    "delivery_return_initialized": "enroute_to_return",
    "dasher_enroute_to_return": "enroute_to_return",
    "dasher_confirmed_return_arrival": "arrived_at_return",
    "delivery_returned": "returned",
}
"""The events, and the status of a delivery to which each has happened."""

_LEAVES: Final = leaves_of(DeliveryDetails)
_NO_NAME: Final = NoReading("no_name", "the body says no event name, or too long a one")


def _callback(said: JsonObject) -> Reading | NoReading:
    status = said.get("event_name")
    word = spoken_word(status)
    if word is None:
        return _NO_NAME
    occurred_at, problems = read_event_time(said.get("created_at"))
    return Reading(
        EVENTS.get(word, word),
        order_id=id_text(said.get("external_delivery_id")),
        status=status,
        occurred_at=occurred_at,
        details=_details(said),
        problems=problems,
    )


def _details(said: JsonObject) -> Mapping[str, Any]:
    found = read_leaves(_LEAVES, said)
    if "cancellation_reason" not in found and type(said.get("reason")) is str:
        # So the webhook calls it of a delivery that could not be returned.
        found |= {"cancellation_reason": said["reason"]} if said["reason"] else {}
    return found or NOTHING


def _faults(said: JsonObject) -> tuple[Fault, ...]:
    """Return an error for each field that has one, else the error of the whole request."""
    if "delivery_status" in said or not ("code" in said or "field_errors" in said):
        return ()
    code, listed = text_in(said.get("code")), said.get("field_errors")
    fields = [each for each in listed if type(each) is dict] if type(listed) is list else []
    return tuple(
        Fault(text_in(each.get("error")), code, text_in(each.get("field"))) for each in fields
    ) or (Fault(text_in(said.get("message")), code),)


READER: Final = ExchangeReader(
    DELIVERY,
    order_id="external_delivery_id",
    status="delivery_status",
    rejected="validation_failed",
    faults=_faults,
    details=_details,
    taken=409,
    callback=_callback,
)
