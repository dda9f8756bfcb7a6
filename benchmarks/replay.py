"""Replay of a whole log from its raw bytes, compared with the stored views.

    python benchmarks/replay.py

As `lifecycle replay`: it checks every header with its chain and every body with its hash,
recognizes every event anew and compares it with its header, folds every order and compares it
with its stored view. On one core, in CPU time, with the log in memory; beside the strict parse
of the same bytes, which is the floor under any replay with these promises, and the obvious
way's `get` of every order. On two cores, in wall time, on SQLite; beside two processes that
each replay the whole log, which is long enough that their start does not matter.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context

from pairs import Measured, Peer, Row, Stopwatch, cpu, main, measure, new_file, wall
from raw import vouch_for_body
from view import filled_obviously, gotten
from workload import EVENTS_PER_ORDER, Callback, arrivals

from lifecycle import Orders, connect
from lifecycle.audit.replay import Replay, Source, replay, replay_in_processes
from lifecycle.composition import open_log
from lifecycle.core.strict_json import parse, parse_again
from lifecycle.log.codec import hash_of, split
from lifecycle.log.contract import CONTROL, Log, Record
from lifecycle.registry import known_providers


@contextmanager
def filled(url: str, callbacks: Sequence[Callback]) -> Iterator[Orders]:
    """Yield a log of callbacks, with its views."""
    with connect(url) as orders:
        orders.record_many([{"kind": "callback", "body": each.body} for each in callbacks])
        orders.views.rebuild()
        yield orders


def sound(found: Replay) -> int:
    """Return how many records were replayed; nothing may be other than it was written."""
    if not found.ok or not found.compared:
        raise SystemExit(f"replay found {found.found} differences")
    return found.records


def with_bodies(log: Log) -> list[Record]:
    """Return all records but those about the log itself, which have no bodies."""
    return [record for record in log.scan() if record.stream != CONTROL]


def replaying(log: Log) -> Peer:
    """Replay the whole log, an order after the other."""

    def run(watch: Stopwatch) -> int:
        with watch.running():
            return sound(replay(log, known_providers()))

    return run


def parsing(log: Log) -> Peer:
    """Parse every header and every body."""
    texts = [text for record in with_bodies(log) for text in split(record)]

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for text in texts:
                parse(text)
        return len(texts) // 2

    return run


def floor(log: Log) -> Peer:
    """Do what cannot be left out: parse, digest and hash; nothing is folded or compared."""
    records = with_bodies(log)

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for record in records:
                header, body = split(record)
                parse_again(header)
                vouch_for_body(body)
                hash_of(header)
        return len(records)

    return run


def together(url: str) -> Peer:
    """Replay the log once, by two processes."""
    source = Source(partial(open_log, url, create=False), known_providers)

    def run(watch: Stopwatch) -> int:
        with closing(source.open_log()) as log, watch.running():
            return sound(replay_in_processes(log, source, 2))

    return run


def apart(url: str) -> Peer:
    """Replay the log twice, by two processes that know nothing of each other."""

    def run(watch: Stopwatch) -> int:
        with watch.running(), get_context("spawn").Pool(2) as pool:
            return sum(pool.map(replayed_alone, [url, url], chunksize=1))

    return run


def replayed_alone(url: str) -> int:
    """Replay a log in this process."""
    with closing(open_log(url, create=False)) as log:
        return sound(replay(log, known_providers()))


def rows(options: argparse.Namespace) -> list[Row]:
    """Return how replaying compares with parsing, with the obvious way, and with itself."""
    what, parts = "replay, compared with stored views", "replay by two processes"
    found = alone(options.orders, options.rounds)
    with new_file() as path:
        url = f"sqlite:///{path}"
        with filled(url, list(arrivals(options.shared * EVENTS_PER_ORDER))):
            pass
        shared = measure(
            {"together": together(url), "apart": apart(url)},
            clock=wall,
            rounds=min(5, options.rounds),
        )
    return [
        found.row(what, "strict parse of the same bytes", of="parse", to="replay", reach=0.45),
        found.row(what, "the floor", of="floor", to="replay"),
        found.row(what, "the obvious way, all orders", of="obvious", to="replay", reach=9),
        shared.row(parts, "two that replay all of it", of="apart", to="together", reach=0.85),
    ]


def alone(orders: int, rounds: int) -> Measured:
    """Measure one core."""
    callbacks = list(arrivals(orders * EVENTS_PER_ORDER))
    order_ids = sorted({each.order_id for each in callbacks})
    few = order_ids[: max(1, len(order_ids) // 10)]
    with new_file() as path, filled("memory:", callbacks) as filled_orders:
        filled_obviously(path, [each for each in callbacks if each.order_id in set(few)])
        get = gotten(path, few)
        return measure(
            {
                "replay": replaying(filled_orders.log),
                "parse": parsing(filled_orders.log),
                "floor": floor(filled_orders.log),
                "obvious": lambda watch: get(watch) * EVENTS_PER_ORDER,
            },
            clock=cpu,
            rounds=rounds,
        )


if __name__ == "__main__":
    main(__doc__, rows, orders=500, shared=12000)
