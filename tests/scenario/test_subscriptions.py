"""A handler that raises, hangs, dies and recovers: nothing missed, nothing out of order.

Each order's changes come one after the other, whatever happens to the handler, and those of other
orders come on time. What is written with the connection that a handler gets is written once.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from lifecycle import InvalidArgumentError, Orders
from lifecycle.log.feed_store import Delivery
from lifecycle.projections.change_feed import OrderChange
from lifecycle.projections.dispatcher import DeliveryPolicy
from lifecycle.projections.feed_reader import is_alive, named_reader
from tests.faults.children import Child
from tests.scenario.command_line import run
from tests.without_rules import connect, connect_async

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A store whose transactions a handler can share."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").new_url()
    return f"sqlite:///{tmp_path}/orders.db"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def orders(clock):
    with connect("memory:", clock=clock) as orders:
        yield orders


MANY = "a b c d e f g h"
STEPS = ("brand_new", "acknowledged", "at_store", "delivering", "delivered")


def record(orders: Orders, order_ids: str, statuses: tuple[str, ...] = STEPS) -> None:
    """Record the steps of orders, one step of each after the other."""
    for minute, status in enumerate(statuses):
        for order_id in order_ids.split():
            orders.record_callback(step(order_id, status, minute))


def step(order_id: str, status: str, minute: int) -> str:
    return (
        f'{{"event_id": "{order_id}-{minute}", "event_name": "{status}",'
        f' "event_timestamp": "2026-07-07T12:{minute:02}:00Z",'
        f' "event_metadata": {{"order_id": "{order_id}"}}}}'
    )


class Mailbox:
    """A peer that gets what changed; it may be down."""

    def __init__(self) -> None:
        self.got: dict[str, list[str]] = defaultdict(list)
        self.is_down: Callable[[OrderChange], object] = lambda _: False

    def take(self, change: OrderChange) -> None:
        if self.is_down(change):
            raise ConnectionError
        self.got[change.order_id].append(change.after)

    def has(self, order_ids: str) -> bool:
        return {order_id: self.got[order_id] for order_id in order_ids.split()} == {
            order_id: list(STEPS) for order_id in order_ids.split()
        }


# It raises


def test_after_an_outage_of_an_hour_everything_was_delivered_in_order_and_no_letter_is_left(
    orders, clock
):
    mailbox = Mailbox()
    mailbox.is_down = lambda _: clock.now < NOON + timedelta(hours=1)
    reader = orders.subscription("mail", mailbox.take)
    record(orders, "a b c", STEPS[:3])
    dead = 0
    for minute in range(100):
        if minute == 30:
            record(orders, "a b c")
        reader.catch_up()
        dead += len(list(reader.letters()))
        clock.wait(minutes=1)
    assert mailbox.has("a b c")
    assert dead == 0
    assert list(reader.letters(all=True)) == []


def test_control_without_hours_of_retries_an_outage_leaves_letters(orders, clock):
    mailbox = Mailbox()
    mailbox.is_down = lambda _: clock.now < NOON + timedelta(hours=1)
    record(orders, "a b c")
    reader = orders.subscription("mail", mailbox.take, attempts=3)
    for _ in range(100):
        reader.catch_up()
        clock.wait(minutes=1)
    assert len(list(reader.letters())) == 15


def test_the_changes_of_other_orders_do_not_wait_for_one_that_fails(orders, clock):
    mailbox = Mailbox()
    mailbox.is_down = lambda change: change.order_id == "bad"
    reader = orders.subscription("mail", mailbox.take)
    record(orders, "good bad better")
    assert reader.catch_up() == 10
    assert mailbox.has("good better")
    mailbox.is_down = lambda _: False
    clock.wait(seconds=1)
    assert reader.catch_up() == 5
    assert mailbox.has("bad")


def test_pauses_double_up_to_ten_minutes_and_differ():
    terms = DeliveryPolicy(exactly_once=False, attempts=40, pause=1.0, timeout=60)
    for attempts, longest in ((1, 1), (2, 2), (5, 16), (11, 600), (99, 600)):
        pauses = [terms.pause_after(attempts).total_seconds() for _ in range(50)]
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_by_default_a_change_is_tried_for_more_than_two_hours(orders, clock):
    tried: list[datetime] = []

    def refuse(_: OrderChange) -> None:
        tried.append(clock.now)
        raise ConnectionError

    record(orders, "xyz", STEPS[:1])
    reader = orders.subscription("mail", refuse)
    while not list(reader.letters()):
        reader.catch_up()
        clock.wait(seconds=5)
        assert clock.now < NOON + timedelta(hours=6)
    assert len(tried) == 40
    assert tried[-1] - tried[0] > timedelta(hours=2)


def test_control_a_reader_that_does_not_ask_what_waits_delivers_out_of_order(
    orders, clock, monkeypatch
):
    mailbox = Mailbox()
    mailbox.is_down = lambda change: change.after == "brand_new" and clock.now == NOON
    record(orders, "xyz")
    monkeypatch.setattr(type(orders.log.feeds), "has_undelivered", lambda *_: False)
    reader = orders.subscription("mail", mailbox.take)
    for _ in range(3):
        reader.catch_up()
        clock.wait(minutes=1)
    assert sorted(mailbox.got["xyz"]) == sorted(STEPS)
    assert not mailbox.has("xyz")


def test_with_nothing_to_do_a_subscription_writes_nothing(tmp_path):
    path = tmp_path / "orders.db"
    with connect(f"sqlite:///{path}") as orders, closing(sqlite3.connect(path)) as other:
        record(orders, "xyz")

        def version() -> int:
            return other.execute("PRAGMA data_version").fetchone()[0]

        reader = orders.subscription("mail", Mailbox().take)
        before = version()
        reader.catch_up()
        assert version() != before, "each delivery is a change, which shows here"
        before = version()
        for _ in range(20):
            assert reader.catch_up() == 0
        assert version() == before


# It hangs


class Hanging(Mailbox):
    """A peer that does not answer about one order until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.hangs = threading.Event()

    def take(self, change: OrderChange, connection: object = None) -> None:
        if change.order_id == "bad" and not self.go.is_set():
            self.hangs.set()
            self.go.wait(60)
        super().take(change)

    @property
    def takes(self) -> int:
        return sum(map(len, self.got.values()))


def until(condition: Callable[[], object]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to be")


def test_while_a_handler_hangs_other_orders_go_on_and_its_own_waits(database):
    mailbox, stop = Hanging(), threading.Event()
    with connect(database) as orders:
        reader = orders.subscription("mail", mailbox.take, timeout=0.05, pause=0.01)
        following = threading.Thread(target=reader.follow, args=(stop,), kwargs={"every": 0.01})
        following.start()
        try:
            record(orders, "good bad better")
            until(lambda: mailbox.has("good better"))
            assert mailbox.got["bad"] == []
            (first, *_) = orders.letters.list(all=True)
            assert (first.order_id, first.state, first.attempts) == ("bad", "in progress", 1)
            record(orders, "later")
            until(lambda: mailbox.has("later"))
            mailbox.go.set()
            until(lambda: mailbox.has("bad"))
        finally:
            mailbox.go.set()
            stop.set()
            following.join()
        assert list(orders.letters.list(all=True)) == []
        assert mailbox.takes == 20


def test_a_handler_that_hangs_in_a_transaction_lets_go_of_it_and_writes_nothing(database):
    """On SQLite it would hold up every append; what it writes too late is refused."""
    late: list[Exception | None] = []
    hang = [True]
    go = threading.Event()

    def write(change: OrderChange, connection) -> None:
        connection.execute("INSERT INTO ledger VALUES (1)")
        if hang:
            hang.clear()
            go.wait(60)
            try:
                connection.execute("INSERT INTO ledger VALUES (2)")
            except Exception as refused:
                late.append(refused)
                raise
            late.append(None)

    with connect(database) as orders:
        record(orders, "xyz", STEPS[:1])
        with orders.log.feeds._database.writing() as (_, connection):
            connection.execute("CREATE TABLE ledger (written integer)")
        reader = orders.subscription("mail", write, exactly_once=True, timeout=0.2, pause=0.01)
        catching_up = threading.Thread(target=reader.catch_up)
        catching_up.start()
        time.sleep(0.3)
        record(orders, "abc", STEPS[:1])
        go.set()
        catching_up.join()

        def ledger() -> list[int]:
            reader.catch_up()
            with orders.log.feeds._database.writing() as (_, connection):
                rows = connection.execute("SELECT written FROM ledger").fetchall()
            return [row["written"] for row in rows]

        until(lambda: ledger() == [1, 1] and not list(reader.letters(all=True)))
        assert late != [None]
        assert len(late) == 1


def test_an_awaited_handler_that_hangs_is_canceled_and_its_change_tried_again(database):
    async def read() -> None:
        mailbox = Mailbox()
        hung: list[str] = []

        async def take(change: OrderChange) -> None:
            if change.order_id == "bad" and not hung:
                hung.append(change.after)
                await asyncio.sleep(60)
            mailbox.take(change)

        async with connect_async(database) as orders:
            for minute, status in enumerate(STEPS):
                for order_id in ("good", "bad"):
                    await orders.record_callback(step(order_id, status, minute))
            reader = orders.subscription("mail", take, timeout=0.2, pause=0.01)
            following = asyncio.create_task(reader.follow(every=0.01))
            await asyncio.to_thread(until, lambda: mailbox.has("good bad"))
            while await reader.letters(all=True):  # noqa: ASYNC110 - the note of it takes a moment
                await asyncio.sleep(0.01)
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        assert mailbox.has("good bad")
        assert hung == [STEPS[0]]

    asyncio.run(asyncio.wait_for(read(), 60))


async def ignore(_: OrderChange) -> None:
    await asyncio.sleep(0)


def test_a_reader_canceled_twice_within_a_step_waits_for_it_and_closes(database):
    async def read() -> None:
        async with connect_async(database) as orders:
            for minute, status in enumerate(STEPS):
                await orders.record_callback(step("good", status, minute))
            reader = orders.subscription("mail", ignore)
            for turn in range(40):
                following = asyncio.create_task(reader.follow(every=0.001))
                await asyncio.sleep(0.001 * (turn % 8))
                following.cancel()
                await asyncio.sleep(0)
                following.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await following
            await reader.catch_up()
            assert await reader.letters() == []

    asyncio.run(asyncio.wait_for(read(), 60))


def test_a_loop_that_shuts_down_waits_for_the_step_of_a_reader(database, caplog):
    async def leave(seconds: float) -> None:
        async with connect_async(database) as orders:
            await orders.record_callback(step("good", STEPS[0], 0))
            reader = orders.subscription("mail", ignore)
            following = asyncio.create_task(reader.follow(every=0.001))
            await asyncio.sleep(seconds)
            raise LookupError(following)

    for turn in range(20):
        with pytest.raises(LookupError):
            asyncio.run(leave(turn / 1000))
    assert "generator already executing" not in caplog.text


@pytest.mark.parametrize("way", ["called", "awaited"])
def test_a_handler_may_be_idle_in_its_transaction_for_longer_than_the_server_lets_others(
    postgres, way
):
    """The limit for appends is half a second here; the handler's own timeout is two."""
    url = f"{postgres.new_url()}&idle_in_transaction_session_timeout=0.5"
    with connect(url) as orders:
        record(orders, "xyz", STEPS[:1])
    table = f"ledger_{os.urandom(6).hex()}"

    def write(change: OrderChange, connection) -> None:
        connection.execute(f"CREATE TABLE {table} (position integer)")
        time.sleep(1)
        connection.execute(f"INSERT INTO {table} VALUES (%s)", (change.position,))

    {"called": called, "awaited": awaited}[way](url, write, exactly_once=True)
    with connect(url) as orders:
        assert written(orders, table, "position") == [(1,)]
        assert [each.attempts for each in orders.letters.delivered("xyz")] == [1]


# Its process ends


def died(url: str, attempts: int) -> tuple[int, list[str]]:
    """Deliver in a process that one order's changes end; return how it ended and what it got."""

    def read(sending: int) -> None:
        def take(change: OrderChange) -> None:
            if change.order_id == "bad":
                os._exit(7)
            os.write(sending, f"{change.order_id} {change.after}\n".encode())

        with connect(url) as orders:
            orders.subscription("mail", take, attempts=attempts, pause=0.001).catch_up()

    code, told = Child(read).collect()
    return code, told.decode().splitlines()


def test_a_handler_that_ends_the_process_becomes_a_dead_letter_and_others_go_on(database):
    with connect(database) as orders:
        record(orders, "good bad better")
    told: list[str] = []
    deaths = 0
    while (ended := died(database, 3))[0] == 7:
        told += ended[1]
        deaths += 1
    told += ended[1]
    assert ended[0] == 0
    assert deaths == 3
    wanted = [f"{order} {status}" for status in STEPS for order in ("good", "better")]
    assert told == wanted
    with connect(database) as orders:
        dead, *behind = orders.letters.list()
        assert (dead.state, dead.attempts) == ("dead", 3)
        assert dead.reason == "the handler has not returned, or its process ended"
        assert [letter.state for letter in behind] == ["blocked"] * 4


def test_a_reader_is_known_to_live_while_its_process_does():
    with named_reader() as here:
        assert is_alive(here)
        _, *rest = here.split(" ")
        assert is_alive(" ".join(["elsewhere", *rest])) is None
    assert is_alive(here) is False


def test_a_reader_is_known_to_be_gone_before_anybody_has_waited_for_its_process():
    def deliver(sending: int) -> None:
        with named_reader() as name:
            os.write(sending, name.encode())
            time.sleep(60)

    child = Child(deliver)
    name = child.first_bytes().decode()
    assert is_alive(name)
    child.kill()
    until(lambda: is_alive(name) is False)
    child.collect()
    assert is_alive(name) is False


def test_what_a_reader_on_another_host_has_in_progress_is_taken_over_when_its_time_is_up(
    orders, clock
):
    mailbox = Mailbox()
    record(orders, "xyz", STEPS[:1])
    reader = orders.subscription("mail", mailbox.take, timeout=60)
    reader.positions  # noqa: B018 - it begins there
    elsewhere = Delivery("mail", 1, "xyz", "why", 1, clock.now + timedelta(minutes=2), "far 1 2 3")
    assert orders.log.feeds.enqueue(0, elsewhere)
    assert reader.catch_up() == 0
    clock.wait(minutes=2)
    assert reader.catch_up() == 1


Write = Callable[..., None]


def called(url: str, write: Write, *, exactly_once: bool) -> None:
    with connect(url) as orders:
        orders.subscription("ledger", write, exactly_once=exactly_once).catch_up()


def awaited(url: str, write: Write, *, exactly_once: bool) -> None:
    async def take(*given: object) -> None:
        await asyncio.sleep(0)
        write(*given)

    async def read() -> None:
        async with connect_async(url) as orders:
            reader = orders.subscription("ledger", take, exactly_once=exactly_once)
            await reader.catch_up()

    asyncio.run(read())


def killed_at_random(read: Callable[[int], None], seed: int = 5) -> int:
    """Run a reader until it is done, killed after a while again and again; return how often."""
    random = Random(seed)
    for kills in range(200):
        reader = Child(read)
        reader.first_bytes()  # of the handler's first call, or none as there is none
        time.sleep(random.uniform(0, 0.06))
        reader.kill()
        code, told = reader.collect()
        assert b"Traceback" not in told
        if code == 0:
            return kills
    raise AssertionError("it never came to the end")


def written(orders: Orders, table: str, *columns: str) -> list[tuple[object, ...]]:
    columns = columns or ("position", "order_id")
    with orders.log.feeds._database.writing() as (_, connection):
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY position")
        return [tuple(row[column] for column in columns) for row in rows.fetchall()]


@pytest.fixture
def ledger(database) -> Iterator[tuple[str, str]]:
    """A service's own table beside the log, and the statement that writes to it."""
    table = f"ledger_{os.urandom(6).hex()}"
    marks = "?, ?" if database.startswith("sqlite") else "%s, %s"
    with connect(database) as orders:
        with orders.log.feeds._database.writing() as (_, connection):
            connection.execute(f"CREATE TABLE {table} (position integer, order_id text)")
        record(orders, MANY)
    return table, f"INSERT INTO {table} VALUES ({marks})"


@pytest.mark.parametrize("way", [called, awaited])
def test_under_kills_everything_is_written_once_and_in_order(database, ledger, way):
    table, insert = ledger

    def read(sending: int) -> None:
        def write(change: OrderChange, connection) -> None:
            os.write(sending, b".")
            connection.execute(insert, (change.position, change.order_id))

        way(database, write, exactly_once=True)

    kills = killed_at_random(read)
    assert kills >= 1
    with connect(database) as orders:
        wanted = [(change.position, change.order_id) for change in orders.changes()]
        assert written(orders, table) == wanted
        for order_id in MANY.split():
            took = list(orders.letters.delivered(order_id))
            assert [(each.outcome, each.subscription) for each in took] == [
                ("delivered", "ledger")
            ] * 5
        assert list(orders.letters.list(all=True)) == []


def test_control_with_a_connection_of_its_own_a_killed_handler_writes_something_twice(tmp_path):
    url, own = f"sqlite:///{tmp_path}/orders.db", f"{tmp_path}/own.db"
    with connect(url) as orders:
        record(orders, "a b")
    with closing(sqlite3.connect(own)) as connection:
        connection.execute("CREATE TABLE ledger (position integer)")

    def read(sending: int) -> None:
        def write(change: OrderChange) -> None:
            os.write(sending, b".")
            with closing(sqlite3.connect(own, isolation_level=None)) as connection:
                connection.execute("INSERT INTO ledger VALUES (?)", (change.position,))
            time.sleep(0.02)  # written and not yet settled: some kills come here

        called(url, write, exactly_once=False)

    killed_at_random(read)
    with closing(sqlite3.connect(own)) as connection:
        rows = [position for (position,) in connection.execute("SELECT position FROM ledger")]
    assert set(rows) == set(range(1, 11))
    assert len(rows) > len(set(rows))


# Looking after letters


@pytest.fixture
def stuck(database) -> str:
    """The URL of a log with a dead letter, and a change that it blocks."""
    mailbox = Mailbox()
    mailbox.is_down = lambda change: change.order_id == "bad"
    with connect(database) as orders:
        record(orders, "good bad", STEPS[:2])
        orders.subscription("mail", mailbox.take, attempts=1).catch_up()
    return database


def test_letters_are_listed_and_shown_without_any_handler(stuck, tmp_path):
    listed = run("letters", "list", "--json", "--db", stuck, cwd=tmp_path).value
    assert [(each["position"], each["state"], each["attempts"]) for each in listed] == [
        (2, "dead", 1),
        (4, "blocked", 0),
    ]
    shown = run("letters", "show", "mail", "2", "--json", "--db", stuck, cwd=tmp_path).value
    assert shown == listed[0]
    assert shown == {
        "subscription": "mail",
        "position": 2,
        "order_id": "bad",
        "reason": "the handler raised ConnectionError",
        "attempts": 1,
        "due_at": None,
        "state": "dead",
    }
    table = run("letters", "list", "--subscription", "mail", "--db", stuck, cwd=tmp_path)
    assert "the handler raised ConnectionError" in table.out
    text = run("letters", "show", "mail", "2", "--db", stuck, cwd=tmp_path).out
    assert "lifecycle history bad" in text


def test_what_is_redriven_at_the_command_line_is_delivered_where_the_subscription_runs(
    stuck, tmp_path
):
    told = run("letters", "redrive", "mail", "2", "--json", "--db", stuck, cwd=tmp_path)
    assert told.value == {"redriven": 1}
    again = run("letters", "redrive", "--db", stuck, cwd=tmp_path)
    assert again.out.startswith("0 letters due")
    mailbox = Mailbox()
    with connect(stuck) as orders:
        assert orders.subscription("mail", mailbox.take).catch_up() == 2
    assert mailbox.got == {"bad": ["brand_new", "acknowledged"]}
    assert run("letters", "list", "--all", "--db", stuck, cwd=tmp_path).out == "no letters\n"


def test_what_is_dropped_is_kept_with_its_reason_and_the_next_goes_on(stuck, tmp_path):
    dropped = run(
        "letters", "drop", "mail", "2", "--reason", "the customer called", "--db", stuck,
        cwd=tmp_path,
    )  # fmt: skip
    assert dropped.code == 0
    with connect(stuck) as orders:
        mailbox = Mailbox()
        assert orders.subscription("mail", mailbox.take).catch_up() == 1
    told = run("letters", "delivered", "bad", "--json", "--db", stuck, cwd=tmp_path).value
    assert [(each["position"], each["outcome"], each["reason"]) for each in told] == [
        (2, "dropped", "the customer called"),
        (4, "delivered", ""),
    ]
    told = run("letters", "delivered", "bad", "--db", stuck, cwd=tmp_path)
    assert "the customer called" in told.out
    nothing = run("letters", "delivered", "nobody", "--db", stuck, cwd=tmp_path)
    assert nothing.out == "nothing of this order was delivered\n"


@pytest.mark.parametrize(
    "command",
    [["show", "mail", "1"], ["redrive", "mail", "1"], ["drop", "mail", "1", "--reason", "why"]],
)
def test_a_letter_that_is_none_is_the_answer_no(stuck, tmp_path, command):
    answer = run("letters", *command, "--db", stuck, cwd=tmp_path)
    assert answer.code == 1
    assert "subscription 'mail' has nothing undelivered at position 1" in answer.err


def test_a_letter_is_not_dropped_without_a_reason(stuck):
    with connect(stuck) as orders:
        for nonsense in ("", " ", "a\nb", "x" * 501, None):
            with pytest.raises(InvalidArgumentError, match="reason"):
                orders.letters.drop("mail", 2, reason=nonsense)
        assert orders.letters.drop("post", 2, reason="why") is None
        assert orders.letters.drop("mail", 2, reason="why").reason == "why"


def test_what_was_delivered_says_to_whom_and_when(orders, clock):
    mailbox = Mailbox()
    mailbox.is_down = lambda _: clock.now == NOON
    record(orders, "xyz", STEPS[:1])
    for name in ("mail", "label"):
        orders.subscription(name, mailbox.take).catch_up()
    clock.wait(hours=1)
    for name in ("mail", "label"):
        orders.subscription(name, mailbox.take).catch_up()
    hour_later = NOON + timedelta(hours=1)
    assert [each[:5] for each in orders.letters.delivered("xyz")] == [
        ("label", 1, "xyz", hour_later, 2),
        ("mail", 1, "xyz", hour_later, 2),
    ]


def test_old_records_of_deliveries_are_pruned_only_where_somebody_asks(stuck, tmp_path):
    nothing = run("letters", "prune", "--older-than", "1d", "--db", stuck, cwd=tmp_path)
    assert nothing.out == "0 records deleted\n"
    with connect(stuck, clock=lambda: datetime.now(UTC) + timedelta(days=91)) as orders:
        assert orders.letters.prune(older_than=timedelta(days=90)) == 2
        assert list(orders.letters.delivered("good")) == []
        assert len(list(orders.letters.list())) == 2
    told = run("letters", "prune", "--older-than", "1s", "--json", "--db", stuck, cwd=tmp_path)
    assert told.value == {"pruned": 0}


@pytest.mark.parametrize("span", [timedelta(0), timedelta(days=-1), 90, None])
def test_nobody_prunes_what_was_just_delivered(orders, span):
    with pytest.raises(InvalidArgumentError, match="older_than"):
        orders.letters.prune(older_than=span)
