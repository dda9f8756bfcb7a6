"""What an append pays for checkpoints that another process signs meanwhile.

    python benchmarks/append_beside.py

The process beside follows the Merkle tree and signs a checkpoint five times a second, 300 times
as often as once a minute. By the appending process's CPU time, and by the wall.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from workload import Callback, arrivals

from lifecycle import connect
from lifecycle.audit.checkpoint import take
from lifecycle.audit.signed_note import PrivateKey

PAUSE: Final = 0.2
KEY: Final = PrivateKey("benchmark", bytes(32))

_spawn: Final = multiprocessing.get_context("spawn")


def sign(url: str, ready: Any, stop: Any) -> None:
    """Follow the tree and sign checkpoints, until told to stop."""
    with connect(url) as orders:
        take(orders.log, KEY, lambda: datetime.now(UTC))
        ready.set()
        while not stop.wait(PAUSE):
            take(orders.log, KEY, lambda: datetime.now(UTC))


@contextmanager
def beside(url: str) -> Iterator[None]:
    """Have a process sign checkpoints meanwhile."""
    ready, stop = _spawn.Event(), _spawn.Event()
    process = _spawn.Process(target=sign, args=(url, ready, stop), daemon=True)
    process.start()
    ready.wait()
    yield
    stop.set()
    process.join()


def appending(callbacks: Sequence[Callback], *, signed: bool) -> Peer:
    """Record a hundred callbacks in one commit, while another process signs."""

    def run(watch: Stopwatch) -> int:
        with ExitStack() as stack:
            url = f"sqlite:///{stack.enter_context(new_file())}"
            orders = stack.enter_context(connect(url))
            if signed:
                stack.enter_context(beside(url))
            with watch.running():
                for batch in batches(callbacks, BATCH):
                    orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how many times as long an append takes while checkpoints are signed."""
    callbacks = list(arrivals(options.events))
    found = measure(
        {
            "alone": appending(callbacks, signed=False),
            "signed": appending(callbacks, signed=True),
        },
        clock=wall,
        rounds=options.rounds,
    )
    busy = found.on_the_processor()
    what, bare = "append, batches of 100", "nobody beside"
    by_cpu = f"{bare}, CPU time"
    signed = f"{what}, checkpoints beside"
    return [
        busy.row(signed, by_cpu, of="signed", to="alone", reach=1.1, at_most=True),
        found.row(signed, bare, of="signed", to="alone"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=5_000)
