"""Durable appends on SQLite (`synchronous=FULL`), from raw bytes to the receipt. Wall time.

    python benchmarks/append_sqlite.py

One at a time, in batches of 100, and from 100 asyncio callers; beside the bare insert, the
raw limit (bare insert plus the same strict parse), the floor under any log with these
promises, and the obvious way.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Final

import obvious
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from raw import Floor, RawLog, stored
from workload import Callback, arrivals

from lifecycle import connect, connect_async
from lifecycle.log.stores.sqlite.files import SETTLED_NANOSECONDS

BATCH: Final = 100
MANY: Final = 500
CALLERS: Final = 100

Callbacks = Sequence[Callback]


def batches(callbacks: Callbacks, size: int) -> Iterator[Callbacks]:
    """Yield callbacks in batches, in their order."""
    for start in range(0, len(callbacks), size):
        yield callbacks[start : start + size]


def settling(callbacks: Callbacks) -> float:
    """Return how many seconds to wait, so that a log looks at no more names than in a service.

    It does for a while after it was made. For a few callbacks nobody waits.
    """
    return SETTLED_NANOSECONDS / 1e9 + 0.1 if len(callbacks) >= MANY else 0.0


def one_at_a_time(callbacks: Callbacks) -> Peer:
    """Record each callback by itself."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, connect(f"sqlite:///{path}") as orders:
            time.sleep(settling(callbacks))
            with watch.running():
                for callback in callbacks:
                    orders.record_callback(callback.body)
        return len(callbacks)

    return run


def in_batches(callbacks: Callbacks) -> Peer:
    """Record a hundred callbacks in one commit."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, connect(f"sqlite:///{path}") as orders:
            time.sleep(settling(callbacks))
            with watch.running():
                for batch in batches(callbacks, BATCH):
                    orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def from_callers(callbacks: Callbacks) -> Peer:
    """Record from a hundred tasks, each with one callback at a time."""

    async def record(watch: Stopwatch) -> None:
        waiting = iter(callbacks)

        async def call() -> None:
            for callback in waiting:
                await orders.record_callback(callback.body)

        with new_file() as path:
            async with connect_async(f"sqlite:///{path}") as orders:
                await asyncio.sleep(settling(callbacks))
                with watch.running():
                    await asyncio.gather(*(call() for _ in range(CALLERS)))

    def run(watch: Stopwatch) -> int:
        asyncio.run(record(watch))
        return len(callbacks)

    return run


def raw(callbacks: Callbacks, size: int, insert: Callable[[RawLog, Callbacks], None]) -> Peer:
    """Insert `size` callbacks in one transaction, the raw way."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, closing(RawLog(path)) as log, watch.running():
            for batch in batches(callbacks, size):
                insert(log, batch)
        return len(callbacks)

    return run


def floor(callbacks: Callbacks) -> Peer:
    """Do what cannot be left out, a hundred callbacks in one transaction."""
    made = stored(batches(callbacks, BATCH))

    def run(watch: Stopwatch) -> int:
        with new_file() as path, closing(Floor(path)) as log, watch.running():
            for batch, records in made:
                log.record(batch, records)
        return len(callbacks)

    return run


def obvious_way(callbacks: Callbacks) -> Peer:
    """Record each callback through its aggregate."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, closing(obvious.opened(path)) as orders, watch.running():
            for callback in callbacks:
                orders.record(callback.body)
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the rows of appending, each with its peers."""
    callbacks = list(arrivals(options.events))
    few = callbacks[: max(1, options.events // 10)]
    insert, parse_and_insert = RawLog.insert, RawLog.parse_and_insert
    singly = measure(
        {"ours": one_at_a_time(few), "bare": raw(few, 1, insert)},
        clock=wall,
        rounds=options.rounds,
    )
    grouped = measure(
        {
            "batches": in_batches(callbacks),
            "callers": from_callers(callbacks),
            "bare": raw(callbacks, BATCH, insert),
            "raw": raw(callbacks, BATCH, parse_and_insert),
            "floor": floor(callbacks),
            "obvious": obvious_way(few),
        },
        clock=wall,
        rounds=options.rounds,
    )
    one, many = "append, one at a time", "append, batches of 100"
    tasks = "append, 100 asyncio callers"
    limit = "raw, 100 a transaction"
    busy = grouped.on_the_processor()
    return [
        singly.row(one, "bare insert, one transaction each", of="bare", to="ours", reach=0.65),
        grouped.row(many, limit, of="raw", to="batches", reach=0.45),
        busy.row(many, f"{limit}, CPU time", of="raw", to="batches"),
        grouped.row(many, "bare insert, 100 a transaction", of="bare", to="batches"),
        grouped.row(many, "the floor, 100 a transaction", of="floor", to="batches"),
        grouped.row(many, "the obvious way", of="obvious", to="batches", reach=70),
        grouped.row(tasks, limit, of="raw", to="callers", reach=0.35),
        busy.row(tasks, f"{limit}, CPU time", of="raw", to="callers"),
        grouped.row(tasks, "the obvious way", of="obvious", to="callers", reach=55),
        grouped.row("the floor", limit, of="raw", to="floor"),
        busy.row("the floor", f"{limit}, CPU time", of="raw", to="floor"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=8000)
