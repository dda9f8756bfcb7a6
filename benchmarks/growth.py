"""Cost per event as the log grows, on SQLite, in batches of 100. Wall time.

    python benchmarks/growth.py --events 1000000

Two logs grow by the same arrivals in turn: one begins at 10,000 events, the other at many.
Arrivals are shuffled within the orders that are active. Beside it, one more event for cold
orders: any of the log's orders, none of which the log remembers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from workload import EVENTS_PER_ORDER, SEED, Callback, arrivals, late

from lifecycle import Orders, connect

SMALL = 10_000
_FILL = 500


def append(orders: Orders, callbacks: Sequence[Callback], batch: int) -> None:
    """Record callbacks, `batch` of them in one commit."""
    for some in batches(callbacks, batch):
        orders.record_many([{"kind": "callback", "body": each.body} for each in some])


def growing(orders: Orders, coming: Iterator[Callback], events: int) -> Peer:
    """Go on where the log ends, with orders that are active."""

    def run(watch: Stopwatch) -> int:
        some = list(islice(coming, events))
        with watch.running():
            append(orders, some, BATCH)
        return len(some)

    return run


def cold(path: str, order_numbers: Iterator[int], events: int) -> Peer:
    """Record one more event of orders that were not touched since the log was opened."""

    def run(watch: Stopwatch) -> int:
        some = [late(number) for number in islice(order_numbers, events)]
        with connect(f"sqlite:///{path}") as orders:
            orders.log.last_position()
            with watch.running():
                append(orders, some, BATCH)
        return len(some)

    return run


def shuffled(orders: int) -> Iterator[int]:
    """Yield the numbers of all orders, each once, in a drawn order."""
    numbers = list(range(orders))
    Random(SEED).shuffle(numbers)
    yield from numbers


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how cost per event compares between a small log and a large one."""
    small, large, step = min(SMALL, options.events), options.events, options.step
    further = step * (options.rounds + 2)
    with new_file() as one, new_file() as other:
        logs = [connect(f"sqlite:///{path}") for path in (one, other)]
        coming = [arrivals(size + further) for size in (small, large)]
        for orders, source, size in zip(logs, coming, (small, large), strict=True):
            for start in range(0, size, _FILL):
                append(orders, list(islice(source, min(_FILL, size - start))), _FILL)
        found = measure(
            {
                "small": growing(logs[0], coming[0], step),
                "large": growing(logs[1], coming[1], step),
                "cold": cold(other, shuffled(large // EVENTS_PER_ORDER), step // 4),
            },
            clock=wall,
            rounds=options.rounds,
        )
        for orders in logs:
            orders.close()
    what = f"append at {large:,} events"
    beside = f"append at {small:,} events"
    return [
        found.row(what, beside, of="large", to="small", reach=1.3, at_most=True),
        found.row(f"{what}, cold orders", f"{what}, active orders", of="cold", to="large"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=100_000, step=1000)
