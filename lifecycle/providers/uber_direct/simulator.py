"""Uber Direct to test against: its API, its errors, and its signed webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lifecycle.core.instant import format_instant
from lifecycle.providers.uber_direct.definition import DELIVERY
from lifecycle.providers.uber_direct.receiver import SIGNATURE
from lifecycle.simulator import Answers, Reply, cancel_to, route_by
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.plan import Body
from lifecycle.simulator.stepped import stepped

_PICKED_UP: Final = ("pending", "pickup", "courier_update", "pickup", "pickup_complete")
_DROPPED_OFF: Final = (*_PICKED_UP, "dropoff", "delivered")
WAYS: Final = {
    "delivered": Way("all goes well", (*_PICKED_UP, "dropoff", "dropoff", "delivered"), 5),
    "refunded": Way("a refund comes later", (*_DROPPED_OFF, "refund_request")),
    "returned": Way("nobody takes it", (*_PICKED_UP, "dropoff", "returned", "delivery_return"), 2),
    "reassigned": Way("a courier drops out", ("pickup", "pending", *_PICKED_UP, "delivered")),
    "canceled": Way("no courier can be found", ("pending", "canceled")),
}


def _order(order_id: str, status: str) -> Body:
    return {
        "id": f"del_{order_id}",
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


def _request(order_id: str, attempt: int) -> Body:
    address = f"{attempt} Example St, New York, NY 10023"
    told = {"dropoff_name": "Kim Placeholder", "dropoff_phone_number": "+15555550102"}
    return {"external_id": order_id, "dropoff_address": address, **told}


TOO_LATE: Final = Reply(400, _error("too late for that", "noncancelable_delivery"))
SIMULATED: Final = stepped(
    Bodies(DELIVERY, _request, _order, _callback, _rejection("dropoff_address")),
    WAYS,
    order_id="external_id",
    time="created",
    route=route_by(
        create="POST /customers/{account}/deliveries",
        list="GET /customers/{account}/deliveries",
        get="GET /customers/{account}/deliveries/del_{order_id}",
        cancel="POST /customers/{account}/deliveries/del_{order_id}/cancel",
    ),
    token_path=("oauth", "v2", "token"),
    answers=Answers.worded(
        _error,
        not_found=Reply(404, _error("no such delivery", "delivery_not_found")),
        repeated=Reply(409, _error("there is one like this", "duplicate_delivery")),
    ),
    needed=("dropoff_address", "dropoff_name", "dropoff_phone_number"),
    lacking=_rejection,
    operations={"cancel": cancel_to("canceled", while_in={"pending", "pickup"}, refused=TOO_LATE)},
    listing=lambda orders, request: {
        "object": "list",
        "data": request.page(orders),
        "total_count": -1,
    },
    status=lambda order: str(order["status"]),
    divergent=lambda body: {**body, "route_id": "another"},
    callback_headers=lambda body, settings: SIGNATURE.sign(settings.callback_secret, body),
)
