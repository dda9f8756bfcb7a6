"""Append on SQLite, durable (`synchronous=FULL`): from raw bytes to the receipt, wall time.

    python benchmarks/append_sqlite.py

One at a time, in batches of 100, and from 100 asyncio callers; beside the bare insert, the
raw limit (bare insert plus the same strict parse) and the obvious way.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import obvious
from lifecycle import connect, connect_async
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from raw import RawLog
from workload import Callback, arrivals

BATCH: Final = 100
CALLERS: Final = 100


def batches(callbacks: Sequence[Callback], size: int) -> Iterator[Sequence[Callback]]:
    """Yield callbacks in batches, in their order."""
    for start in range(0, len(callbacks), size):
        yield callbacks[start : start + size]


def one_at_a_time(callbacks: Sequence[Callback]) -> Peer:
    """Record each callback by itself."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, connect(f"sqlite:///{path}") as orders, watch.running():
            for callback in callbacks:
                orders.record_callback(callback.body)
        return len(callbacks)

    return run


def in_batches(callbacks: Sequence[Callback]) -> Peer:
    """Record a hundred callbacks in one commit."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, connect(f"sqlite:///{path}") as orders, watch.running():
            for batch in batches(callbacks, BATCH):
                orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def from_callers(callbacks: Sequence[Callback]) -> Peer:
    """Record from a hundred tasks, each with one callback at a time."""

    async def record(watch: Stopwatch) -> None:
        waiting = iter(callbacks)

        async def call() -> None:
            for callback in waiting:
                await orders.record_callback(callback.body)

        with new_file() as path:
            async with connect_async(f"sqlite:///{path}") as orders:
                with watch.running():
                    await asyncio.gather(*(call() for _ in range(CALLERS)))

    def run(watch: Stopwatch) -> int:
        asyncio.run(record(watch))
        return len(callbacks)

    return run


def bare(callbacks: Sequence[Callback], size: int) -> Peer:
    """Insert `size` bodies in one transaction."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path:
            log = RawLog(path)
            with watch.running():
                for batch in batches(callbacks, size):
                    log.insert(batch)
            log.close()
        return len(callbacks)

    return run


def raw(callbacks: Sequence[Callback], size: int) -> Peer:
    """Parse and insert `size` bodies in one transaction."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path:
            log = RawLog(path)
            with watch.running():
                for batch in batches(callbacks, size):
                    log.parse_and_insert(batch)
            log.close()
        return len(callbacks)

    return run


def obvious_way(callbacks: Sequence[Callback]) -> Peer:
    """Record each callback through its aggregate."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path:
            orders = obvious.opened(path)
            with watch.running():
                for callback in callbacks:
                    orders.record(callback.body)
            orders.close()
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the three rows of appending, each with its peers."""
    callbacks = list(arrivals(options.events))
    few = callbacks[: max(1, options.events // 10)]
    singly = measure(
        {"ours": one_at_a_time(few), "bare": bare(few, 1)}, clock=wall, rounds=options.rounds
    )
    grouped = measure(
        {
            "batches": in_batches(callbacks),
            "callers": from_callers(callbacks),
            "bare": bare(callbacks, BATCH),
            "raw": raw(callbacks, BATCH),
            "obvious": obvious_way(few),
        },
        clock=wall,
        rounds=options.rounds,
    )
    one, many = "append, one at a time", "append, batches of 100"
    tasks = "append, 100 asyncio callers"
    return [
        singly.row(one, "bare insert, one transaction each", of="bare", to="ours", reach=0.65),
        grouped.row(many, "raw, 100 a transaction", of="raw", to="batches", reach=0.6),
        grouped.row(many, "bare insert, 100 a transaction", of="bare", to="batches"),
        grouped.row(many, "the obvious way", of="obvious", to="batches", reach=40),
        grouped.row(tasks, "raw, 100 a transaction", of="raw", to="callers", reach=0.45),
        grouped.row(tasks, "bare insert, 100 a transaction", of="bare", to="callers"),
        grouped.row(tasks, "the obvious way", of="obvious", to="callers", reach=30),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=8000)
