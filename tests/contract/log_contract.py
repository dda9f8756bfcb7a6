"""What every log promises, whatever store it lies in. A store runs the suite with one line."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lifecycle.audit.verify import verify
from lifecycle.core.event import Arrival, Event, Redriven, Unreadable
from lifecycle.errors import (
    InvalidArgumentError,
    OpenedElsewhereError,
    StoreClosedError,
    StoredFormatError,
    StoreUnavailableError,
    VersionConflictError,
)
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL, QUARANTINE, Log, Outcome
from lifecycle.log.stores.memory.log import MemoryLog
from tests.contract.entries import NOON, TickingClock, event, stream, told, unreadable

APPENDED, DUPLICATE = Outcome.APPENDED, Outcome.DUPLICATE

EVERYTHING = event(
    "xyz",
    7,
    body=b'\x00\xff not JSON \n "',
    kind="response",
    name="accepted",
    trigger="created",
    received_at=datetime(2026, 7, 7, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))),
    event_id="1201895966044343904",
    attempt=3,
    exchange_id="é\U0001f600",
    status=" Brand_New\x00",
    occurred_at=datetime(1, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC),
    http_status=201,
    headers={"content-type": "text/html; charset=ü", "x-request-id": '"\\'},
    problems=("bad_time", "unreadable_body"),
    redriven_from=12,
)


def outcomes(log: Log, *entries: Any) -> list[Outcome]:
    return [log.append(entry).outcome for entry in entries]


def in_a_fork(call: Callable[[], object]) -> str:
    """Return the name of what `call` raises in a fork of this process."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            call()
            os.write(sending, b"nothing")
        except BaseException as raised:  # noqa: BLE001 - told to the parent
            os.write(sending, type(raised).__name__.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        return pipe.read().decode()


def another_beside(log: Log) -> MemoryLog:
    """Return a log whose records another can take: encrypted with the same keys where that is."""
    other = MemoryLog()
    if log.cipher is not None:
        other.use_keys(log.cipher._store)
    return other


class LogContract:
    """Run by `class TestSomeLog(LogContract)`, which says how to open one."""

    def open(self, folder: Path, clock: Callable[[], datetime]) -> Log:
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[Log]:
        log = self.open(tmp_path, TickingClock())
        yield log
        log.close()

    # Appending

    def test_records_of_another_log_can_be_put_in_just_as_they_are_all_or_none(self, log):
        other = another_beside(log)
        other.append_many([event("xyz", 1), event("abc", 2), event("xyz", 3), unreadable()])
        taken = list(other.scan())
        log.restore(taken[:2])
        with pytest.raises(StoreUnavailableError):
            log.restore(taken[1:])
        log.restore(taken[2:])
        assert [each.state for each in log.scan()] == [each.state for each in taken]
        assert outcomes(log, event("xyz", 3), event("xyz", 4)) == [DUPLICATE, APPENDED]
        assert verify(log).ok

    def test_an_order_of_which_records_are_missing_is_read_and_the_next_append_names_the_gap(
        self, log
    ):
        other = another_beside(log)
        other.append_many([event("before", n) for n in range(9)])
        other.append_many([event(number=n) for n in range(9)])
        taken = list(other.scan())
        log.restore([*taken[:11], *taken[15:]])

        assert [record.version for record in log.read_many([stream()])[stream()]] == [1, 2, 7, 8, 9]
        assert [record.version for record in log.walk(stream())] == [1, 2, 7, 8, 9]
        with pytest.raises(StoredFormatError, match="its version is 7; expected 3") as named:
            log.append(event(number=9))
        assert (named.value.stream, named.value.version) == (stream(), 7)
        assert outcomes(log, event("before", 9), event("other", 1)) == [APPENDED, APPENDED]

    def test_a_stream_is_walked_whole_however_many_pages_it_has(self, log):
        log.append_many([unreadable() for _ in range(1201)])
        log.append(event())

        assert [record.version for record in log.walk(QUARANTINE)] == list(range(1, 1202))
        assert list(log.walk("order:instacart:nobody")) == []

    def test_a_log_without_foreign_writes_has_no_stray_records(self, log):
        log.append_many([event(), unreadable()])

        assert list(log.strays()) == []

    def test_the_first_event_is_appended_as_version_one(self, log):
        assert told(log.append(event())) == (APPENDED, stream(), 1, 1)

    def test_versions_count_within_an_order_and_positions_over_the_whole_log(self, log):
        places = [
            told(log.append(event(order, n)))[2:] for order, n in [("a", 1), ("b", 1), ("a", 2)]
        ]

        assert places == [(1, 1), (1, 2), (2, 3)]

    def test_the_same_content_again_is_a_duplicate_and_stands_where_the_first_copy_stands(
        self, log
    ):
        log.append_many([event("a"), event("b")])

        again = log.append(event("a", received_at=NOON + timedelta(days=1)))

        assert told(again) == (DUPLICATE, stream("a"), 1, 1)
        assert log.last_position() == 2

    def test_a_stored_key_with_new_content_is_divergent_and_stored(self, log):
        assert outcomes(log, event(body=b"1"), event(body=b"2"), event(body=b"3")) == [
            APPENDED,
            Outcome.DIVERGENT,
            Outcome.DIVERGENT,
        ]
        assert told(log.append(event(body=b"2"))) == (DUPLICATE, stream(), 2, 2)
        assert [record.version for record in log.read(stream())] == [1, 2, 3]

    def test_a_key_belongs_to_its_order(self, log):
        assert outcomes(log, event("a"), event("b")) == [APPENDED, APPENDED]

    def test_a_batch_is_deduplicated_against_itself(self, log):
        batch = [event(number=1), event(number=2), event(number=1), event(number=1, body=b"[]")]

        assert [told(done) for done in log.append_many(batch)] == [
            (APPENDED, stream(), 1, 1),
            (APPENDED, stream(), 2, 2),
            (DUPLICATE, stream(), 1, 1),
            (Outcome.DIVERGENT, stream(), 3, 3),
        ]

    def test_an_empty_batch_is_nothing(self, log):
        assert log.append_many([]) == []
        assert log.last_position() == 0

    def test_a_batch_larger_than_a_group_is_one_commit(self, log):
        done = log.append_many([event(str(n % 700), n) for n in range(1500)])

        assert [one.position for one in done] == list(range(1, 1501))

    def test_a_batch_with_a_bad_entry_appends_nothing(self, log):
        with pytest.raises(InvalidArgumentError):
            log.append_many(
                [event(number=1), event(number=2, received_at=NOON.replace(tzinfo=None))]
            )

        assert log.last_position() == 0

    @pytest.mark.parametrize(
        "bad",
        [
            event(received_at=NOON.replace(tzinfo=None)),
            event(received_at="2026-01-01T00:00:00Z"),
            event()._replace(body="text"),
            event(order_id=None),
            event(key=5),
            event(attempt="1"),
            event(headers={"a": 1}),
            event(occurred_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
            {"kind": "callback"},
            None,
        ],
        ids=str,
    )
    def test_a_value_that_is_no_entry_is_refused_and_does_no_harm(self, log, bad):
        with pytest.raises(InvalidArgumentError, match="the entry cannot be used"):
            log.append(bad)

        assert log.append(event()).outcome is APPENDED

    def test_the_recorded_time_is_the_clock_s(self, log):
        log.append(event())

        assert decode(log.read(stream())[0], log.cipher).recorded_at == NOON + timedelta(
            microseconds=1
        )

    # The quarantine

    def test_unreadable_arrivals_count_each_time(self, log):
        places = [log.append(unreadable()) for _ in range(2)]

        assert [told(place) for place in places] == [
            (Outcome.QUARANTINED, QUARANTINE, 1, 1),
            (Outcome.QUARANTINED, QUARANTINE, 2, 2),
        ]

    def test_a_redriven_mark_lies_in_the_control_stream(self, log):
        mark = Redriven(1, stream(), "callback:1", NOON)

        done = log.append_many([unreadable(), event(redriven_from=1), mark])

        assert [one.outcome for one in done] == [Outcome.QUARANTINED, APPENDED, APPENDED]
        assert [decode(record, log.cipher) for record in log.read(CONTROL)] == [mark]
        assert len(log.read(QUARANTINE)) == 1

    def test_a_redriven_mark_that_is_appended_again_changes_nothing(self, log):
        first = [event(redriven_from=1), Redriven(1, stream(), "callback:1", NOON)]
        later = [
            event(redriven_from=1),
            Redriven(1, stream(), "callback:1", NOON + timedelta(hours=1)),
        ]
        other = Redriven(2, stream(), "callback:1", NOON + timedelta(hours=1))
        placed = log.append_many(first)[1]

        again = log.append_many([*later, other])

        assert [one.outcome for one in again] == [DUPLICATE, DUPLICATE, APPENDED]
        assert told(again[1])[1:] == told(placed)[1:]
        assert log.last_position() == 3

    def test_the_quarantine_goes_on_where_it_stood_when_others_pushed_it_out_of_memory(self, log):
        log.append(unreadable())
        log.append(event())

        assert log.append(unreadable()).version == 2

    # Expected versions

    @pytest.mark.parametrize(("stored", "expected"), [(0, 1), (2, 0), (2, 1), (2, 3)])
    def test_an_unexpected_version_is_a_conflict_and_nothing_is_stored(self, log, stored, expected):
        log.append_many([event(number=n) for n in range(stored)])

        with pytest.raises(VersionConflictError) as conflict:
            log.append(event(number=99), expected_version=expected)

        assert (conflict.value.stream, conflict.value.found) == (stream(), stored)
        assert log.last_position() == stored

    def test_the_expected_version_appends(self, log):
        for version in range(3):
            done = log.append(event(number=version), expected_version=version)
            assert done.version == version + 1

    def test_a_stored_event_is_a_duplicate_whatever_version_is_expected(self, log):
        log.append_many([event(number=1), event(number=2)])

        assert log.append(event(number=1), expected_version=0).outcome is DUPLICATE

    # Reading

    def test_an_event_comes_back_as_it_was(self, log):
        log.append(EVERYTHING)

        read = decode(log.read(stream())[0], log.cipher)

        assert read == EVERYTHING._replace(
            recorded_at=NOON + timedelta(microseconds=1), version=1, position=1
        )
        assert isinstance(read, Event)
        assert read.received_at.tzinfo is UTC

    @pytest.mark.parametrize("trigger", ["brand_new", None, "created"])
    def test_the_trigger_comes_back_as_it_was(self, log, trigger):
        log.append(event(trigger=trigger))

        assert decode(log.read(stream())[0], log.cipher).trigger == trigger

    @pytest.mark.parametrize(
        "item",
        [
            unreadable(),
            unreadable(arrival=None, line_number=17, reason="bad_line", provider="other"),
            unreadable(
                arrival=Arrival("poll", b"<html>", NOON, "é" * 99, 4, "x", 503, {"date": "then"})
            ),
        ],
        ids=["callback", "line", "poll"],
    )
    def test_an_unreadable_arrival_is_read_back_verbatim(self, log, item):
        log.append(item)

        read = decode(log.read(QUARANTINE)[0], log.cipher)

        assert read == item._replace(recorded_at=NOON + timedelta(microseconds=1))
        assert isinstance(read, Unreadable)

    @pytest.mark.parametrize(
        "body",
        [b"", b"\n", b"\n\n", bytes(range(256)), b"x" * 1_000_000, b'{"v":1}\n'],
        ids=["empty", "newline", "newlines", "every byte", "a million", "like a header"],
    )
    def test_bodies_are_kept_byte_for_byte(self, log, body):
        log.append(event(body=body))

        assert decode(log.read(stream())[0], log.cipher).body == body

    @pytest.mark.parametrize(
        ("order_id", "kept"),
        [("a\ud800b", "a\\ud800b"), ("a\x00b", "a\x00b"), ("\U0001f600", None)],
    )
    def test_text_that_no_store_can_hold_is_kept_escaped(self, log, order_id, kept):
        done = log.append(event(order_id))

        assert log.append(event(order_id)).outcome is DUPLICATE
        assert decode(log.read(done.stream)[0], log.cipher).order_id == (kept or order_id)
        assert log.read(f"order:instacart:{order_id}") == log.read(done.stream)
        assert list(log.streams()) == [done.stream]

    def test_a_lone_surrogate_in_the_quarantine_is_kept_escaped(self, log):
        arrival = Arrival("callback", b"", NOON, "\udcff", headers={"date": "\ud83d"})
        log.append(unreadable(body=b"", arrival=arrival))

        kept = decode(log.read(QUARANTINE)[0], log.cipher).arrival

        assert (kept.order_id, kept.headers["date"]) == ("\\udcff", "\\ud83d")

    def test_a_stream_is_read_between_two_versions(self, log):
        log.append_many([event(number=n) for n in range(1, 6)])

        def versions(**limits: int) -> list[int]:
            return [record.version for record in log.read(stream(), **limits)]

        assert versions() == [1, 2, 3, 4, 5]
        assert versions(after=2) == [3, 4, 5]
        assert versions(after=1, until=3) == [2, 3]
        assert versions(after=-5, until=10**30) == [1, 2, 3, 4, 5]
        assert versions(after=10**30) == []

    def test_an_unknown_stream_is_empty_and_stays_unknown(self, log):
        assert log.read(stream("nobody")) == []
        assert list(log.streams()) == []

    def test_many_streams_are_read_at_once(self, log):
        log.append_many([event(f"o{n % 600}", n) for n in range(1200)])
        wanted = [stream(f"o{n}") for n in range(0, 600, 2)]

        found = log.read_many([*wanted, stream("nobody"), *wanted])

        assert set(found) == set(wanted)
        assert all(found[name] == log.read(name) for name in wanted)

    def test_reading_no_streams_is_nothing(self, log):
        assert log.read_many([]) == {}

    def test_streams_are_listed_once_and_sorted_by_code_point(self, log):
        names = ["b", "a", "B", "é", "z", "\U0001f600", "aa", "10", "9"]
        log.append_many([event(name, n) for n in range(2) for name in names])
        log.append(unreadable())

        assert list(log.streams()) == [stream(name) for name in sorted(names)]

    def test_streams_are_listed_by_prefix(self, log):
        log.append_many([event("a"), event("b", provider="other"), unreadable()])

        assert list(log.streams(prefix="order:other:")) == ["order:other:b"]
        assert list(log.streams(prefix="")) == ["order:instacart:a", "order:other:b", QUARANTINE]
        assert list(log.streams(prefix="order:none:")) == []

    def test_more_streams_than_a_page_are_listed(self, log):
        log.append_many([event(f"{n:05}") for n in range(1201)])

        assert list(log.streams()) == [stream(f"{n:05}") for n in range(1201)]

    def test_the_whole_log_is_scanned_in_order_of_recording(self, log):
        done = log.append_many([event(str(n % 7), n) for n in range(1201)])

        records = list(log.scan())

        assert [record.position for record in records] == list(range(1, 1202))
        assert [(r.stream, r.version) for r in records] == [(d.stream, d.version) for d in done]

    def test_a_part_of_the_log_is_scanned(self, log):
        log.append_many([event(number=n) for n in range(10)])

        assert [record.position for record in log.scan(after=3, until=6)] == [4, 5, 6]
        assert list(log.scan(after=10)) == []
        assert len(list(log.scan(after=-1, until=10**30))) == 10

    def test_a_scan_of_large_bodies_misses_none(self, log):
        log.append_many([event(number=n, body=bytes([n]) * 700_000) for n in range(12)])

        bodies = [decode(record, log.cipher).body for record in log.scan()]
        assert [body[-1] for body in bodies] == list(range(12))

    def test_a_scan_sees_what_is_appended_meanwhile(self, log):
        log.append(event(number=1))
        scan = log.scan()
        next(scan)

        log.append(event(number=2))

        assert [record.position for record in scan] == [2]

    def test_topics_are_the_kinds(self, log):
        log.append_many([event(number=n, kind=kind) for n, kind in enumerate(["request", "poll"])])
        log.append_many([unreadable(), Redriven(1, stream(), "callback:1", NOON)])

        topics = [record.topic for record in log.scan()]

        assert topics == ["request", "poll", "quarantined", "redriven"]

    def test_a_log_written_in_every_way_verifies(self, log):
        log.append_many([event(str(n % 5), n) for n in range(50)])
        log.append(event(number=1, body=b"[]"))
        log.append_many([unreadable(), Redriven(1, stream(), "callback:1", NOON), EVERYTHING])
        log.append(event("a\ud800b\x00"))

        verification = verify(log)

        assert verification.findings == ()
        assert verification.ok
        assert (verification.records, verification.orders) == (55, 7)

    # Many callers

    def test_threads_that_send_the_same_events_store_each_once(self, log):
        sent = [event(f"o{n % 10}", n) for n in range(200)]
        with ThreadPoolExecutor(16) as threads:
            done = list(threads.map(log.append, sent * 3))

        assert sum(one.outcome is APPENDED for one in done) == 200
        assert sum(one.outcome is DUPLICATE for one in done) == 400
        assert sorted(decode(record, log.cipher).key for record in log.scan()) == sorted(
            e.key for e in sent
        )
        assert verify(log).ok

    def test_a_hundred_tasks_store_each_event_once(self, log):
        sent = [event(f"o{n % 10}", n % 100) for n in range(300)]

        async def record_all() -> list[Outcome]:
            return [one.outcome for one in await asyncio.gather(*map(log.append_async, sent))]

        assert asyncio.run(record_all()).count(APPENDED) == 100
        assert verify(log).ok

    def test_tasks_and_threads_share_a_log(self, log):
        async def record(first: int) -> None:
            numbers = range(first, first + 100)
            await asyncio.gather(*(log.append_async(event("a", n)) for n in numbers))

        callers: list[Callable[[], object]] = [
            lambda: asyncio.run(record(0)),
            lambda: asyncio.run(record(50)),
            lambda: [log.append(event("a", n)) for n in range(25, 125)],
        ]
        threads = [threading.Thread(target=caller) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert [record.version for record in log.read(stream("a"))] == list(range(1, 151))

    def test_a_task_that_is_canceled_harms_no_other(self, log):
        async def cancel_every_third() -> list[object]:
            tasks = [asyncio.ensure_future(log.append_async(event(number=n))) for n in range(90)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

        done = asyncio.run(cancel_every_third())

        assert all(isinstance(one, asyncio.CancelledError) for one in done[::3])
        assert all(one.outcome is APPENDED for one in done[1::3] + done[2::3])
        assert [record.version for record in log.read(stream())] == list(range(1, 91))

    def test_an_event_loop_that_ended_early_leaves_the_next_unharmed(self, log):
        async def leave() -> None:
            asyncio.ensure_future(log.append_async(event(number=1)))  # noqa: RUF006 - on purpose
            await asyncio.sleep(0)

        asyncio.run(leave())

        async def record() -> Outcome:
            return (await log.append_async(event(number=2))).outcome

        assert asyncio.run(record()) is APPENDED

    def test_an_unexpected_version_or_a_bad_entry_fails_its_own_task_only(self, log):
        async def record_all() -> list[object]:
            return await asyncio.gather(
                log.append_async(event("a", 1)),
                log.append_async(event("a", 2), expected_version=7),
                log.append_async(event("a", 3)._replace(body="text")),
                log.append_async(event("a", 4)),
                return_exceptions=True,
            )

        first, conflict, bad, last = asyncio.run(record_all())

        assert isinstance(conflict, VersionConflictError)
        assert isinstance(bad, InvalidArgumentError)
        assert (first.version, last.version) == (1, 2)

    def test_one_of_two_tasks_that_expect_the_same_version_wins(self, log):
        async def race() -> list[object]:
            tries = (log.append_async(event(number=n), expected_version=0) for n in range(5))
            return await asyncio.gather(*tries, return_exceptions=True)

        done = asyncio.run(race())

        assert sum(isinstance(one, VersionConflictError) for one in done) == 4
        assert log.last_position() == 1

    # Closing and forking

    @pytest.mark.parametrize("how", ["closed", "forked"])
    def test_a_closed_or_forked_log_says_so_whatever_is_asked(self, log, how):
        calls: list[Callable[[], object]] = [
            lambda: log.append(event(number=2)),
            lambda: log.append_many([event(number=2)]),
            lambda: asyncio.run(log.append_async(event(number=2))),
            lambda: log.read(stream()),
            lambda: log.read_many([stream()]),
            lambda: list(log.streams()),
            lambda: list(log.scan()),
            log.last_position,
        ]
        log.append(event())
        if how == "forked":
            assert {in_a_fork(call) for call in calls} == {OpenedElsewhereError.__name__}
            assert in_a_fork(log.close) == "nothing"
            assert log.append(event(number=2)).version == 2
            return
        log.close()
        for call in calls:
            with pytest.raises(StoreClosedError, match="is closed"):
                call()

    def test_a_log_may_be_closed_twice(self, log):
        log.close()
        log.close()
        with pytest.raises(StoreClosedError):
            log.last_position()

    def test_closing_waits_for_tasks_that_are_under_way(self, log):
        async def close_meanwhile() -> list[object]:
            tasks = [asyncio.ensure_future(log.append_async(event(number=n))) for n in range(50)]
            await asyncio.sleep(0)
            await asyncio.to_thread(log.close)
            return await asyncio.gather(*tasks, return_exceptions=True)

        done = asyncio.run(asyncio.wait_for(close_meanwhile(), 60))

        assert all(isinstance(one, StoreClosedError) or one.outcome is APPENDED for one in done)

    def test_the_repr_names_the_location(self, log):
        assert log.url in repr(log)
