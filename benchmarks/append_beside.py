"""What an append pays for being provable: the log's own time in every record, and followers.

    python benchmarks/append_beside.py

A process beside follows the Merkle tree and signs a checkpoint five times a second; in the last
rows it keeps a subscription instead, which writes each delivery into the same file. By the
appending process's CPU time, and by the wall. Without: no time in the records, nobody beside.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from append_sqlite import BATCH, batches
from pairs import Peer, Row, Stopwatch, main, measure, new_file, wall
from workload import Callback, arrivals

from lifecycle import connect
from lifecycle.audit.checkpoint import take
from lifecycle.audit.note import PrivateKey
from lifecycle.log import writer

PAUSE: Final = 0.2
KEY: Final = PrivateKey("benchmark", bytes(32))

_spawn: Final = multiprocessing.get_context("spawn")

Follow = Callable[[str, Any, Any], None]


def seal_without_time(append: Any, previous: str | None, after: bytes | None, _: str) -> str:
    """Encode an entry as the log does, but for the time at which it is recorded."""
    chained = "" if previous is None else f',"previous":"{previous}"'
    placed = f',"version":{append.place.version}{chained}'
    linked = b"" if after is None else b',"after":%b' % after
    checked = b"%b%b%b" % (append.opening, placed.encode("ascii"), linked)
    header = b'%b,"check":"%08x"}' % (checked, crc32(checked))
    append.state = b"%b\n%b%b" % (header, append.body, append.context or b"")
    return sha256(header).hexdigest()


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


@contextmanager
def without_time() -> Iterator[None]:
    """Leave the time out of what is recorded meanwhile."""
    sealed, writer.seal = writer.seal, seal_without_time
    yield
    writer.seal = sealed


def appending(callbacks: Sequence[Callback], *followers: Follow, timed: bool = True) -> Peer:
    """Record a hundred callbacks in one commit, while others follow."""

    def run(watch: Stopwatch) -> int:
        with ExitStack() as stack:
            url = f"sqlite:///{stack.enter_context(new_file())}"
            orders = stack.enter_context(connect(url))
            for follow in followers:
                stack.enter_context(beside(url, follow))
            if not timed:
                stack.enter_context(without_time())
            with watch.running():
                for batch in batches(callbacks, BATCH):
                    orders.record_many([{"kind": "callback", "body": each.body} for each in batch])
        return len(callbacks)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how many times as long an append takes with all of it on."""
    callbacks = list(arrivals(options.events))
    found = measure(
        {
            "without": appending(callbacks, timed=False),
            "timed": appending(callbacks),
            "signed": appending(callbacks, sign),
            "delivered": appending(callbacks, deliver),
        },
        clock=wall,
        rounds=options.rounds,
    )
    busy = found.on_the_processor()
    what, bare = "provable append, batches of 100", "the same without"
    by_cpu = f"{bare}, CPU time"
    signed, delivered = f"{what}, checkpoints beside", f"{what}, a subscription beside"
    return [
        busy.row(f"{what}, its time alone", by_cpu, of="timed", to="without"),
        busy.row(signed, by_cpu, of="signed", to="without", reach=1.1, at_most=True),
        found.row(signed, bare, of="signed", to="without", reach=1.1, at_most=True),
        busy.row(delivered, by_cpu, of="delivered", to="without"),
        found.row(delivered, bare, of="delivered", to="without"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, events=5_000)
