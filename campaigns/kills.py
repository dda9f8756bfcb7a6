"""Kills: acknowledged events are stored exactly once after `kill -9`.

Two processes at a time record into one file, through `Orders` from one thread or two, or
through `AsyncOrders` from twenty tasks. Each acknowledgement goes through a pipe, and each
process is killed at a random moment: while it opens the log, commits, or copies the
write-ahead file back. After every batch the log is compared with the acknowledgements. The
control is a store that answers before it commits. For power cuts, which a kill does not
simulate, see `power_cuts`.

    python -m campaigns.kills --kills 10000
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from campaigns.record_audit import BAD, audit
from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from campaigns.workload import Acknowledge, callback, label, record_one
from lifecycle.composition import connect, connect_async
from lifecycle.core.event import Entry
from lifecycle.log.contract import QUARANTINE, Append
from lifecycle.log.stores.sqlite import log as sqlite
from lifecycle.log.stores.sqlite.connection import SETTINGS
from lifecycle.service.orders import Orders
from tests.faults.children import Child

PROCESSES: Final = 2
TASKS: Final = 20
POOL: Final = 20_000
BATCH: Final = 200
LONGEST_LIFE: Final = 0.06
CHECKPOINT_PAGES: Final = 40

Open = Callable[[str], Orders]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(
        __doc__ or "",
        {
            "kills": (1000, "how many processes are killed"),
            "control-kills": (20, "how many of the control"),
        },
    )
    options = campaign.parse(arguments)
    settings: dict[str, object] = SETTINGS  # type: ignore[assignment]
    settings["wal_autocheckpoint"] = CHECKPOINT_PAGES
    with connect("memory:") as orders:
        orders.record_callback(callback(0))  # what is made once must not shorten a life
    gc.freeze()
    subject = killed(connect, options.kills, options.seed, campaign)
    control = killed(connect_hastily, options.control_kills, options.seed, campaign)
    return campaign.verdict("kills", subject, {"answers before it commits": control})


def killed(opened: Open, kills: int, seed: int, campaign: Campaign) -> Figures:
    """Return what is left of the acknowledgements of so many processes."""
    figures = Figures(*BAD)
    with scratch() as folder:
        for start in range(0, kills, BATCH):
            path = folder / f"{start}.db"
            told: set[str] = set()
            last = min(kills, start + BATCH)
            for number in range(start, last, PROCESSES):
                seeds = [f"{seed} {life}" for life in range(number, min(last, number + PROCESSES))]
                for labels in acknowledged_until_killed(path, opened, seeds):
                    told |= labels
                    figures.count("kills after an acknowledgement", bool(labels))
                campaign.tell(f"{number} kills")
            figures.count("kills", last - start)
            figures.count("acknowledged", len(told))
            with closing(connect(f"sqlite:///{path}")) as orders:
                audit(orders.log, told, figures, f"kills {start} to {last}")
    return figures


def acknowledged_until_killed(path: Path, opened: Open, seeds: Sequence[str]) -> Iterator[set[str]]:
    """Yield what each process was told is stored before it was killed; all live at once."""
    children = [Child(partial(live, path, opened, seed)) for seed in seeds]
    for child, seed in zip(children, seeds, strict=True):
        time.sleep(Random(f"{seed} end").uniform(0, LONGEST_LIFE / len(children)))
        child.kill()
        code, written = child.collect()
        if code != -9:
            raise RuntimeError(f"a process ended by itself: {written.decode()[-2000:]}")
        yield set(written.decode().split("\n")[:-1])


def live(path: Path, opened: Open, seed: str, pipe: int) -> None:
    """Record for ever; every acknowledgement is one line."""

    def acknowledge(label: str) -> None:
        os.write(pipe, f"{label}\n".encode())

    callers = Random(seed).choice((1, 2, TASKS))
    if callers == TASKS and opened is connect:
        asyncio.run(live_in_tasks(path, seed, acknowledge))
    else:
        live_in_threads(opened(f"sqlite:///{path}"), seed, min(callers, 2), acknowledge)


def live_in_threads(orders: Orders, seed: str, threads: int, acknowledge: Acknowledge) -> None:
    """Record from some threads for ever."""

    def record(thread: int) -> None:
        random = Random(f"{seed} {thread}")
        number = 0
        while True:
            number += 1
            once = f"{seed} {thread} {number}"
            record_one(orders, random.randrange(POOL), random, acknowledge, once=once)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(record, range(threads)))


async def live_in_tasks(path: Path, seed: str, acknowledge: Acknowledge) -> None:
    """Record from many tasks for ever."""

    async def record(task: int) -> None:
        random = Random(f"{seed} {task}")
        while True:
            body = callback(random.randrange(POOL), length=random.choice((0, 200, 3000)))
            receipt = await orders.record_callback(body)
            acknowledge(label(receipt.event))
            await receipt.folded()

    async with connect_async(f"sqlite:///{path}") as orders:
        await asyncio.gather(*map(record, range(TASKS)))


class HastyLog(sqlite.SQLiteLog):
    """Broken on purpose: it answers before it commits, as a write-behind cache does."""

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Append:  # noqa: ARG002
        """Return at once, and append later."""
        if not hasattr(self, "_later"):
            self._later = ThreadPoolExecutor(1)
        self._later.submit(super().append, entry)
        return Append(QUARANTINE, "", "", "", b"", b"")


def connect_hastily(url: str) -> Orders:
    """Return orders on the broken log."""
    sqlite.SQLiteLog = HastyLog  # type: ignore[misc]
    return connect(url)


if __name__ == "__main__":
    sys.exit(main())
