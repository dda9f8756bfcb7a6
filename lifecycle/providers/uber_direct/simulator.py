"""Uber Direct to test against: its API, its errors, and its signed webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import parse_qs

from lifecycle import simulator
from lifecycle.core.identity import id_text
from lifecycle.core.instant import format_instant
from lifecycle.providers.uber_direct.definition import DELIVERY
from lifecycle.providers.uber_direct.receiver import SIGNATURE
from lifecycle.simulator import (
    Answers,
    Reply,
    Request,
    Route,
    Scenario,
    SimulatedProvider,
    cancel_to,
    route_by,
)
from lifecycle.simulator.bodies import Bodies
from lifecycle.simulator.plan import Body
from lifecycle.simulator.stepped import Way, planned, requiring, scenarios_of

PREFIX: Final = "del_"
_PICKED_UP: Final = ("pending", "pickup", "courier_update", "pickup", "pickup_complete")
WAYS: Final = {
    "delivered": Way("all goes well", (*_PICKED_UP, "dropoff", "dropoff", "delivered")),
    "refunded": Way(
        "a refund comes later", (*_PICKED_UP, "dropoff", "delivered", "refund_request")
    ),
    "returned": Way("nobody takes it", (*_PICKED_UP, "dropoff", "returned", "delivery_return")),
    "reassigned": Way("a courier drops out", ("pickup", "pending", *_PICKED_UP, "delivered")),
    "canceled": Way("no courier can be found", ("pending", "canceled")),
}


class Settings(simulator.Settings):
    """How it behaves; `callback_client_secret` is the signing key of the webhook."""

    scenarios: ClassVar[Mapping[str, Scenario]] = scenarios_of(WAYS)
    fetches_token: ClassVar[bool] = False


def _order(order_id: str, status: str) -> Body:
    return {
        "id": PREFIX + order_id,
        "external_id": order_id,
        "kind": "delivery",
        "live_mode": True,
        "status": status,
        "complete": status in DELIVERY.terminal,
        "currency": "usd",
        "fee": 750,
        "tracking_url": f"https://uber.example/track/{order_id}",
    }


def _callback(order: Body, name: str, at: datetime, own: str) -> Body:
    kind = "delivery_status" if name in DELIVERY.ranks else name
    data = {"refund_request": {"id": own, "total_uber_refund": 650}}.get(name, order)
    if name == "delivery_return":
        data = {**order, "id": f"ret_{order['external_id']}", "status": "pending"}
    return {
        "kind": f"event.{kind}",
        "id": f"evt_{own}",
        "created": format_instant(at),
        "live_mode": True,
        "delivery_id": order["id"],
        "external_id": order["external_id"],
        "data": data,
        **({"status": name} if kind == "delivery_status" else {}),
    }


def _error(message: str, code: str = "error", **metadata: str) -> Body:
    return {"kind": "error", "code": code, "message": message, "metadata": metadata}


def _rejection(*fields: str) -> Reply:
    wrong = dict.fromkeys(fields, "This field is required.")
    return Reply(400, _error("Invalid parameters", "invalid_params", **wrong))


BODIES: Final = Bodies(
    DELIVERY,
    request=lambda order_id, attempt: {
        "external_id": order_id,
        "dropoff_name": "Kim Placeholder",
        "dropoff_address": f"{attempt} Example St, New York, NY 10023",
        "dropoff_phone_number": "+15555550102",
    },
    order=_order,
    callback=_callback,
    rejection=_rejection("dropoff_address"),
)


def _route(request: Request) -> Route | None:
    route = _ROUTES(request)
    return route and route._replace(order_id=route.order_id.removeprefix(PREFIX))


_ROUTES: Final = route_by(
    create="POST /customers/{account}/deliveries",
    list="GET /customers/{account}/deliveries",
    get="GET /customers/{account}/deliveries/{order_id}",
    cancel="POST /customers/{account}/deliveries/{order_id}/cancel",
)


def _listing(request: Request, orders: list[Body]) -> Reply:
    asked = {name: int(values[0]) for name, values in parse_qs(request.query).items()}
    start = asked.get("offset", 0)
    page = orders[start : start + asked.get("limit", 10)]
    return Reply(200, {"object": "list", "data": page, "total_count": -1})


SIMULATED: Final = SimulatedProvider(
    settings=Settings,
    route=_route,
    token_path=("oauth", "v2", "token"),
    answers=Answers.worded(
        _error,
        not_found=Reply(404, _error("no such delivery", "delivery_not_found")),
        repeated=Reply(409, _error("there is one like this", "duplicate_delivery")),
    ),
    order_id=lambda body: id_text(body.get("external_id")),
    reject=requiring(("dropoff_address", "dropoff_name", "dropoff_phone_number"), _rejection),
    plan=planned(BODIES, WAYS),
    operations={
        "cancel": cancel_to(
            "canceled",
            while_in={"pending", "pickup"},
            refused=Reply(400, _error("too late for that", "noncancelable_delivery")),
        )
    },
    listing=_listing,
    status=lambda order: str(order["status"]),
    ended=DELIVERY.terminal,
    mixed_ways={"delivered": 5, "refunded": 1, "returned": 2, "reassigned": 1, "canceled": 1},
    stamp=lambda body: body.get("created"),
    restamped=lambda body, at: {**body, "created": format_instant(at)},
    divergent=lambda body: {**body, "route_id": "another"},
    callback_headers=lambda body, settings: SIGNATURE.sign(settings.callback_secret, body),
)
