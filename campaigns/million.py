"""A million events: what an append costs at the end, and stored views, lists and replay there.

Orders of eight callbacks, 500 of them under way at a time, recorded in batches of 500 on
SQLite. A copy is kept when a tenth is recorded. Then the views are built, orders are listed by
each condition, and the log is replayed in a process of its own, whose memory is compared with
that of the same over the tenth. Nothing may differ. The control is one body, edited behind
everybody's back: `replay` and `verify` must name it, and nothing else.

    python -m campaigns.million
"""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import connect, open_log
from lifecycle.registry import known_providers
from lifecycle.service.orders import Orders

STEPS: Final = (
    *("brand_new", "staged", "acknowledged", "acknowledged_for_delivery"),
    *("at_store", "bags_verified", "delivering", "delivered"),
)
BEGAN: Final = datetime(2026, 7, 1, tzinfo=UTC)
ACTIVE: Final = 500
BATCH: Final = 500
JUDGED_FROM: Final = 200_000
"""Events: in a smaller run times and memory are printed, and judge nothing."""

MOST_GROWTH: Final = 1.3
MOST_MEMORY: Final = 1.2
LONGEST_LIST: Final = 0.1
"""Seconds until the first page is there."""

BAD: Final = ("costs that grew", "slow lists", "memory that grew", "differences", "records named")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    campaign = Campaign(__doc__ or "", {"events": (1_000_000, "how many callbacks are recorded")})
    options = campaign.parse(arguments)
    figures, control = Figures(*BAD), Figures(*BAD)
    with scratch() as folder:
        path, tenth = folder / "orders.db", folder / "tenth.db"
        with connect(f"sqlite:///{path}") as orders:
            grow(orders, options, tenth, figures, campaign)
            build(orders, figures, campaign)
            ask(orders, options, figures)
        memory(path, tenth, options, figures)
        edit(path, Random(options.seed).randrange(options.events) + 1, control)
    return campaign.verdict("million", figures, {"one edited body": control})


def grow(orders: Orders, options: Any, tenth: Path, figures: Figures, campaign: Campaign) -> None:
    """Record everything, and compare what the last tenth costs with the second."""
    lines = arrivals(options.events, Random(options.seed))
    costs = []
    for number in range(10):
        gc.collect()
        began = time.process_time()
        wanted = options.events // 10
        while wanted and (batch := list(islice(lines, min(BATCH, wanted)))):
            orders.record_many(batch)
            wanted -= len(batch)
        costs.append(time.process_time() - began)
        campaign.tell(f"{number + 1} tenths recorded")
        if number == 0:
            with closing(sqlite3.connect(tenth)) as copy, closing(_raw(orders)) as driver:
                driver.backup(copy)
    orders.record_many(list(lines))
    figures.count("events", orders.log.last_position())
    # The first tenth also pays for what is made once.
    growth = costs[-1] / costs[1]
    figures.count("percent of the second tenth's cost in the last", round(100 * growth))
    if growth > MOST_GROWTH and options.events >= JUDGED_FROM:
        figures.find("costs that grew", f"{growth:.2f} times")


def build(orders: Orders, figures: Figures, campaign: Campaign) -> None:
    """Build the stored views, with progress."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        campaign.tell(f"{done:,} views built")

    began = time.monotonic()
    orders.views.rebuild(progress)
    orders.views.catch_up()
    figures.count("views built", done)
    figures.count("seconds to build them", round(time.monotonic() - began))


def ask(orders: Orders, options: Any, figures: Figures) -> None:
    """List orders by each condition, and time how long the first page takes."""
    now = BEGAN + timedelta(seconds=options.events)
    for what, wanted in (
        ("waiting", {"waiting_longer_than": timedelta(minutes=15)}),
        ("standing", {"status": "delivering"}),
        ("odd", {"anomalies": True}),
        ("silent", {"received_before": now - timedelta(days=3000)}),
    ):
        seconds = median(
            _timed(lambda wanted=wanted: _first(orders, wanted, now)) for _ in range(9)
        )
        figures.count(f"microseconds to list what is {what}", round(seconds * 1e6))
        if seconds > LONGEST_LIST and options.events >= JUDGED_FROM:
            figures.find("slow lists", f"{what}: {seconds:.3f} s")
    figures.count("orders that wait", sum(1 for _ in orders.find(**_WAITING, now=now)))


_WAITING: Final[dict[str, Any]] = {"waiting_longer_than": timedelta(minutes=15)}


def memory(path: Path, tenth: Path, options: Any, figures: Figures) -> None:
    """Replay all of it and a tenth of it, each in a process of its own."""
    small, large = _replayed(tenth, figures), _replayed(path, figures)
    figures.count("percent of the tenth's memory for all", round(100 * large / small))
    if large > MOST_MEMORY * small and options.events >= JUDGED_FROM:
        figures.find("memory that grew", f"{large} instead of {small} kB")


def edit(path: Path, position: int, control: Figures) -> None:
    """Change one letter of one body, and see who names it."""
    with closing(sqlite3.connect(path)) as driver, driver:
        driver.execute("DROP TRIGGER stored_events_refuse_update")
        stream, state = driver.execute(
            "SELECT originator_id, state FROM stored_events WHERE rowid = ?", (position,)
        ).fetchone()
        edited = state[:-40] + b"x" + state[-39:]
        driver.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (edited, position))
    with closing(open_log(f"sqlite:///{path}", create=False)) as log:
        verified = verify(log).findings
        replayed = replay(log, known_providers()).differences
    named = {(finding.stream, finding.position) for finding in verified}
    also = {(one.stream, one.position) for one in replayed if one.position is not None}
    if named == also == {(stream, position)}:
        control.find("records named", f"{stream} at {position} by verify and by replay", 2)
    control.count("records verified", 2)


def arrivals(events: int, random: Random) -> Iterator[dict[str, Any]]:
    """Yield callbacks of orders that are under way together, each order's in some order."""
    numbers = count()
    under_way = [_order(number, random) for number in islice(numbers, ACTIVE)]
    for _ in range(events):
        chosen = random.randrange(len(under_way))
        yield under_way[chosen].pop()
        if not under_way[chosen]:
            under_way[chosen] = _order(next(numbers), random)


def _order(number: int, random: Random) -> list[dict[str, Any]]:
    lines = [callback(number, step, name) for step, name in enumerate(STEPS)]
    random.shuffle(lines)
    return lines


def callback(number: int, step: int, name: str, order_id: str = "") -> dict[str, Any]:
    """Return the recording of one callback of an order."""
    at = BEGAN + timedelta(seconds=8 * number + 40 * step)
    details = {
        "order_id": order_id or f"{number * 2654435761 % 2**32:08x}-{number}",
        "order_url": f"https://orders.example/s/{number}",
        "created_at": f"{BEGAN:%Y-%m-%dT%H:%M:%SZ}",
        "locale": "en_US",
        "is_express": True,
        "fulfillment_details": {
            "store_location": "1003",
            "window_starts_at": "2026-07-01T11:00:00Z",
        },
        "bag_label": f"A-{number % 97}",
        "special_instructions": "Ring the doorbell and leave the bags at the door. " * 4,
    }
    body = {
        "event_id": 1_201_895_966_000_000_000 + number * len(STEPS) + step,
        "event_name": f"fulfillment.{name}",
        "event_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "event_metadata": details,
    }
    return {"kind": "callback", "body_text": json.dumps(body), "received_at": at.isoformat()}


def _raw(orders: Orders) -> sqlite3.Connection:
    return sqlite3.connect(orders.log.url.removeprefix("sqlite:///"))


def _first(orders: Orders, wanted: dict[str, Any], now: datetime) -> object:
    return next(orders.find(**wanted, now=now), None)


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _replayed(path: Path, figures: Figures) -> int:
    """Replay in a process of its own, and return the most memory it had, in kB."""
    script = "from lifecycle.cli import main; main()"
    arguments = ["replay", "--workers", "1", "--json", "--db", f"sqlite:///{path}"]
    command = [sys.executable, "-c", script, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        figures.find("differences", f"{path.name}: exit code {process.returncode}")
    return usage.ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
