"""The workload of every benchmark: callbacks of delivery orders, as bytes.

Orders of 8 events, bodies of about 650 bytes, 10 % duplicates, shuffled among the active
orders. Nothing here reads a clock: the same seed gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

SEED: Final = 20220604
DUPLICATES: Final = 0.1

NAMES: Final = (
    "brand_new",
    "staged",
    "acknowledged",
    "acknowledged_for_delivery",
    "at_store",
    "bags_verified",
    "delivering",
    "delivered",
)
EVENTS_PER_ORDER: Final = len(NAMES)

_STARTS_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)


class Callback(NamedTuple):
    """One callback: its body as it comes, and what a bare insert would have to know of it."""

    order_id: str
    event_id: str
    name: str
    body: bytes


def order_ids(count: int) -> list[str]:
    """Return the ids of the first `count` orders."""
    return [_order_id(number) for number in range(count)]


def order(number: int) -> list[Callback]:
    """Return the callbacks of one order, in the order in which they were sent."""
    starts_at = _STARTS_AT + timedelta(seconds=20 * number)
    return [
        _callback(number, step, name, starts_at + timedelta(minutes=7 * step))
        for step, name in enumerate(NAMES)
    ]


def late(number: int) -> Callback:
    """Return a callback that comes to an order after all others."""
    at = _STARTS_AT + timedelta(seconds=20 * number, days=1)
    return _callback(number, EVENTS_PER_ORDER, "rating_updated", at)


def arrivals(events: int, *, active: int = 500) -> Iterator[Callback]:
    """Yield the arrivals of `events` distinct events, duplicates besides, as they come in.

    At any time `active` orders are under way; whose turn it is, and which of its callbacks
    comes next, is drawn.
    """
    random = Random(SEED)
    numbers = iter(range(max(1, events // EVENTS_PER_ORDER)))
    under_way = [
        _shuffled(number, random) for _, number in zip(range(active), numbers, strict=False)
    ]
    while under_way:
        chosen = int(random.random() * len(under_way))
        yield under_way[chosen].pop()
        if under_way[chosen]:
            continue
        number = next(numbers, None)
        if number is None:
            under_way[chosen] = under_way[-1]
            under_way.pop()
        else:
            under_way[chosen] = _shuffled(number, random)


def _shuffled(number: int, random: Random) -> list[Callback]:
    sent = order(number)
    sent += [callback for callback in sent if random.random() < DUPLICATES]
    random.shuffle(sent)
    return sent


def _order_id(number: int) -> str:
    return str(UUID(int=Random(f"{SEED} {number}").getrandbits(128), version=4))


def _callback(number: int, step: int, name: str, at: datetime) -> Callback:
    order_id = _order_id(number)
    event_id = 1_201_895_966_044_343_904 + number * (EVENTS_PER_ORDER + 1) + step
    content = {
        "event_id": event_id,
        "event_name": f"fulfillment.{name}",
        "event_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "event_metadata": {
            "order_id": order_id,
            "order_url": f"https://orders.example/s/{order_id[:13]}",
            "created_at": f"{_STARTS_AT:%Y-%m-%dT%H:%M:%SZ}",
            "cancellation_reason": "",
            "locale": "en_US",
            "is_express": True,
            "is_instacartplus": True,
            "fulfillment_details": {
                "store_location": "1003",
                "window_starts_at": "2022-06-04T11:00:00Z",
                "window_ends_at": "2022-06-04T12:00:00Z",
            },
            "is_fallback_window": False,
            "bag_label": f"A-{number % 97:02}",
            "location": {"latitude": 37.7936, "longitude": -122.3965},
            "special_instructions": "Ring the doorbell and leave the bags at the door.",
        },
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    return Callback(order_id, str(event_id), name, body)
