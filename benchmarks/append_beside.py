"""What an append pays for followers beside it: checkpoints, and a subscription.

    python benchmarks/append_beside.py

A process beside follows the Merkle tree and signs a checkpoint five times a second; in the last
rows it keeps a subscription instead, which writes each delivery into the same file. By the
appending process's CPU time, and by the wall.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from workload import Callback, arrivals

from lifecycle import connect
from lifecycle.audit.checkpoint import take
from lifecycle.audit.note import PrivateKey

PAUSE: Final = 0.2
KEY: Final = PrivateKey("benchmark", bytes(32))

_spawn: Final = multiprocessing.get_context("spawn")

Follow = Callable[[str, Any, Any], None]


def sign(url: str, ready: Any, stop: Any) -> None:
    """Follow the tree and sign checkpoints, until told to stop."""
    with connect(url) as orders:
        take(orders.log, KEY, lambda: datetime.now(UTC))
        ready.set()
        while not stop.wait(PAUSE):
            take(orders.log, KEY, lambda: datetime.now(UTC))


def deliver(url: str, ready: Any, stop: Any) -> None:
    """Keep a subscription, until told to stop."""
    with connect(url) as orders:
        subscription = orders.subscription("beside", lambda _: None)
        subscription.catch_up()
        ready.set()
        while not stop.wait(PAUSE):
            subscription.catch_up()


@contextmanager
def beside(url: str, follow: Follow) -> Iterator[None]:
    """Have a process follow the log meanwhile."""
    ready, stop = _spawn.Event(), _spawn.Event()
    process = _spawn.Process(target=follow, args=(url, ready, stop), daemon=True)
    process.start()
    ready.wait()
    yield
    stop.set()
    process.join()


def appending(callbacks: Sequence[Callback], *followers: Follow) -> Peer:
    """Record a hundred callbacks in one commit, while others follow."""

    def run(watch: Stopwatch) -> int:
        with ExitStack() as stack:
            url = f"sqlite:///{stack.enter_context(new_file())}"
            orders = stack.enter_context(connect(url))
            for follow in followers:
                stack.enter_context(beside(url, follow))
            with watch.running():
                for batch in batches(callbacks, BATCH):
                    orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how many times as long an append takes with followers beside it."""
    callbacks = list(arrivals(options.events))
    found = measure(
        {
            "alone": appending(callbacks),
            "signed": appending(callbacks, sign),
            "delivered": appending(callbacks, deliver),
        },
        clock=wall,
        rounds=options.rounds,
    )
    busy = found.on_the_processor()
    what, bare = "append, batches of 100", "nobody beside"
    by_cpu = f"{bare}, CPU time"
    signed, delivered = f"{what}, checkpoints beside", f"{what}, a subscription beside"
    return [
        busy.row(signed, by_cpu, of="signed", to="alone", reach=1.1, at_most=True),
        found.row(signed, bare, of="signed", to="alone", reach=1.1, at_most=True),
        busy.row(delivered, by_cpu, of="delivered", to="alone"),
        found.row(delivered, bare, of="delivered", to="alone"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=5_000)
