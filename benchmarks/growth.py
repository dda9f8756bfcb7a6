"""Cost per event as the log grows, on SQLite, in batches of 100. Wall time.

    python benchmarks/growth.py --events 1000000

Two logs grow by the same arrivals in turn: one starts at 10,000 events, the other at many.
Arrivals are shuffled among the active orders. Also measured: the bare insert, whose unique key
grows alike, and one more event for cold orders, which are in no cache of the log.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from random import Random
from typing import Final

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from raw import RawLog
from workload import EVENTS_PER_ORDER, SEED, Callback, arrivals, late

from lifecycle import Orders, connect

SMALL: Final = 10_000
_FILL: Final = 500

Record = Callable[[Sequence[Callback]], object]
"""Takes callbacks in one commit."""


class Growing:
    """A log, or a bare table, that begins at `size` arrivals and goes on from there."""

    def __init__(self, record: Record, size: int, further: int) -> None:
        self._record = record
        self._coming = arrivals(size + further)
        for start in range(0, size, _FILL):
            record(list(islice(self._coming, min(_FILL, size - start))))

    def by(self, events: int) -> Peer:
        """Take the next `events` arrivals."""

        def run(watch: Stopwatch) -> int:
            some = list(islice(self._coming, events))
            with watch.running():
                for batch in batches(some, BATCH):
                    self._record(batch)
            return len(some)

        return run


def recorder(orders: Orders) -> Record:
    """Return what records callbacks in a log."""

    def record(callbacks: Sequence[Callback]) -> object:
        return orders.record_many([{"kind": "callback", "body": each.body} for each in callbacks])

    return record


def cold(path: str, order_numbers: Iterator[int], events: int) -> Peer:
    """Record one more event of orders that were not touched since the log was opened."""

    def run(watch: Stopwatch) -> int:
        some = [late(number) for number in islice(order_numbers, events)]
        with connect(f"sqlite:///{path}") as orders, watch.running():
            for batch in batches(some, BATCH):
                recorder(orders)(batch)
        return len(some)

    return run


def copied(path: str, other: str) -> str:
    """Copy a log to `other`: two writers on one file would measure each other."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(other)) as target:
        source.backup(target)
    return other


def shuffled(orders: int) -> Iterator[int]:
    """Yield the numbers of all orders, each once, in a drawn order."""
    numbers = list(range(orders))
    Random(SEED).shuffle(numbers)
    yield from numbers


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how cost per event compares between a small log and a large one."""
    large, step = options.events, options.step
    sizes = {"small": min(SMALL, large), "large": large}
    peers: dict[str, Peer] = {}
    with ExitStack() as opened:
        for name, size in sizes.items():
            path, other = (opened.enter_context(new_file()) for _ in range(2))
            orders = opened.enter_context(connect(f"sqlite:///{path}"))
            bare = opened.enter_context(closing(RawLog(other)))
            further = step * (options.rounds + 2)
            peers[name] = Growing(recorder(orders), size, further).by(step)
            peers[f"bare {name}"] = Growing(bare.insert, size, further).by(step)
        # Of the large log, which is made last; the small one has too few orders.
        apart = copied(path, opened.enter_context(new_file()))
        peers["cold"] = cold(apart, shuffled(large // EVENTS_PER_ORDER), step // 4)
        found = measure(peers, clock=wall, rounds=options.rounds)
    busy = found.on_the_processor()
    many, few = f"at {large:,} events", f"at {sizes['small']:,} events"
    return [
        found.row(f"append {many}", few, of="large", to="small", reach=1.3, at_most=True),
        busy.row(f"append {many}", f"{few}, CPU time", of="large", to="small"),
        found.row(f"bare insert {many}", few, of="bare large", to="bare small"),
        busy.row(f"bare insert {many}", f"{few}, CPU time", of="bare large", to="bare small"),
        found.row(f"append {many}, cold orders", "active orders", of="cold", to="large"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=100_000, step=1000)
