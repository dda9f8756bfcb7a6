"""DoorDash Drive to test against: its API, its errors, and its webhooks with HTTP Basic.

Of the settings, `client_id` and `client_secret` are our developer id and signing secret.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import jwt

from lifecycle.core.instant import format_instant
from lifecycle.http.receiver import Basic
from lifecycle.providers.doordash_drive.definition import BEFORE_PICKUP, DELIVERY, DROPOFF, RETURN
from lifecycle.providers.doordash_drive.reader import EVENTS
from lifecycle.simulator import Answers, Reply, Request, Settings, cancel_to, route_by
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.plan import Body
from lifecycle.simulator.stepped import stepped

PICKUP: Final = BEFORE_PICKUP[1:]
WAYS: Final = {
    "delivered": Way("all goes well", (*PICKUP, *DROPOFF, "delivered"), 6),
    "unassigned": Way(
        "a Dasher unassigns, which no webhook says, and another one confirms",
        (*PICKUP, *BEFORE_PICKUP, "picked_up", "arrived_at_dropoff", "delivered"),
        2,
    ),
    "returned": Way(
        "nobody takes it, and the Dasher brings it back", (*PICKUP, *DROPOFF, *RETURN, "returned")
    ),
    "cancelled": Way("no Dasher can be found", ("cancelled",)),
}
NAMES: Final = {state: event.upper() for event, state in EVENTS.items()}
"""The event by which a webhook tells of each status; `created` has none of its own."""


def _order(order_id: str, status: str) -> Body:
    return {
        "external_delivery_id": order_id,
        "delivery_status": status,
        "currency": "USD",
        "fee": 975,
        "tracking_url": f"https://doordash.example/track/{order_id}",
    }


def _callback(order: Body, name: str, at: datetime, _own: str) -> Body | None:
    if name == "created":
        return None
    known = {field: said for field, said in order.items() if field != "delivery_status"}
    return {"event_name": NAMES.get(name, name.upper()), "created_at": format_instant(at), **known}


def _rejection(*fields: str) -> Reply:
    wrong = [{"field": each, "error": "This field is required."} for each in fields]
    return Reply(400, {**_error("Validation failed", "validation_error"), "field_errors": wrong})


def _error(message: str, code: str = "error") -> Body:
    return {"code": code, "message": message}


def _is_authorized(request: Request, settings: Settings) -> bool:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    secret = jwt.utils.base64url_decode(settings.client_secret.get_secret_value())
    try:
        claims = jwt.decode(token, secret, ["HS256"], audience="doordash", leeway=10)
    except jwt.PyJWTError:
        return False
    return bool(claims.get("iss") == settings.client_id)


def _request(order_id: str, attempt: int) -> Body:
    address = f"{attempt} Example St, Seattle, WA 98101"
    told = {"dropoff_address": address, "dropoff_phone_number": "+16505550112"}
    return {"external_delivery_id": order_id, **told}


TOO_LATE: Final = Reply(409, _error("too late for that"))
SIMULATED: Final = stepped(
    Bodies(DELIVERY, _request, _order, _callback, _rejection("dropoff_address")),
    WAYS,
    order_id="external_delivery_id",
    time="created_at",
    route=route_by(
        create="POST /deliveries",
        get="GET /deliveries/{order_id}",
        cancel="PUT /deliveries/{order_id}/cancel",
    ),
    is_authorized=_is_authorized,
    answers=Answers.worded(_error),
    needed=("dropoff_address", "dropoff_phone_number"),
    lacking=_rejection,
    operations={"cancel": cancel_to("cancelled", while_in={"created"}, refused=TOO_LATE)},
    status=lambda order: str(order["delivery_status"]),
    callback_headers=lambda _, known: Basic.sent_by(
        known.callback_client_id, known.callback_secret
    ),
)
