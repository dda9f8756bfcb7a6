"""Lists of the pages on many orders: a page takes as long with a million as with ten thousand.

    .venv/bin/python -m campaigns.pages --orders 1000000

The stored views of so many orders are written into a new SQLite file, all but the newest ones
without their events: the lists look at nothing else, and a count for `/fleet` folds the newest
ones alone. The control reads all odd orders, which has to take longer.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

from campaigns.verdict import Campaign, Figures
from lifecycle import connect
from lifecycle.log.view_store import Batch, Phase, StoredView
from lifecycle.projections.overview import overview_of
from lifecycle.projections.recent_views import FIRST, MOST_LOOKED_AT
from lifecycle.service.orders import Orders
from lifecycle.web import Pages

CONTROL = "all odd orders"
COUNT = "a count for /fleet"
OPEN = 1_000
"""How many orders still wait for something: what needs attention is looked for among them."""

PER_BATCH = 5_000
MOST_TIMES = 2.0
ADDRESSES = (
    "/orders",
    "/orders?status=brand_new",
    "/orders?odd=1",
    "/attention",
)


def fill(orders: Orders, count: int, seed: int) -> None:
    """Store views of `count` more orders, some of them odd, made like those that are there.

    They were heard of before these, at random times, and only the first ones wait for something.
    """
    orders.views.rebuild()
    store = orders.log.views
    if store is None:
        raise LookupError
    (live,) = (each for each in store.generations("instacart") if each.phase is Phase.LIVE)
    made = store.recent(live, FIRST, PER_BATCH)
    first = min(each.last_received_at for each in made)
    drawn = random.Random(seed)
    for start in range(0, count, PER_BATCH):
        numbers = range(start, min(start + PER_BATCH, count))
        rows = [
            _like(drawn.choice(made), number, first - drawn.randrange(10**12)) for number in numbers
        ]
        if not store.write(live, Batch(rows)):
            raise LookupError


def _like(made: StoredView, number: int, heard: int) -> StoredView:
    order_id = f"order-{number:09}"
    return made._replace(
        order_id=order_id,
        anomalies=int(number % 50 == 0),
        awaiting=made.awaiting if number < OPEN else "",
        last_received_at=heard,
        body=made.body.replace(f'"{made.order_id}"'.encode(), f'"{order_id}"'.encode()),
    )


def asked(pages: Pages, address: str) -> int:
    """Ask for one page as a browser of this machine does, and return the status."""
    path, _, query = address.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "scheme": "http",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
    }
    told: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, object]) -> None:
        if "status" in message:
            told.append(int(str(message["status"])))

    asyncio.run(pages(scope, receive, send))  # type: ignore[arg-type]
    return told[0]


def quickest(call: Callable[[], object], times: int = 15) -> float:
    """Return the least processor time of some calls."""
    took = []
    for _ in range(times):
        begun = process_time()
        call()
        took.append(process_time() - begun)
    return min(took)


def measured(count: int, recorded: int, seed: int) -> dict[str, float]:
    """Return how many seconds of a processor each page takes, and reading all odd orders."""
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(f"sqlite:///{Path(folder) / 'orders.db'}") as orders,
    ):
        orders.record_many(list(_arrived(recorded)))
        fill(orders, count, seed)
        pages = Pages(orders)
        if {asked(pages, address) for address in ADDRESSES} != {200}:
            raise ValueError
        times = {each: quickest(lambda each=each: asked(pages, each)) for each in ADDRESSES}
        known = {orders.provider.name: orders.provider}
        times[COUNT] = quickest(lambda: overview_of(orders.log, known, orders.provider), 3)
        begun = process_time()
        sum(1 for _ in orders.find(anomalies=True))
        return {**times, CONTROL: process_time() - begun}


def _arrived(count: int) -> Iterator[dict[str, object]]:
    at = datetime.now(UTC).isoformat()
    for number in range(count):
        for status in ("brand_new", "teleported"):
            body = {"id": f"seen-{number}", "status": status}
            yield {"kind": "callback", "received_at": at, "body": body}


def compared(few: dict[str, float], many: dict[str, float], what: Collection[str]) -> Figures:
    """Return which of some pages took more than twice as long."""
    figures = Figures("slower")
    for each in what:
        times = many[each] / few[each]
        told = f"{each} took {few[each] * 1000:.1f} ms and {many[each] * 1000:.1f} ms"
        figures.count("compared")
        figures.find("slower", told, int(times > MOST_TIMES))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign."""
    sizes = {
        "orders": (1_000_000, "orders of the larger log"),
        "few": (10_000, "of the other"),
        "recorded": (MOST_LOOKED_AT, "orders of each that have events"),
    }
    campaign = Campaign(__doc__ or "", sizes)
    options = campaign.parse(arguments)
    few, many = (
        measured(count, options.recorded, options.seed) for count in (options.few, options.orders)
    )
    for each, seconds in many.items():
        print(f"{each}: {few[each] * 1000:.1f} ms, then {seconds * 1000:.1f} ms", file=sys.stderr)
    subject = compared(few, many, [*ADDRESSES, COUNT])
    return campaign.verdict("pages", subject, {"all odd orders": compared(few, many, [CONTROL])})


if __name__ == "__main__":
    sys.exit(main())
