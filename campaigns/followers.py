"""Followers: stored views equal folded ones, whoever is killed while they are written.

Processes record, follow and rebuild on one log at once, and each is killed at a random
moment: before its commit, after it, or while it waits for another. After every three, one
process catches up; every stored view is compared with a fold of its order, and the position
with the end of the log. The control moves the position in a separate transaction before the
views, so that a kill in between leaves stale views.

    python -m campaigns.followers --kills 2000 --postgres-kills 500
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final

from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from campaigns.workload import callback
from lifecycle.composition import connect
from lifecycle.errors import NoViewsError
from lifecycle.log.stores.sqlite import log as sqlite
from lifecycle.log.stores.sqlite.views import SQLiteViews
from lifecycle.log.view_store import Batch, Generation
from lifecycle.projections import projector as following
from lifecycle.projections import stored_views
from lifecycle.service.orders import Orders
from tests.faults.children import Child
from tests.postgres_server import server_if_any

BATCH: Final = 12
LONGEST_LIFE: Final = 0.12
PREEMPTED: Final = 0.005
"""For how long the control is kept off its processor, where that can do harm."""

ORDERS: Final = 300
POOL: Final = 6000
BAD: Final = ("old views", "missing views", "strangers", "wrong positions")

Open = Callable[[str], Orders]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "kills": (600, "how many processes are killed on SQLite"),
            "postgres-kills": (120, "how many on PostgreSQL"),
            "control-kills": (120, "how many of the control"),
        },
    )
    options = campaign.parse(arguments)
    for module in (following, stored_views):
        vars(module)["RECORDS_AT_ONCE"] = 20
    vars(following)["ORDERS_AT_ONCE"] = 10
    gc.freeze()
    subject = Figures(*BAD)
    with scratch() as folder:
        for batch in range(0, options.kills, BATCH):
            url = f"sqlite:///{folder}/{batch}.db"
            kill(url, connect, f"{options.seed} {batch}", subject, campaign)
    if options.postgres_kills:
        kill_on_postgres(options.postgres_kills, options.seed, subject, campaign)
    control = Figures(*BAD)
    with scratch() as folder:
        for batch in range(0, options.control_kills, BATCH):
            url = f"sqlite:///{folder}/{batch}.db"
            kill(url, connect_hastily, f"{options.seed} {batch}", control, campaign)
    return campaign.verdict("followers", subject, {"moves its position first": control})


def kill_on_postgres(kills: int, seed: int, figures: Figures, campaign: Campaign) -> None:
    """Kill so many processes on a server, if one can be started."""
    with server_if_any() as server:
        if server is None:
            return
        url = server.new_url()
        for batch in range(0, kills, BATCH):
            kill(url, connect, f"{seed} postgres {batch}", figures, campaign)


def kill(url: str, opened: Open, seed: str, figures: Figures, campaign: Campaign) -> None:
    """Kill a batch of processes, three at a time, and look at what they left."""
    with connect(url) as orders:
        orders.record_many(_lines(Random(f"{seed} first"), 40))
        orders.views.rebuild()
    for number in range(0, BATCH, 3):
        lives = (record, follow, rebuild if Random(f"{seed} {number}").random() < 0.3 else follow)
        children = [
            Child(partial(live, url, opened, f"{seed} {number + place}"))
            for place, live in enumerate(lives)
        ]
        for child in children:
            child.first_bytes()
        for place, child in enumerate(children[::-1]):
            time.sleep(Random(f"{seed} {number + place} end").uniform(0, LONGEST_LIFE / 3))
            child.kill()
            code, written = child.collect()
            if code != -9:
                raise RuntimeError(f"a process ended by itself: {written.decode()[-2000:]}")
            figures.count("kills")
        with connect(url) as orders:
            hold(orders, figures, f"{seed} {number}")
    campaign.tell(figures)


def record(url: str, opened: Open, seed: str, pipe: int) -> None:
    """Record for ever."""
    random = Random(seed)
    with opened(url) as orders:
        orders.record_many(_lines(random, 10))
        os.write(pipe, b".")
        while True:
            orders.record_many(_lines(random, random.randrange(1, 30)))


def follow(url: str, opened: Open, seed: str, pipe: int) -> None:
    """Follow for ever."""
    with opened(url) as orders:
        os.write(pipe, f"{seed}\n".encode())
        while True:
            orders.views.catch_up()


def rebuild(url: str, opened: Open, seed: str, pipe: int) -> None:
    """Rebuild for ever."""
    with opened(url) as orders:
        os.write(pipe, f"{seed}\n".encode())
        while True:
            orders.views.rebuild()


def hold(orders: Orders, figures: Figures, where: str) -> None:
    """Hold what is stored against folding, after somebody caught up."""
    try:
        orders.views.catch_up()
    except NoViewsError:
        figures.find("missing views", f"{where}: no generation is live")
        return
    live = orders.views.status().live
    store = orders.log.views
    if live is None or store is None:
        raise RuntimeError("the views that were just there are gone")
    if live.position != orders.log.last_position():
        figures.find("wrong positions", f"{where}: {live.position}")
    stored = {view.order_id: view.digest for view in store.between(live, "", None)}
    prefix = f"order:{orders.provider.name}:"
    for stream in orders.log.streams(prefix=prefix):
        order_id = stream.removeprefix(prefix)
        digest = stored.pop(order_id, None)
        figures.count("views held")
        if digest is None:
            figures.find("missing views", f"{where}: {order_id}")
        elif digest != orders.get(order_id).digest:
            figures.find("old views", f"{where}: {order_id}")
    figures.find("strangers", f"{where}: {list(stored)[:1]}", len(stored))


class HastyViews(SQLiteViews):
    """Broken on purpose: the position is written first, in a transaction of its own."""

    def write(self, generation: Generation, batch: Batch) -> bool:
        """Move the position, then write the views."""
        if batch.position is None:
            return super().write(generation, batch)
        if not super().write(generation, Batch(position=batch.position)):
            return False
        time.sleep(PREEMPTED)
        moved = generation._replace(position=batch.position)
        return super().write(moved, batch._replace(position=None))


def connect_hastily(url: str) -> Orders:
    """Return orders on the broken store of views."""
    sqlite.SQLiteViews = HastyViews  # type: ignore[misc]
    return connect(url)


def _lines(random: Random, count: int) -> list[dict[str, object]]:
    return [
        {"kind": "callback", "body_text": callback(random.randrange(POOL), orders=ORDERS).decode()}
        for _ in range(count)
    ]


if __name__ == "__main__":
    sys.exit(main())
