"""The dialects of other providers, by hand from what each of them documents.

`COUNTER` is nobody's: it numbers the states of an order, and tells several in one body.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from .dialect import Body, Dialect, Errors, Said, json_object, number, of_type, text
from .lifecycle import Lifecycle
from .words import as_said

NEW = ("requested", "validation_failed", "resubmitted")

# DoorDash Drive

DASHER = ("created", "confirmed", "enroute_to_pickup", "arrived_at_pickup")
DROPOFF = ("picked_up", "enroute_to_dropoff", "arrived_at_dropoff")
BACK = ("enroute_to_return", "arrived_at_return")
UNDER_WAY = (*NEW, *DASHER, *DROPOFF, *BACK)
DRIVE_FIELDS = {
    "tracking_url": str,
    "support_reference": str,
    "currency": str,
    "fee": int,
    "tip": int,
    "dasher_id": int,
    "pickup_time_estimated": str,
    "pickup_time_actual": str,
    "dropoff_time_estimated": str,
    "dropoff_time_actual": str,
    "cancellation_reason": str,
    "cancellation_reason_message": str,
}
DRIVE_EVENTS = {
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
DRIVE = Lifecycle(
    states=(*UNDER_WAY, "delivered", "returned", "cancelled"),
    moves=frozenset(
        [
            *(("requested", to) for to in ("created", "validation_failed", "resubmitted")),
            ("validation_failed", "resubmitted"),
            *(("resubmitted", to) for to in ("created", "validation_failed")),
            *pairwise((*DASHER, *DROPOFF, "delivered")),
            ("confirmed", "arrived_at_pickup"),
            ("picked_up", "arrived_at_dropoff"),
            *((state, "enroute_to_return") for state in DROPOFF),
            *pairwise((*BACK, "returned")),
            *((later, sooner) for at, sooner in enumerate(DASHER) for later in DASHER[at + 1 :]),
            *((state, "cancelled") for state in UNDER_WAY),
        ]
    ),
    terminal=("delivered", "returned", "cancelled"),
    aborts=("returned", "cancelled"),
    birth=("created",),
    main_line=("requested", "created", "confirmed", "arrived_at_pickup", "picked_up"),
    informational=("quote", "delivery_batched"),
    heard=("confirmed", "cancelled"),
    awaited={
        "created": ("confirmed", "cancelled"),
        "enroute_to_return": ("arrived_at_return", "cancelled"),
        "arrived_at_return": ("returned", "cancelled"),
    },
    fields=tuple(DRIVE_FIELDS),
    perhaps_created=(None, 408, 409),
)


def _drive_details(said: Body) -> dict[str, object]:
    why = text(said.get("reason"))
    return ({} if why is None else {"cancellation_reason": why}) | of_type(said, DRIVE_FIELDS)


def _drive_callback(said: Body) -> list[Said | None]:
    word = as_said(said.get("event_name"))
    name, order_id = DRIVE_EVENTS.get(word, word), said.get("external_delivery_id")
    time, details = said.get("created_at"), _drive_details(said)
    return [Said(name, word, order_id, time=time, details=details) if word else None]


def _drive_errors(said: Body) -> Errors:
    fields = said.get("field_errors")
    if "delivery_status" in said or not ("code" in said or "field_errors" in said):
        return []
    wrong = [each for each in fields if isinstance(each, dict)] if isinstance(fields, list) else []
    code = text(said.get("code"))
    found: Errors = [(text(each.get("error")), code, text(each.get("field"))) for each in wrong]
    return found or [(text(said.get("message")), code, None)]


# Uber Direct

RIDE = ("pending", "pickup", "pickup_complete", "dropoff")
DIRECT_FIELDS = {
    "delivery_id": str,
    "return_id": str,
    "quote_id": str,
    "tracking_url": str,
    "courier_imminent": bool,
    "currency": str,
    "fee": int,
    "tip": int,
    "pickup_eta": str,
    "dropoff_eta": str,
    "undeliverable_action": str,
    "undeliverable_reason": str,
    "total_uber_refund": int,
    "total_partner_refund": int,
}
REFUNDS = {name: kind for name, kind in DIRECT_FIELDS.items() if name.endswith("_refund")}
DIRECT = Lifecycle(
    states=(*NEW, *RIDE, "delivered", "returned", "canceled"),
    moves=frozenset(
        [
            *(("requested", to) for to in ("pending", "validation_failed", "resubmitted")),
            ("validation_failed", "resubmitted"),
            *(("resubmitted", to) for to in ("pending", "validation_failed")),
            *pairwise((*RIDE, "delivered")),
            ("pickup", "pending"),
            ("pickup_complete", "returned"),
            ("dropoff", "returned"),
            *((state, "canceled") for state in (*NEW, *RIDE)),
        ]
    ),
    terminal=("delivered", "returned", "canceled"),
    aborts=("returned", "canceled"),
    birth=("pending",),
    main_line=("requested", *RIDE),
    informational=("courier_update", "delivery_return", "refund_request", "shopping_progress"),
    heard=("pending", "canceled"),
    awaited={"pending": ("pickup", "canceled")},
    fields=tuple(DIRECT_FIELDS),
    perhaps_created=(None, 408, 409),
)


def _direct_details(said: Body) -> dict[str, object]:
    ids = {"delivery_id": said.get("id"), "return_id": json_object(said.get("return")).get("id")}
    return of_type(said, DIRECT_FIELDS) | {name: one for name, one in ids.items() if text(one)}


def _direct_callback(said: Body) -> list[Said | None]:
    data, kind = json_object(said.get("data")), as_said(said.get("kind")).removeprefix("event.")
    word = as_said(said.get("status"))
    ids = [each for each in (said.get("delivery_id"), data.get("id")) if isinstance(each, str)]
    back = kind == "delivery_status" and any(each.startswith("ret_") for each in ids)
    name = "delivery_return" if back else word if kind == "delivery_status" else kind
    ours = data.get("external_id") or said.get("external_id")
    more = {"order_id": ours, "event_id": said.get("id"), "time": said.get("created")}
    if not name:
        return [None]
    if name == "refund_request":
        return [Said(name, name, **more, details=of_type(data, REFUNDS))]
    if name == "delivery_return":
        told = text(data.get("id")) or text(said.get("delivery_id"))
        return [Said(name, name, **more, details={"return_id": told} if told else {})]
    own = text(said.get("delivery_id") or data.get("id"))
    details = _direct_details(data) | ({"delivery_id": own} if own else {})
    return [Said(name, word or name, **more, details=details)]


def _direct_errors(said: Body) -> Errors:
    if said.get("kind") != "error":
        return []
    code = text(said.get("code"))
    named = json_object(said.get("metadata")).items()
    found: Errors = [(reason, code, field) for field, reason in named if text(reason)]
    return found or [(text(said.get("message")), code, None)]


# One that counts the states of an order, and tells several in one body

COUNTED = Lifecycle(
    states=(*NEW, "proposed", "reserved", "prepared", "waiting", "completed", "canceled"),
    moves=frozenset(
        [
            *pairwise(("requested", "proposed", "reserved", "prepared", "completed")),
            *pairwise(NEW),
            ("prepared", "reserved"),
            *((state, "canceled") for state in ("requested", "proposed", "reserved", "prepared")),
        ]
    ),
    terminal=("completed", "canceled"),
    aborts=("canceled",),
    birth=("proposed",),
    side=("waiting",),
    main_line=("proposed", "reserved", "prepared"),
    informational=("moved",),
    fields=("note", "count"),
    goal="completed",
    numbered=True,
)
NOTED = {"note": str, "count": int}


def _counted_callback(said: Body) -> list[Said | None]:
    several = said.get("events")
    told: Iterable[Any] = several if isinstance(several, list) and several else [said]
    return [_counted(json_object(each)) for each in told]


def _counted(said: Body) -> Said | None:
    word = as_said(said.get("state"))
    known = (said.get("order"), said.get("id"), said.get("at"), number(said, "number"))
    return Said(word, word, *known, of_type(said, NOTED)) if word else None


PEERS = {
    "doordash_drive": Dialect(
        DRIVE,
        "external_delivery_id",
        "delivery_status",
        _drive_callback,
        _drive_details,
        _drive_errors,
        taken=409,
    ),
    "uber_direct": Dialect(
        DIRECT,
        "external_id",
        "status",
        _direct_callback,
        _direct_details,
        _direct_errors,
        taken=409,
    ),
}
COUNTER = Dialect(
    COUNTED,
    "order",
    "state",
    _counted_callback,
    lambda said: of_type(said, NOTED),
    sequence="number",
)
