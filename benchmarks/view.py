"""The view of one order on SQLite: from its rows, and warm but proved current. CPU time.

    python benchmarks/view.py

From its rows: every order is read for the first time, decoded and folded. Warm: its fold is
cached, and the log is asked for anything newer. Beside the obvious way's `repository.get`, and
the floor: the SELECT of the same rows and the parse of their content.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import obvious
from pairs import Peer, Row, Stopwatch, cpu, main, measure, new_file
from workload import EVENTS_PER_ORDER, Callback, arrivals

from lifecycle import connect
from lifecycle.core.event import stream_of
from lifecycle.core.strict_json import parse_again

_SELECT = "SELECT originator_version, state FROM stored_events WHERE originator_id = ?"


def filled(path: str, callbacks: Sequence[Callback]) -> None:
    """Record callbacks in a new log."""
    with connect(f"sqlite:///{path}") as orders:
        orders.record_many([{"kind": "callback", "body": each.body} for each in callbacks])


def filled_obviously(path: str, callbacks: Sequence[Callback]) -> None:
    """Record callbacks the obvious way."""
    orders = obvious.opened(path)
    for each in callbacks:
        orders.record(each.body)
    orders.close()


def from_rows(path: str, order_ids: Sequence[str]) -> Peer:
    """Look at each order for the first time."""

    def run(watch: Stopwatch) -> int:
        with connect(f"sqlite:///{path}") as orders, watch.running():
            for order_id in order_ids:
                orders.get(order_id)
        return len(order_ids)

    return run


def warm(path: str, order_ids: Sequence[str]) -> Peer:
    """Look at each order again."""

    def run(watch: Stopwatch) -> int:
        with connect(f"sqlite:///{path}") as orders:
            for order_id in order_ids:
                orders.get(order_id)
            with watch.running():
                for order_id in order_ids:
                    orders.get(order_id)
        return len(order_ids)

    return run


def selected(path: str, order_ids: Sequence[str]) -> Peer:
    """Read the rows of each order, and do nothing with them."""
    streams = [stream_of("instacart", order_id) for order_id in order_ids]

    def run(watch: Stopwatch) -> int:
        with closing(sqlite3.connect(path)) as driver, watch.running():
            for stream in streams:
                driver.execute(_SELECT, (stream,)).fetchall()
        return len(streams)

    return run


def parsed(path: str, order_ids: Sequence[str]) -> Peer:
    """Read the rows of each order, and parse what they hold."""
    streams = [stream_of("instacart", order_id) for order_id in order_ids]

    def run(watch: Stopwatch) -> int:
        with closing(sqlite3.connect(path)) as driver, watch.running():
            for stream in streams:
                for _, state in driver.execute(_SELECT, (stream,)).fetchall():
                    header, _, body = state.partition(b"\n")
                    parse_again(header)
                    parse_again(body)
        return len(streams)

    return run


def building(machines: int) -> Peer:
    """Build the obvious way's machine, which is most of its `get`."""

    def run(watch: Stopwatch) -> int:
        with watch.running():
            for _ in range(machines):
                obvious.machine()
        return machines

    return run


def gotten(path: str, order_ids: Sequence[str]) -> Peer:
    """Get each order from the obvious way's repository."""

    def run(watch: Stopwatch) -> int:
        orders = obvious.opened(path)
        with watch.running():
            for order_id in order_ids:
                _ = orders.order(order_id).status
        orders.close()
        return len(order_ids)

    return run


def rows(options: argparse.Namespace) -> list[Row]:
    """Return the two rows of looking at an order, each with its peers."""
    callbacks = list(arrivals(options.orders * EVENTS_PER_ORDER))
    order_ids = sorted({each.order_id for each in callbacks})
    few = order_ids[: max(1, len(order_ids) // 10)]
    with new_file() as path:
        ours, theirs = path, str(Path(path).with_name("obvious.db"))
        filled(ours, callbacks)
        filled_obviously(theirs, [each for each in callbacks if each.order_id in set(few)])
        found = measure(
            {
                "rows": from_rows(ours, order_ids),
                "warm": warm(ours, order_ids),
                "select": selected(ours, order_ids),
                "floor": parsed(ours, order_ids),
                "machine": building(len(few)),
                "obvious": gotten(theirs, few),
            },
            clock=cpu,
            rounds=options.rounds,
        )
    one, again = "view, from its rows", "view, warm and proved current"
    get = "the obvious way's get"
    return [
        found.row(one, get, of="obvious", to="rows", reach=25),
        found.row(one, "the floor: SELECT and parse of the rows", of="floor", to="rows"),
        found.row(again, get, of="obvious", to="warm", reach=200),
        found.row("the floor", get, of="obvious", to="floor"),
        found.row("the bare SELECT", get, of="obvious", to="select"),
        found.row("the building of its machine", get, of="machine", to="obvious"),
    ]


if __name__ == "__main__":
    main(__doc__, rows, orders=500)
