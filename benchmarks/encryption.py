"""What encryption costs: appends and views of an encrypted log beside those of a plain one, SQLite.

    python benchmarks/encryption.py

The keys lie in a file, where the key of a new order is durable before its first event is. A view
from its rows unwraps the order's key; a warm one asks the log besides whether it was erased. For a
list the key store is asked once a page.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, cpu, main, measure, new_file, wall
from workload import EVENTS_PER_ORDER, Callback, arrivals

from lifecycle import Orders, connect


def opened(path: str, *, encrypted: bool) -> Orders:
    """Open a log, and its key file beside it."""
    return connect(f"sqlite:///{path}", keys=f"file:{path}.keys" if encrypted else None)


def appending(callbacks: Sequence[Callback], size: int, *, encrypted: bool) -> Peer:
    """Record callbacks in a new log, so many in one commit."""

    def run(watch: Stopwatch) -> int:
        with new_file() as path, opened(path, encrypted=encrypted) as orders, watch.running():
            for batch in batches(callbacks, size):
                orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def looking(path: str, order_ids: Sequence[str], *, encrypted: bool, warm: bool) -> Peer:
    """Look at each order, for the first time or again."""

    def run(watch: Stopwatch) -> int:
        with opened(path, encrypted=encrypted) as orders:
            for order_id in order_ids if warm else ():
                orders.get(order_id)
            with watch.running():
                for order_id in order_ids:
                    orders.get(order_id)
        return len(order_ids)

    return run


def listing(path: str, *, encrypted: bool) -> Peer:
    """Look at all orders at once, for the first time."""

    def run(watch: Stopwatch) -> int:
        with opened(path, encrypted=encrypted) as orders, watch.running():
            return len(list(orders.find()))

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how many times as long appends and views take with encryption."""
    callbacks = list(arrivals(options.orders * EVENTS_PER_ORDER))
    few, kinds = callbacks[: len(callbacks) // 4], {"plain": False, "encrypted": True}
    order_ids = sorted({each.order_id for each in callbacks})
    appended = {
        f"{size} {name}": appending(some, size, encrypted=encrypted)
        for name, encrypted in kinds.items()
        for size, some in ((1, few), (BATCH, callbacks))
    }
    by_wall = measure(appended, clock=wall, rounds=options.rounds)
    with new_file() as path:
        files = {name: str(Path(path).with_name(f"{name}.db")) for name in kinds}
        for name, encrypted in kinds.items():
            with opened(files[name], encrypted=encrypted) as orders:
                orders.record_many([{"kind": "callback", "body": each.body} for each in callbacks])
        looked = {
            f"{how} {name}": looking(files[name], order_ids, encrypted=encrypted, warm=warm)
            for name, encrypted in kinds.items()
            for how, warm in (("cold", False), ("warm", True))
        }
        looked |= {f"list {n}": listing(files[n], encrypted=each) for n, each in kinds.items()}
        by_cpu = measure(looked, clock=cpu, rounds=options.rounds)
    busy, plain = by_wall.on_the_processor(), "a plain log"
    one, many = "append, encrypted, one at a time", f"append, encrypted, batches of {BATCH}"
    pairs = ((by_wall, plain), (busy, f"{plain}, CPU time"))
    return [
        *(found.row(one, to, of="1 encrypted", to="1 plain") for found, to in pairs),
        *(found.row(many, to, of=f"{BATCH} encrypted", to=f"{BATCH} plain") for found, to in pairs),
        by_cpu.row("view, encrypted, from its rows", plain, of="cold encrypted", to="cold plain"),
        by_cpu.row("view, encrypted, warm", plain, of="warm encrypted", to="warm plain"),
        by_cpu.row("list, encrypted, from its rows", plain, of="list encrypted", to="list plain"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, orders=300)
