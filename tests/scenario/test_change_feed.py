"""The change feed: what changed is told once, in order, to whoever asks, on every store."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lifecycle import InvalidArgumentError, Orders
from lifecycle.projections.change_feed import OrderChange
from lifecycle.providers.instacart import sample_orders
from tests.scenario.command_line import SCRIPT, environment, run
from tests.without_rules import connect, connect_async

SEED, ORDERS = 11, 25


@pytest.fixture(params=["memory:", "sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres").new_url()
    return f"sqlite:///{tmp_path}/orders.db" if request.param == "sqlite" else request.param


@pytest.fixture
def orders(url):
    with connect(url) as orders:
        yield orders


def record_badly(orders: Orders) -> list[tuple[object, ...]]:
    """Record invented orders, damaged on the way, and return the changes that receipts told."""
    told = []
    delivery = sample_orders.deliver(SEED, sample_orders.generate(SEED, ORDERS))
    for line in delivery.recordings:
        (receipt,) = orders.record_many([line])
        if receipt.change is not None:
            told.append((receipt.position, receipt.event.order_id, *receipt.change))
    return told


def brand_new(order_id: str) -> bytes:
    return b'{"id": "%s", "status": "brand_new"}' % order_id.encode()


def step(order_id: str, status: str, minute: int) -> bytes:
    """Return a callback with an event id and a time of its own."""
    return (
        b'{"event_id": "%s-%d", "event_name": "%s", "event_timestamp": "2026-07-07T12:%02d:00Z",'
        b' "event_metadata": {"order_id": "%s"}}'
    ) % (status.encode(), minute, status.encode(), minute, order_id.encode())


def test_the_feed_yields_the_changes_of_the_receipts_in_the_order_of_the_log(orders):
    told = record_badly(orders)
    assert len(told) > 100
    assert any(corrected for *_, corrected in told)
    assert [tuple(change[:6]) for change in orders.changes()] == told


def test_a_reader_goes_on_after_any_position_and_misses_nothing(orders):
    record_badly(orders)
    whole = [change[:6] for change in orders.changes()]
    for position in range(0, orders.log.last_position() + 2, 7):
        rest = [change[:6] for change in orders.changes(after=position)]
        assert rest == [change for change in whole if change[0] > position]


def test_a_late_event_that_rewrites_the_path_is_notified_as_a_correction(orders):
    orders.record_callback(step("xyz", "brand_new", 1))
    orders.record_callback(step("xyz", "delivering", 9))
    orders.record_callback(step("xyz", "at_store", 5))
    *_, last = orders.changes()
    assert (last.before, last.after, last.corrected) == ("delivering", "delivering", True)
    assert [entered.status for entered in last.view.path] == ["brand_new", "at_store", "delivering"]


def test_the_view_that_comes_along_is_the_one_that_the_event_made(orders):
    orders.record_callback(step("xyz", "brand_new", 1))
    orders.record_callback(step("xyz", "at_store", 5))
    first, second = orders.changes()
    assert (first.view.status, second.view.status) == ("brand_new", "at_store")
    assert second.view == orders.get("xyz")


def test_a_position_that_is_none_is_refused(orders):
    for nonsense in (-1, 1.5, True, "1", 2**63):
        with pytest.raises(InvalidArgumentError):
            orders.changes(after=nonsense)


def test_a_subscriber_is_notified_of_later_changes(orders):
    stop = threading.Event()
    coming = orders.subscribe(stop=stop, every=0.01)
    orders.record_callback(brand_new("first"))
    assert next(coming).order_id == "first"
    timer = threading.Timer(0.1, lambda: orders.record_callback(brand_new("second")))
    timer.start()
    assert next(coming).order_id == "second"
    stop.set()
    assert next(coming, None) is None


def test_one_damaged_order_does_not_stop_the_feed(tmp_path, caplog):
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders:
        for order_id in ("first", "poisoned", "last"):
            orders.record_callback(brand_new(order_id))
    with sqlite3.connect(path) as driver:
        driver.execute("DROP TRIGGER stored_events_refuse_update")
        driver.execute("UPDATE stored_events SET state = x'7b7d0a' WHERE rowid = 2")
    with connect(f"sqlite:///{path}") as orders:
        caplog.clear()  # a guard is missing
        assert [change.order_id for change in orders.changes()] == ["first", "last"]
        assert caplog.messages == ["an order cannot be folded at position 2: skipped"]
        taken: list[str] = []
        reader = orders.subscription("notify", lambda change: taken.append(change.order_id))
        assert reader.catch_up() == 2
        (letter,) = reader.letters()
        assert (letter.position, letter.order_id, letter.attempts) == (2, "poisoned", 0)
        assert reader.redrive() == 0


# Subscriptions


def caught_up(reader) -> Iterator[int]:
    """Let a subscription try everything again that it will, and yield how many it took."""
    yield reader.catch_up()
    while any(letter.state == "retrying" for letter in reader.letters(all=True)):
        time.sleep(0.002)
        yield reader.catch_up()


def test_a_subscription_hands_over_every_change_and_goes_on_where_it_stopped(url, tmp_path):
    with connect(url) as orders:
        told = record_badly(orders)
        taken: list[OrderChange] = []
        assert orders.subscription("notify", taken.append).catch_up() == len(told)
        assert [tuple(change[:6]) for change in taken] == told
        assert orders.subscription("notify", taken.append).catch_up() == 0
        orders.record_callback(brand_new("later"))
        assert orders.subscription("notify", taken.append).catch_up() == 1
        assert orders.subscription("other", taken.append, after=10**6).catch_up() == 0


def test_a_handler_that_was_interrupted_gets_the_same_change_again(orders):
    orders.record_callback(brand_new("xyz"))
    taken: list[str] = []

    def interrupted(change: OrderChange) -> None:
        taken.append(change.order_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        orders.subscription("notify", interrupted).catch_up()
    assert orders.subscription("notify", lambda c: taken.append(c.order_id)).catch_up() == 1
    assert taken == ["xyz", "xyz"]


def test_a_change_that_is_not_taken_is_tried_again_and_then_kept_as_a_dead_letter(orders):
    for order_id in ("good", "bad", "better"):
        orders.record_callback(brand_new(order_id))
    orders.record_callback(step("bad", "delivering", 5))
    calls: Counter[str] = Counter()
    broken = True

    def handler(change: OrderChange) -> None:
        calls[change.order_id] += 1
        if broken and change.order_id == "bad":
            raise ValueError("Canary Street 1")

    reader = orders.subscription("notify", handler, attempts=3, pause=0.001)
    assert sum(caught_up(reader)) == 2
    assert calls == {"good": 1, "bad": 3, "better": 1}
    first, second = reader.letters()
    assert (first.reason, first.attempts) == ("the handler raised ValueError", 3)
    assert (second.reason, second.attempts) == ("an earlier change of this order waits", 0)
    assert reader.redrive() == 0
    assert sum(caught_up(reader)) == 0
    assert [letter.attempts for letter in reader.letters()] == [3, 0]
    broken = False
    assert reader.redrive() == 2
    assert list(reader.letters()) == []
    assert calls["bad"] == 8


def test_a_handler_that_fails_once_is_called_again_and_no_letter_is_kept(orders):
    orders.record_callback(brand_new("xyz"))
    calls: list[int] = []

    def handler(change: OrderChange) -> None:
        calls.append(change.position)
        if len(calls) == 1:
            raise OSError

    reader = orders.subscription("notify", handler, pause=0.001)
    assert sum(caught_up(reader)) == 1
    assert len(calls) == 2
    assert list(reader.letters()) == []


def test_invalid_arguments_are_refused(orders):
    for wrong in (
        {"attempts": 0},
        {"attempts": True},
        {"pause": 0},
        {"pause": "1"},
        {"timeout": 0},
    ):
        with pytest.raises(InvalidArgumentError):
            orders.subscription("notify", print, **wrong)
    for name in ("", "x" * 101, "a\nb", 7):
        with pytest.raises(InvalidArgumentError):
            orders.subscription(name, print)


# Exactly once


class Ledger:
    """A service's own table beside the log; its handler writes with the connection it gets."""

    def __init__(self, orders: Orders, url: str) -> None:
        self.table = f"ledger_{os.urandom(6).hex()}"
        marks = "?, ?" if url.startswith("sqlite") else "%s, %s"
        self.insert = f"INSERT INTO {self.table} VALUES ({marks})"
        self._feeds = orders.log.feeds
        self._execute(f"CREATE TABLE {self.table} (position INTEGER, order_id TEXT)")

    def note(self, change: OrderChange, connection) -> None:
        connection.execute(self.insert, (change.position, change.order_id))

    @property
    def positions(self) -> list[int]:
        rows = self._execute(f"SELECT position FROM {self.table} ORDER BY position").fetchall()
        return [row["position"] for row in rows]

    def _execute(self, statement: str):
        with self._feeds._database.writing() as (_, connection):
            return connection.execute(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A store whose transactions a handler can share."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").new_url()
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def ledger(database):
    with connect(database) as orders:
        ledger = Ledger(orders, database)
        yield orders, ledger


def test_the_writes_of_a_handler_in_the_transaction_happen_exactly_once(ledger):
    orders, table = ledger
    record_badly(orders)
    wanted = [change.position for change in orders.changes()]
    reader = orders.subscription("ledger", table.note, exactly_once=True)
    assert reader.catch_up() == len(wanted)
    assert reader.catch_up() == 0
    assert table.positions == wanted


def test_the_writes_of_a_failing_handler_are_rolled_back(ledger):
    orders, table = ledger
    orders.record_callback(brand_new("xyz"))

    def fail(change: OrderChange, connection) -> None:
        table.note(change, connection)
        raise ValueError

    reader = orders.subscription("ledger", fail, exactly_once=True, attempts=1)
    assert reader.catch_up() == 0
    assert table.positions == []
    healed = orders.subscription("ledger", table.note, exactly_once=True)
    assert healed.redrive() == 1
    assert table.positions == [1]


def test_several_readers_of_one_name_write_everything_once(ledger, database):
    orders, table = ledger
    record_badly(orders)
    wanted = [change.position for change in orders.changes()]

    def read() -> None:
        with connect(database) as own:
            own.subscription("ledger", table.note, exactly_once=True).catch_up()

    with ThreadPoolExecutor(4) as readers:
        for reading in [readers.submit(read) for _ in range(4)]:
            reading.result()
    assert table.positions == wanted


READER = """
import sys
from lifecycle import connect
url, insert = sys.argv[1:]
def note(change, connection=None):
    if connection is not None:
        connection.execute(insert, (change.position, change.order_id))
    print(change.position, flush=True)
with connect(url) as orders:
    orders.subscription("ledger", note, exactly_once=bool(insert)).catch_up()
"""


def killed_again_and_again(url: str, insert: str) -> list[int]:
    """Run a reader until it is done, killed after ever more changes; return what it printed."""
    printed: list[int] = []
    for stay in range(3, 1000, 40):
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, url, insert], stdout=subprocess.PIPE
        )
        lines = 0
        for line in reader.stdout:
            printed.append(int(line))
            lines += 1
            if lines == stay:
                reader.send_signal(signal.SIGKILL)
        reader.wait()
        reader.stdout.close()
        if lines < stay:
            return printed
    raise AssertionError("it never came to the end")


def test_a_reader_that_is_killed_again_and_again_writes_everything_once(ledger, database):
    orders, table = ledger
    record_badly(orders)
    wanted = [change.position for change in orders.changes()]
    printed = killed_again_and_again(database, table.insert)
    assert table.positions == wanted
    assert set(printed) == set(wanted)


def test_without_the_transaction_a_killed_reader_gets_some_changes_twice(tmp_path):
    """The control: a handler that writes elsewhere gets at least once, and never less."""
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        record_badly(orders)
        wanted = [change.position for change in orders.changes()]
    printed = killed_again_and_again(url, "")
    assert set(printed) == set(wanted)
    assert len(printed) > len(wanted)


# Coroutines


def test_coroutines_get_the_same_changes(orders, url):
    if url == "memory:":
        pytest.skip("a log in memory belongs to one of the two")
    told = record_badly(orders)

    async def read() -> tuple[list[OrderChange], list[OrderChange], int, int]:
        async with connect_async(url) as same:
            taken: list[OrderChange] = []

            async def take(change: OrderChange) -> None:
                await asyncio.sleep(0)
                taken.append(change)

            seen = [change async for change in same.changes()]
            reader = same.subscription("notify", take)
            return seen, taken, await reader.catch_up(), await reader.catch_up()

    seen, taken, first, again = asyncio.run(read())
    assert [tuple(change[:6]) for change in seen] == told
    assert [tuple(change[:6]) for change in taken] == told
    assert (first, again) == (len(told), 0)


def test_an_awaited_handler_that_fails_leaves_a_letter(url):
    async def read() -> tuple[int, list[str], int]:
        async with connect_async(url) as orders:
            await orders.record_callback(brand_new("xyz"))
            broken = [True]

            async def take(_: OrderChange) -> None:
                if broken[0]:
                    raise ValueError

            reader = orders.subscription("notify", take, attempts=1)
            taken = await reader.catch_up()
            letters = [letter.reason for letter in await reader.letters()]
            broken[0] = False
            return taken, letters, await reader.redrive()

    assert asyncio.run(read()) == (0, ["the handler raised ValueError"], 1)


def test_a_task_that_follows_can_be_canceled_and_loses_nothing(url):
    async def read() -> int:
        async with connect_async(url) as orders:
            seen: dict[str, int] = defaultdict(int)
            first = asyncio.Event()

            async def take(change: OrderChange) -> None:
                seen[change.order_id] += 1
                first.set()

            following = asyncio.create_task(orders.subscription("notify", take).follow(every=0.01))
            await orders.record_callback(brand_new("first"))
            await first.wait()
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await orders.record_callback(brand_new("second"))
            await orders.subscription("notify", take).catch_up()
            return seen["second"]

    assert asyncio.run(read()) == 1


# The command line


def test_watch_prints_what_changed_from_a_position_on(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_callback(step("xyz\x1b[31m".replace("\x1b", "?"), "brand_new", 1))
        orders.record_callback(step("abc", "delivering", 9))
        orders.record_callback(step("abc", "at_store", 5))
    answer = run("watch", "--after", "1", "--once", "--db", url, cwd=tmp_path)
    assert (answer.code, answer.err) == (0, "")
    first, second = answer.out.splitlines()
    assert first.split()[2:] == ["abc", "-", "→", "delivering"]
    assert "corrected" in second
    (line,) = run(
        "watch", "--after", "2", "--once", "--json", "--db", url, cwd=tmp_path
    ).out.splitlines()
    assert '"position":3' in line


def test_watch_prints_live_changes_and_ends_with_ctrl_c(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_callback(brand_new("before"))
        watching = subprocess.Popen(
            [SCRIPT, "watch", "--json", "--every", "0.02", "--db", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert "watching from position 1" in watching.stderr.readline()
        orders.record_callback(brand_new("live"))
        assert '"order_id":"live"' in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, told = watching.communicate(timeout=60)
        assert (watching.returncode, "Traceback" in told) == (130, False)


def test_doctor_says_how_far_each_subscription_is(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.record_callback(brand_new("xyz"))

        def refuse(_: OrderChange) -> None:
            raise ValueError

        orders.subscription("notify", refuse, attempts=1).catch_up()
        orders.record_callback(brand_new("abc"))
    checks = run("doctor", "--json", "--db", url, cwd=tmp_path).value["checks"]
    (feed,) = [check for check in checks if check["name"] == "feed notify"]
    assert feed["found"] == "1 record behind, 1 dead letter"
    assert "lifecycle letters redrive" in feed["advice"]
