"""Races: many processes with many threads on one log; every event is stored once.

Three of the processes send each event, through `Orders`; all of them begin requests for the
same orders, which race for attempt numbers. Nobody may see an error, versions have no gaps,
and every view equals that of the same events without a race. The control is a table without
the unique key.

    python -m campaigns.races --rounds 10
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from random import Random
from typing import Final, NamedTuple

from campaigns.record_audit import BAD, audit, streams_with_gaps
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from campaigns.workload import callback, label
from lifecycle.composition import connect
from lifecycle.log.contract import Outcome
from lifecycle.service.orders import Orders
from tests.faults.children import Child
from tests.faults.test_races import WITHOUT_UNIQUE_KEY
from tests.postgres_server import server_if_any

BAD_HERE: Final = (*BAD, "errors", "wrong answers", "gaps", "wrong attempts", "other views")
COPIES: Final = 3
ORDERS: Final = 100
BEGUN: Final = 10


class Size(NamedTuple):
    """How large a race is."""

    processes: int
    threads: int
    events: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "rounds": (5, "how many races"),
            "processes": (8, "how many processes"),
            "threads": (16, "how many threads each"),
            "events": (2000, "how many events, each sent by three processes"),
        },
    )
    options = campaign.parse(arguments)
    size = Size(options.processes, options.threads, options.events)
    figures, control = Figures(*BAD_HERE), Figures(*BAD_HERE)
    with scratch() as folder, server_if_any() as server:
        for number in range(options.rounds):
            urls = [f"sqlite:///{folder}/{number}.db"]
            urls += [] if server is None else [server.new_url()]
            for url in urls:
                race(url, size, Random(f"{options.seed} {number}"), figures)
                figures.count(f"races on {url.partition(':')[0]}")
                campaign.tell(figures)
        path = folder / "control.db"
        with closing(sqlite3.connect(path)) as raw:
            raw.execute(WITHOUT_UNIQUE_KEY)
        race(f"sqlite:///{path}", size._replace(events=400), Random(options.seed), control)
    return campaign.verdict("races", figures, {"no unique key": control})


def race(url: str, size: Size, random: Random, figures: Figures) -> None:
    """Let the processes record, and look at what they left."""
    shares: list[list[int]] = [[] for _ in range(size.processes)]
    copies = min(COPIES, size.processes)
    for number in range(size.events):
        for share in random.sample(shares, copies):
            share.append(number)
    for share in shares:
        random.shuffle(share)
    children = [
        Child(partial(send, url, name, size.threads, share)) for name, share in enumerate(shares)
    ]
    told: Counter[str] = Counter()
    for child in children:
        code, written = child.collect(600)
        if code:
            figures.find("errors", written.decode()[-300:])
        else:
            told.update(json.loads(written))
    wanted = {Outcome.APPENDED: size.events, Outcome.DUPLICATE: size.events * (copies - 1)}
    if told != wanted:
        figures.find("wrong answers", f"{dict(told)}, expected {wanted}")
    figures.count("events", size.events)
    with closing(connect(url, create=False)) as orders:
        inspect(orders, size, figures)


def send(url: str, name: int, threads: int, share: Sequence[int], pipe: int) -> None:
    """Record a share of the events, begin requests besides, and tell the outcomes."""

    def record(number: int) -> Outcome:
        if number % 25 == name:
            order_id = f"begun-{number % BEGUN}"
            orders.begin_request(order_id, {"order_id": order_id, "notes": f"from {name}"})
        return orders.record_callback(callback(number, orders=ORDERS)).outcome

    with (
        closing(connect(url)) as orders,
        ThreadPoolExecutor(threads) as pool,
    ):
        told = Counter(pool.map(record, share))
    os.write(pipe, json.dumps(told).encode())


def inspect(orders: Orders, size: Size, figures: Figures) -> None:
    """Look at what the race left in the log."""
    with connect("memory:") as peace:
        bodies = [callback(number, orders=ORDERS) for number in range(size.events)]
        sent = [label(peace.record_callback(body).event) for body in bodies]
        views = {view.order_id: view.digest for view in peace.find()}
    audit(orders.log, sent, figures, "after the race")
    figures.find("gaps", "versions have gaps", streams_with_gaps(orders.log))
    figures.find("wrong attempts", "attempts are not 1, 2, 3, ...", wrong_attempts(orders))
    found = {v.order_id: v.digest for v in orders.find() if not _is_begun(v.order_id)}
    differ = sum(views[order_id] != found.get(order_id) for order_id in views)
    figures.find("other views", "a view is not the one that peace gives", differ)
    figures.count("records", sum(1 for _ in orders.log.scan()))


def wrong_attempts(orders: Orders) -> int:
    """Return for how many orders the requests are not numbered 1, 2, 3, ..."""
    histories = [orders.history(v.order_id) for v in orders.find() if _is_begun(v.order_id)]
    return sum(
        [entry.key for entry in history] != [f"request:{n + 1}" for n in range(len(history))]
        for history in histories
    )


def _is_begun(order_id: str) -> bool:
    return order_id.startswith("begun-")


if __name__ == "__main__":
    sys.exit(main())
