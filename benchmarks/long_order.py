"""One more event of a long order and what it changed, beside the same of a short one. CPU time.

    python benchmarks/long_order.py

The order goes to and fro between two states, its callbacks dated. They come in order, or
newest first: then each one is folded in before all others. The log is in memory, since the
disk asks for the same of both.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta

from pairs import Peer, Row, Stopwatch, cpu, main, measure

from lifecycle import Orders, connect

SHORT = 100
_STARTS_AT = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
_STATES = ("acknowledged", "at_store")


def callback(number: int) -> bytes:
    """Return one callback; the provider's clock runs with `number`, backwards below 0."""
    return json.dumps(
        {
            "event_id": f"event {number}",
            "event_name": f"fulfillment.{_STATES[number % 2]}",
            "event_timestamp": (_STARTS_AT + timedelta(seconds=number)).isoformat(),
            "event_metadata": {"order_id": "long", "order_url": f"/orders/{number}"},
        }
    ).encode()


def filled(events: int, direction: int) -> Orders:
    """Return a log that holds one order of so many events, and its fold."""
    orders = connect("memory:")
    bodies = (callback(direction * number) for number in range(events))
    orders.record_many([{"kind": "callback", "body": body} for body in bodies])
    orders.get("long")
    return orders


def going_on(events: int, more: int, direction: int) -> Peer:
    """Record further callbacks of an order that began with `events`, and read each change."""
    orders = filled(events, direction)
    numbers = iter(range(events, 1_000_000_000))

    def run(watch: Stopwatch) -> int:
        bodies = [callback(direction * next(numbers)) for _ in range(more)]
        with watch.running():
            for body in bodies:
                assert orders.record_callback(body).change is not None
        return more

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how a long order compares with a short one."""
    more = 20
    found = measure(
        {
            "short": going_on(SHORT, more, 1),
            "long": going_on(options.events, more, 1),
            "newest first": going_on(options.events, more, -1),
        },
        clock=cpu,
        rounds=options.rounds,
    )
    what, few = "append and its change, a long order", "the same at 100 events"
    return [
        found.row(f"{what}, dated in order", few, of="long", to="short", reach=3, at_most=True),
        found.row(
            f"{what}, newest first", few, of="newest first", to="short", reach=10, at_most=True
        ),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=10_000)
