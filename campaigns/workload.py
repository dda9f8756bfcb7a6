"""What the campaigns record, and the labels that identify each event in the log.

The same seed gives the same workload. Every number is another event, so an order's stream
holds each exactly once, or something was doubled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from lifecycle.core.change import Change
from lifecycle.core.event import Event, Unreadable
from lifecycle.log.codec import hash_of
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

STEPS: Final = (
    "brand_new",
    "staged",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
    "delivered",
)

Acknowledge = Callable[[str], None]
"""Called with the label of what a call returned for; whoever is told may count on it."""


def label(entry: Any) -> str:
    """Return what tells an entry from every other, in the log as in a receipt."""
    if isinstance(entry, Event):
        return f"{entry.stream} {entry.key} {entry.digest}"
    if isinstance(entry, Unreadable):
        return f"quarantine {hash_of(entry.body)}"
    return f"mark {entry!r}"


def callback(number: int, *, orders: int = 40, length: int = 0) -> bytes:
    """Return the callback with this number; `length` makes it longer."""
    body = {
        "event_id": 1_201_895_966_044_000_000 + number,
        "event_name": f"fulfillment.{STEPS[number // orders % len(STEPS)]}",
        "event_timestamp": f"2026-07-07T12:{number // 60 % 60:02}:{number % 60:02}Z",
        "event_metadata": {"order_id": f"order-{number % orders}", "bag_label": "x" * length},
    }
    return json.dumps(body).encode()


def record_one(
    orders: Orders, number: int, random: Random, acknowledge: Acknowledge, *, once: str = ""
) -> None:
    """Record something by some entry point, and acknowledge what came back.

    `once` tells this call from every other with that number: in the quarantine all counts.
    """
    draw = random.random()
    length = random.choice((0, 0, 200, 3000))
    if draw < 0.6:
        acknowledged(orders.record_callback(callback(number, length=length)), acknowledge)
    elif draw < 0.7:
        acknowledged(orders.record_callback(f"<html>{number} {once}".encode()), acknowledge)
    elif draw < 0.8:
        _begin(orders, number, random, acknowledge)
    else:
        bodies = [callback(number * 1000 + place, length=length) for place in range(12)]
        lines = [{"kind": "callback", "body_text": body.decode()} for body in bodies]
        for receipt in orders.record_many(lines):
            acknowledged(receipt, acknowledge)


def acknowledged(receipt: Receipt, acknowledge: Acknowledge) -> Change | None:
    """Acknowledge what a receipt says is stored, then fold it in as a service does."""
    acknowledge(label(receipt.event))
    return receipt.change


def _begin(orders: Orders, number: int, random: Random, acknowledge: Acknowledge) -> None:
    order_id = f"begun-{number % 20}"
    sent = orders.begin_request(order_id, {"order_id": order_id, "items_count": number})
    acknowledged(sent.receipt, acknowledge)
    if random.random() < 0.7:
        answer = {"id": order_id, "status": "created"}
        acknowledged(sent.answered(200, answer), acknowledge)
