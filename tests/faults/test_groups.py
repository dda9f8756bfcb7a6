"""What shares a commit: how groups form, and that one caller's trouble is no other's."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import pytest

from lifecycle.audit.verify import verify
from lifecycle.core.event import Event
from lifecycle.errors import (
    InvalidArgumentError,
    StoreClosedError,
    StoredFormatError,
    StoreUnavailableError,
    VersionConflictError,
)
from lifecycle.log import append_queue
from lifecycle.log.append_queue import (
    GROUP_BYTES,
    GROUP_ENTRIES,
    AppendQueue,
    AsyncAppendQueue,
    Batch,
    ThreadBatch,
)
from lifecycle.log.codec import prepare
from lifecycle.log.contract import Outcome, Record, StreamPosition
from lifecycle.log.link_store import OrderLink
from lifecycle.log.retry_policy import retrying
from lifecycle.log.store_port import Row, Transaction, TryAgainError
from lifecycle.log.stores.memory.log import MemoryLog, MemoryRecorder
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.log.stream_tails import StreamTails
from tests.contract.entries import NOON, event, stream
from tests.polling import PATIENCE, wait_until

Log = MemoryLog | SQLiteLog


class Gate:
    """A clock at which the first commit after `shut` waits until `open`."""

    def __init__(self) -> None:
        self._closed = False
        self._reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self) -> datetime:
        if self._closed:
            self._closed = False
            self._reached.set()
            assert self._opened.wait(PATIENCE)
        return NOON

    def shut(self) -> None:
        self._closed = True

    def wait_for_a_commit(self) -> None:
        assert self._reached.wait(PATIENCE)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture(params=["memory", "sqlite"])
def gated(request, tmp_path) -> Iterator[tuple[Log, Gate]]:
    gate = Gate()
    memory = request.param == "memory"
    log = MemoryLog(clock=gate) if memory else SQLiteLog(tmp_path / "orders.db", clock=gate)
    with closing(log):
        yield log, gate


@pytest.fixture
def no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sleeper looks up by itself: whoever is not woken sleeps too long for the test."""
    monkeypatch.setattr(append_queue, "_NAP_SECONDS", 60)


def in_one_group(log: Log, gate: Gate, events: Sequence[Event]) -> list[Future[Any]]:
    """Record the events from a thread each, all in the commit after one that is held up."""
    gate.shut()
    with ThreadPoolExecutor(len(events) + 1) as threads:
        first = threads.submit(log.append, event("first", 0))
        gate.wait_for_a_commit()
        others = [threads.submit(log.append, one) for one in events]
        wait_until(lambda: len(log._queue._waiting) == len(events))
        gate.open()
    assert first.result().outcome is Outcome.APPENDED
    return others


def count_commits(log: Log) -> list[int]:
    """Return a list that grows by the number of records of every write."""
    written: list[int] = []
    writing = log.recorder.writing

    @contextmanager
    def counting(*, exclusive: bool) -> Iterator[Counted]:
        with writing(exclusive=exclusive) as transaction:
            yield Counted(transaction, written)

    log.recorder.writing = counting
    return written


class Counted:
    """A transaction that notes how many records it inserts."""

    def __init__(self, transaction: Transaction, written: list[int]) -> None:
        self.tip = transaction.tip
        self._transaction = transaction
        self._written = written

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        self._written.append(len(rows))
        return self._transaction.insert(rows, links)


def insert(recorder: Any, *rows: Row) -> Sequence[int]:
    with recorder.writing() as transaction:
        return transaction.insert(rows)


def test_waiting_callers_share_the_next_commit(gated, no_naps):
    log, gate = gated
    commits = count_commits(log)

    others = in_one_group(log, gate, [event(number=n) for n in range(12)])

    assert {other.result().outcome for other in others} == {Outcome.APPENDED}
    assert commits == [1, 12]


def test_the_same_event_of_several_callers_is_appended_once_and_all_get_receipts(gated, no_naps):
    log, gate = gated

    others = in_one_group(log, gate, [event()] * 5)

    told = [other.result() for other in others]
    assert sorted(done.outcome for done in told) == [Outcome.APPENDED] + [Outcome.DUPLICATE] * 4
    assert {(done.stream, done.version, done.position) for done in told} == {(stream(), 1, 2)}


@pytest.mark.parametrize("batches", [1, 700])
@pytest.mark.parametrize("entries", [1, 300, 501])
def test_a_group_is_bounded_by_entries_but_splits_no_batch(batches, entries):
    prepared = [prepare(event())] * entries
    groups = grouped([ThreadBatch(prepared) for _ in range(batches)])

    largest = max(sum(len(batch.appends) for batch in group) for group in groups)
    assert largest <= max(GROUP_ENTRIES, entries)
    assert sum(map(len, groups)) == batches
    assert len(groups) == -(-batches // max(1, GROUP_ENTRIES // entries))


def test_a_group_is_bounded_by_bytes():
    third = prepare(event(body=b"x" * (GROUP_BYTES // 3)))

    assert [len(group) for group in grouped([ThreadBatch([third]) for _ in range(7)])] == [3, 3, 1]


def grouped(batches: Sequence[Batch]) -> list[list[Batch]]:
    groups: list[list[Batch]] = []

    def commit(group: Sequence[Batch]) -> None:
        groups.append(list(group))
        for batch in group:
            batch.settle()

    queue = AppendQueue(commit)
    for batch in batches:
        queue.enqueue(batch)
    queue.drain()
    return groups


# One caller's trouble


def test_in_a_group_a_conflict_fails_its_own_caller_only(gated):
    log, _ = gated

    async def record() -> list[Any]:
        return await asyncio.gather(
            log.append_async(event(number=1), expected_version=0),
            log.append_async(event(number=2), expected_version=0),
            log.append_async(event(number=3)),
            return_exceptions=True,
        )

    first, second, third = asyncio.run(record())

    assert (first.version, third.version) == (1, 2)
    assert isinstance(second, VersionConflictError)


def test_in_a_group_an_entry_that_the_store_cannot_hold_fails_its_own_caller_only(tmp_path):
    gate = Gate()
    with closing(SQLiteLog(tmp_path / "orders.db", clock=gate)) as log:
        log.append(event("first", 1))
        connection = log.recorder.datastore.pool.get_connection()
        connection.driver.setlimit(0, 100_000)  # SQLITE_LIMIT_LENGTH
        log.recorder.datastore.pool.put_connection(connection)
        sent = [event(number=1), event(number=2, body=b"x" * 200_000), event(number=3)]

        first, large, third = in_one_group(log, gate, sent)

        with pytest.raises(InvalidArgumentError, match="a body that the database can hold"):
            large.result()
        assert {first.result().version, third.result().version} == {1, 2}
        assert verify(log).ok


def test_in_a_group_a_damaged_order_fails_its_own_caller_only(tmp_path):
    path = tmp_path / "orders.db"
    with closing(SQLiteLog(path)) as log:
        insert(log.recorder, Record(stream("a"), 1, "callback", 0, b"damaged\n"))
    gate = Gate()
    with closing(SQLiteLog(path, clock=gate)) as log:
        damaged, sound = in_one_group(log, gate, [event("a", 2), event("b", 1)])

        with pytest.raises(StoredFormatError):
            damaged.result()
        assert sound.result().version == 1


def test_when_a_group_fails_every_caller_gets_an_error_of_its_own(gated):
    log, gate = gated

    def refuse(*, exclusive: bool) -> Any:
        raise StoreUnavailableError(log.url, "it was unplugged")

    writing = log.recorder.writing

    def once(*, exclusive: bool) -> Any:
        log.recorder.writing = refuse
        return writing(exclusive=exclusive)

    log.recorder.writing = once
    errors = [o.exception() for o in in_one_group(log, gate, [event(number=n) for n in range(5)])]

    assert {error.found for error in errors} == {"it was unplugged"}
    assert len(set(map(id, errors))) == 5
    log.recorder.writing = writing
    assert log.append(event(number=1)).outcome is Outcome.APPENDED


def test_a_clock_that_fails_fails_the_call_and_nothing_else(tmp_path):
    times: list[datetime | None] = [NOON, None, NOON.replace(tzinfo=None), NOON]
    with closing(MemoryLog(clock=lambda: times.pop(0))) as log:
        log.append(event(number=1))
        with pytest.raises(AttributeError):
            log.append(event(number=2))
        with pytest.raises(InvalidArgumentError, match="a datetime with a zone"):
            log.append(event(number=3))
        assert log.append(event(number=4)).version == 2


class Timer:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_a_store_that_is_busy_is_asked_again_ever_less_often(monkeypatch):
    timer, asked = Timer(), 0
    monkeypatch.setattr("lifecycle.log.retry_policy.time", timer)

    def busy() -> None:
        nonlocal asked
        asked += 1
        raise TryAgainError("it is busy")

    with pytest.raises(StoreUnavailableError, match="store 'some' cannot be used: it is busy"):
        retrying("some", 4, busy)
    assert 40 < asked < 200
    assert sum(timer.slept[:10]) < sum(timer.slept[10:20]) <= 1


# Who wakes whom


class InterruptedOnce(Gate):
    """Its second commit, the one after the gate, is interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __call__(self) -> datetime:
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return super().__call__()


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_when_a_leader_is_interrupted_the_others_of_its_group_are_woken(tmp_path, no_naps, store):
    gate = InterruptedOnce()
    memory = store == "memory"
    log = MemoryLog(clock=gate) if memory else SQLiteLog(tmp_path / "orders.db", clock=gate)
    with closing(log):
        others = in_one_group(log, gate, [event(number=n) for n in range(6)])

        interrupted = [
            o for o in others if isinstance(o.exception(timeout=PATIENCE), KeyboardInterrupt)
        ]
        versions = [other.result().version for other in others if other not in interrupted]
        assert len(interrupted) == 1
        assert sorted(versions) == [1, 2, 3, 4, 5]
        assert verify(log).ok


def test_leaders_hand_over_without_waiting_for_anybody_to_look_up(gated, no_naps):
    log, _ = gated
    with ThreadPoolExecutor(8) as threads:
        sent = [event(f"o{n % 3}", n) for n in range(400)]
        done = [threads.submit(log.append, one) for one in sent]
        assert {one.result(timeout=PATIENCE).outcome for one in done} == {Outcome.APPENDED}


def test_a_sleeper_whose_wake_up_is_lost_leads_by_itself(gated, monkeypatch):
    log, gate = gated
    monkeypatch.setattr(append_queue, "_NAP_SECONDS", 0.05)
    monkeypatch.setattr(AppendQueue, "_wake_next", lambda _: None)

    others = in_one_group(log, gate, [event(number=n) for n in range(6)])

    assert {other.result(timeout=PATIENCE).outcome for other in others} == {Outcome.APPENDED}


def test_a_batch_of_a_dead_leader_is_recorded_by_its_own_caller():
    lost: list[Batch] = []

    def commit(group: Sequence[Batch]) -> None:
        for batch in group:
            if lost:
                batch.settle()
            else:
                lost.append(batch)

    batch = ThreadBatch([prepare(event())])

    assert AppendQueue(commit).submit(batch) is batch.appends
    assert len(lost) == 1


# Coroutines


def test_a_hundred_tasks_share_few_commits_and_wake_together(gated):
    log, _ = gated
    commits = count_commits(log)
    wakes = 0

    async def record_all() -> None:
        nonlocal wakes
        loop = asyncio.get_running_loop()
        call = loop.call_soon_threadsafe

        def counting(*args: Any, **kwargs: Any) -> Any:
            nonlocal wakes
            wakes += 1
            return call(*args, **kwargs)

        loop.call_soon_threadsafe = counting  # type: ignore[method-assign]
        await asyncio.gather(*(log.append_async(event(number=n)) for n in range(100)))

    asyncio.run(record_all())
    log.close()

    assert commits == [100]
    assert wakes == 1


def test_tasks_need_one_thread_however_many_they_are(gated):
    log, _ = gated

    async def record_all() -> set[str]:
        threads: set[str] = set()
        for start in range(0, 300, 100):
            await asyncio.gather(*(log.append_async(event(number=start + n)) for n in range(100)))
            threads |= {thread.name for thread in threading.enumerate()}
        return threads

    names = asyncio.run(record_all())

    assert len([name for name in names if name.startswith("lifecycle-append")]) == 1
    log.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("lifecycle-append")]


def test_a_loop_that_was_closed_meanwhile_does_no_harm_to_others_in_the_group(gated, no_naps):
    log, gate = gated
    gate.shut()

    async def leave() -> None:
        asyncio.ensure_future(log.append_async(event(number=1)))  # noqa: RUF006 - left on purpose
        await asyncio.sleep(0)

    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(log.append, event("first", 0))
        gate.wait_for_a_commit()
        asyncio.run(leave())
        others = [threads.submit(log.append, event(number=n)) for n in range(2, 5)]
        wait_until(lambda: len(log._queue._waiting) == 4)
        gate.open()
        versions = [other.result(timeout=PATIENCE).version for other in others]

    assert first.result().version == 1
    assert sorted(versions) == [2, 3, 4]


def test_an_error_for_a_task_that_was_canceled_meanwhile_is_not_reported_as_forgotten():
    def failing(group: Sequence[Batch]) -> None:
        for batch in group:
            batch.settle(StoreUnavailableError("memory:", "it is gone"))

    queue = AsyncAppendQueue(AppendQueue(failing))
    reported: list[str] = []

    async def leave() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
        await asyncio.wait([queue.submit([prepare(event())], None)])
        gc.collect()

    asyncio.run(leave())
    queue.close()
    assert reported == []


def test_event_loops_that_are_gone_are_not_remembered(gated):
    log, _ = gated
    for number in range(5):
        asyncio.run(log.append_async(event(number=number)))

    assert len(log._tasks._inboxes) == 1


# What is remembered


def contents_remembered(tails: StreamTails) -> int:
    return sum(end.size for end in tails._tails.values())


def test_the_memory_of_the_writer_is_bounded():
    recorder = MemoryRecorder()
    tails = StreamTails(recorder, kept=50)
    for n in range(200):
        taken = tails.take([f"s{n}"], {})
        for number in range(10):
            taken[f"s{n}"].put(f"k{number}", "d", StreamPosition(number, number))
        tails.keep(taken)
        assert contents_remembered(tails) <= 50
    assert list(tails._tails) == [f"s{n}" for n in range(195, 200)]


def test_only_the_last_of_two_large_orders_stays_in_the_cache():
    tails = StreamTails(MemoryRecorder(), kept=5)
    for name in ["a", "b"]:
        taken = tails.take([name], {})
        for number in range(4):
            taken[name].put(f"k{number}", "d", StreamPosition(1, 1))
        tails.keep(taken)

    assert list(tails._tails) == ["b"]


def test_the_most_recently_used_order_stays_cached_longest():
    tails = StreamTails(MemoryRecorder(), kept=2)
    for name in ["a", "b", "a", "c"]:
        taken = tails.take([name], {})
        taken[name].put("k", "d", StreamPosition(1, 1))
        tails.keep(taken)

    assert list(tails._tails) == ["a", "c"]


def test_one_order_that_is_larger_than_the_memory_is_still_remembered():
    tails = StreamTails(MemoryRecorder(), kept=5)
    taken = tails.take(["a"], {})
    for number in range(100):
        taken["a"].put(f"k{number}", "d", StreamPosition(1, 1))
    tails.keep(taken)

    assert list(tails._tails) == ["a"]


def test_an_evicted_order_is_read_again(gated):
    log, _ = gated
    log._queue._commit.__self__._tails._kept = 3
    sent = [event(f"o{n % 7}", n % 35) for n in range(140)]

    told = [log.append(one).outcome for one in sent]

    assert told == [Outcome.APPENDED] * 35 + [Outcome.DUPLICATE] * 105
    assert verify(log).ok


# Closing in the middle


def test_a_call_that_was_under_way_when_the_log_closed_says_so(gated):
    log, _ = gated
    log.append(event(number=1))
    log.recorder.close()

    with pytest.raises(StoreClosedError):
        log.append(event(number=2))


def test_a_write_to_memory_that_is_interrupted_leaves_nothing():
    recorder = MemoryRecorder()
    insert(recorder, Record("a", 1, "t", 0, b"{}\n"))

    class InterruptedList(list):
        def append(self, item: object) -> None:
            if len(self) == 3:
                raise KeyboardInterrupt
            super().append(item)

    recorder._stored_events = InterruptedList(recorder._stored_events)
    with pytest.raises(KeyboardInterrupt):
        insert(recorder, *[Record("a", n, "t", 0, b"{}\n") for n in range(2, 6)])

    assert recorder.last_position() == 1
    recorder._stored_events = list(recorder._stored_events)
    assert list(insert(recorder, Record("a", 2, "t", 0, b"{}\n"))) == [2]
    assert [record.version for record in recorder.read("a", 0, 99)] == [1, 2]
