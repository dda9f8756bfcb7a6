"""DoorDash Drive to test against: its API, its errors, and its webhooks with HTTP Basic."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

import jwt

from lifecycle import simulator
from lifecycle.core.identity import id_text
from lifecycle.core.instant import format_instant
from lifecycle.providers.doordash_drive.definition import BEFORE_PICKUP, DELIVERY, DROPOFF, RETURN
from lifecycle.providers.doordash_drive.reader import EVENTS
from lifecycle.simulator import (
    Answers,
    Reply,
    Request,
    Scenario,
    SimulatedProvider,
    cancel_to,
    route_by,
)
from lifecycle.simulator.bodies import Bodies
from lifecycle.simulator.plan import Body
from lifecycle.simulator.stepped import Way, planned, requiring, scenarios_of

WAYS: Final = {
    "delivered": Way("everything goes well", (*BEFORE_PICKUP[1:], *DROPOFF, "delivered")),
    "unassigned": Way(
        "a Dasher unassigns, which no webhook says, and another one confirms",
        (*BEFORE_PICKUP[1:], *BEFORE_PICKUP, "picked_up", "arrived_at_dropoff", "delivered"),
    ),
    "returned": Way(
        "nobody takes it, and the Dasher brings it back",
        (*BEFORE_PICKUP[1:], *DROPOFF, *RETURN, "returned"),
    ),
    "cancelled": Way("no Dasher can be found", ("cancelled",)),
}
NAMES: Final = {state: event.upper() for event, state in EVENTS.items()}
"""The event by which a webhook tells of each status; `created` has none of its own."""


class Settings(simulator.Settings):
    """How it behaves; `client_id` and `client_secret` are our developer id and signing secret."""

    scenarios: ClassVar[Mapping[str, Scenario]] = scenarios_of(WAYS)
    fetches_token: ClassVar[bool] = False


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


BODIES: Final = Bodies(
    DELIVERY,
    request=lambda order_id, attempt: {
        "external_delivery_id": order_id,
        "dropoff_address": f"{attempt} Example St, Seattle, WA 98101",
        "dropoff_phone_number": "+16505550112",
    },
    order=_order,
    callback=_callback,
    rejection=_rejection("dropoff_address"),
)


def _is_authorized(request: Request, settings: Settings) -> bool:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    secret = jwt.utils.base64url_decode(settings.client_secret.get_secret_value())
    try:
        claims = jwt.decode(token, secret, ["HS256"], audience="doordash", leeway=10)
    except jwt.PyJWTError:
        return False
    return bool(claims.get("iss") == settings.client_id)


def _basic(_body: bytes, settings: Settings) -> Mapping[str, str]:
    given = f"{settings.callback_client_id}:{settings.callback_secret}".encode()
    return {"authorization": f"Basic {base64.b64encode(given).decode()}"}


SIMULATED: Final = SimulatedProvider(
    settings=Settings,
    route=route_by(
        create="POST /deliveries",
        get="GET /deliveries/{order_id}",
        cancel="PUT /deliveries/{order_id}/cancel",
    ),
    is_authorized=_is_authorized,
    answers=Answers.worded(_error),
    order_id=lambda body: id_text(body.get("external_delivery_id")),
    reject=requiring(("dropoff_address", "dropoff_phone_number"), _rejection),
    plan=planned(BODIES, WAYS),
    operations={
        "cancel": cancel_to(
            "cancelled", while_in={"created"}, refused=Reply(409, _error("too late for that"))
        )
    },
    status=lambda order: str(order["delivery_status"]),
    ended=DELIVERY.terminal,
    mixed_ways={"delivered": 6, "unassigned": 2, "returned": 1, "cancelled": 1},
    stamp=lambda body: body.get("created_at"),
    restamped=lambda body, at: {**body, "created_at": format_instant(at)},
    callback_headers=_basic,
)
