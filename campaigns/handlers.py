"""Handlers: nothing missed, nothing out of order, and written once, however often they are killed.

A process delivers the changes of a log to a handler that writes them, with the connection that it
gets, to a table beside the log; it is killed at a random moment, and the next one goes on, until
everything is delivered. On SQLite and PostgreSQL, called and awaited; one call in twelve fails. The
control writes with a connection of its own.

    python -m campaigns.handlers --kills 2000
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Any, Final

from campaigns.scratch_folder import scratch
from campaigns.verdict import Campaign, Figures
from lifecycle.composition import connect
from tests.faults.children import Child
from tests.postgres_server import server_if_any
from tests.scenario.test_subscriptions import awaited, called, record, written

BAD: Final = ("missed", "written twice", "out of order", "left over")
ORDER_IDS: Final = "a b c d e f g h i j k l"
LONGEST_LIFE: Final = 0.06
Read = Callable[[str, str, Random], Callable[[int], None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign and return its exit code."""
    sizes = {
        "kills": (400, "how many processes are killed, on both stores, called and awaited"),
        "control-kills": (20, "how many of the control"),
    }
    campaign = Campaign(__doc__ or "", sizes)
    options = campaign.parse(arguments)
    random = Random(options.seed)
    found, control = Figures(*BAD), Figures(*BAD)
    with scratch() as folder, server_if_any() as server:
        for number in count():
            if found.counts["kills"] >= options.kills:
                break
            sqlite = f"sqlite:///{folder}/{number}.db"
            url = server.new_url() if server and number % 4 > 1 else sqlite
            found.count(f"logs on {url.partition(':')[0]}")
            deliver_under_kills(found, url, random, exactly_once(called, awaited)[number % 2])
            campaign.tell(found)
        while control.counts["kills"] < options.control_kills and not control.found:
            url = f"sqlite:///{folder}/control-{control.counts['kills']}.db"
            deliver_under_kills(control, url, random, with_its_own_connection)
    return campaign.verdict("handlers", found, {"writes with its own connection": control})


def exactly_once(*ways: Callable[..., None]) -> list[Read]:
    """Return how a process reads that writes with the connection it gets."""

    def reading(way: Callable[..., None]) -> Read:
        def read(url: str, insert: str, random: Random) -> Callable[[int], None]:
            seed = random.random()

            def work(sending: int) -> None:
                chance = Random(seed)

                def write(change: Any, connection: Any) -> None:
                    os.write(sending, b".")
                    connection.execute(insert, (change.position, change.order_id))
                    if chance.random() < 1 / 12:
                        raise ConnectionError

                way(url, write, exactly_once=True)

            return work

        return read

    return list(map(reading, ways))


def with_its_own_connection(url: str, insert: str, _: Random) -> Callable[[int], None]:
    """Return how the broken process reads: what it writes is not undone with the delivery."""

    def work(sending: int) -> None:
        def write(change: Any) -> None:
            os.write(sending, b".")
            with connect(url) as own, own.log.feeds._database.writing() as (_, connection):  # type: ignore[attr-defined]  # noqa: SLF001 - broken on purpose
                connection.execute(insert, (change.position, change.order_id))
            time.sleep(0.01)

        called(url, write, exactly_once=False)

    return work


def deliver_under_kills(figures: Figures, url: str, random: Random, read: Read) -> None:
    """Kill one reader after another until one comes to the end; then look what was written."""
    table = f"ledger_{os.urandom(6).hex()}"
    marks = "?, ?" if url.startswith("sqlite") else "%s, %s"
    insert = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 - names and marks of our own
    with connect(url) as orders:
        with orders.log.feeds._database.writing() as (_, connection):  # type: ignore[attr-defined]  # noqa: SLF001 - the log's own database
            connection.execute(f"CREATE TABLE {table} (position integer, order_id text)")
        record(orders, ORDER_IDS)
    for work in _readers(url, insert, random, read):
        child = Child(work)
        child.first_bytes()
        time.sleep(random.uniform(0, LONGEST_LIFE))
        child.kill()
        if child.collect()[0]:
            figures.count("kills")
    _compare(figures, url, table)


def _readers(url: str, insert: str, random: Random, read: Read) -> Iterator[Callable[[int], None]]:
    """Yield readers until nothing is left to deliver."""
    while True:
        yield read(url, insert, random)
        with connect(url, create=False) as orders:
            left = list(orders.letters.list(all=True))
            (feed,) = orders.log.feeds.positions() or [None]
            if not left and feed is not None and feed.position == orders.log.last_position():
                return


def _compare(figures: Figures, url: str, table: str) -> None:
    with connect(url, create=False) as orders:
        wanted = [change.position for change in orders.changes()]
        got = [position for position, _ in written(orders, table)]
        figures.count("changes delivered", len(wanted))
        figures.find("missed", url, len(set(wanted) - set(got)))
        figures.find("written twice", url, len(got) - len(set(got)))
        for order_id in ORDER_IDS.split():
            records = list(orders.letters.delivered(order_id))
            times = [each.at for each in records]
            figures.find("out of order", order_id, int(times != sorted(times)))
            figures.count("calls", sum(each.attempts for each in records))
        figures.find("left over", url, len(list(orders.letters.list(all=True))))


if __name__ == "__main__":
    sys.exit(main())
