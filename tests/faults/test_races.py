"""Writers race on one log: eight processes of sixteen threads, each event sent by three."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lifecycle.audit.verify import verify
from lifecycle.composition import open_log
from lifecycle.core.event import Event
from lifecycle.errors import StoredFormatError, StoreUnavailableError
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Append, Log, Outcome
from lifecycle.log.stores.postgres.url import parse_url
from lifecycle.log.stream_tails import StreamTails, Tails
from lifecycle.log.writer import Writer
from tests.contract.entries import event, stream, unreadable
from tests.faults.children import Child
from tests.postgres_server import Server

PROCESSES, THREADS, EVENTS, COPIES = 8, 16, 2000, 3

WITHOUT_UNIQUE_KEY = """
CREATE TABLE stored_events (
    rowid INTEGER PRIMARY KEY,
    originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB
)"""


def send(url: str, events: list[Event], pipe: int) -> None:
    """Record the events from many threads, and write how many came out as what."""
    with closing(open_log(url)) as log, ThreadPoolExecutor(THREADS) as threads:
        told = Counter(threads.map(partial(outcome, log), events))
    with open(pipe, "w", closefd=False) as answer:
        answer.write(" ".join(str(told[name]) for name in ("appended", "duplicate", "refused")))


def outcome(log: Log, one: Event) -> str:
    """Return what became of an event; a stream that shows that it was damaged takes none."""
    try:
        return log.append(one).outcome.value
    except StoredFormatError:
        return "refused"


def race(url: str, processes: int, events: int, first: int = 0) -> list[int]:
    """Return how many were told `appended`, `duplicate` and `refused` in a race of processes."""
    chance = random.Random(20260707)
    sent = [event(f"o{n % 100}", n) for n in range(first, first + events)]
    shares: list[list[Event]] = [[] for _ in range(processes)]
    for one in sent:
        for share in chance.sample(shares, COPIES):
            share.append(one)
    for share in shares:
        chance.shuffle(share)
    children = [Child(partial(send, url, share)) for share in shares]
    answers = [child.collect() for child in children]
    assert [code for code, _ in answers] == [0] * processes, answers
    return [sum(column) for column in zip(*(map(int, a.split()) for _, a in answers), strict=True)]


def keys(log: Log) -> Counter[tuple[str, str]]:
    events = map(decode_event, log.scan())
    return Counter((one.stream, one.key) for one in events)


def versions_have_gaps(log: Log) -> bool:
    return any(
        [record.version for record in records] != list(range(1, len(records) + 1))
        for records in log.read_many(list(log.streams())).values()
    )


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a log will be that nobody has opened yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orders.db"
    server: Server = request.getfixturevalue("postgres")
    return server.new_url()


@pytest.fixture
def url_without_unique_key(url: str, request: pytest.FixtureRequest) -> str:
    """Where a log lies whose table lacks what shows every race."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
            raw.execute(WITHOUT_UNIQUE_KEY)
        return url
    open_log(url).close()
    table = parse_url(url).tables.log
    server: Server = request.getfixturevalue("postgres")
    server.execute(f"ALTER TABLE {table} DROP CONSTRAINT stored_events_pkey")
    server.execute(f"CREATE INDEX ON {table} (originator_id, originator_version)")
    return url


@pytest.mark.parametrize("processes", [4, pytest.param(PROCESSES, marks=pytest.mark.long)])
def test_events_sent_by_many_processes_at_once_are_stored_once_without_an_error(url, processes):
    told = race(url, processes, EVENTS)

    with closing(open_log(url, create=False)) as log:
        assert told == [EVENTS, EVENTS * (COPIES - 1), 0]
        assert set(keys(log).values()) == {1}
        assert len(list(log.scan())) == EVENTS
        assert not log.gapless or log.last_position() == EVENTS
        assert not versions_have_gaps(log)
        assert verify(log).ok


def test_control_without_the_unique_key_the_same_race_stores_events_twice(url_without_unique_key):
    for first in range(0, 8_000, 400):  # processes that have to wait for a processor seldom meet
        race(url_without_unique_key, 4, 400, first)
        with closing(open_log(url_without_unique_key, create=False)) as log:
            stored_twice, verified = max(keys(log).values()) > 1, verify(log).ok
        if stored_twice:
            break

    assert stored_twice
    assert not verified


@pytest.fixture
def two_logs(url: str) -> Iterable[tuple[Any, Any]]:
    """Two logs at one place, as two processes have them, both up to date with one event."""
    with closing(open_log(url)) as one, closing(open_log(url)) as other:
        one.append(event(number=1))
        other.append(event(number=1))
        yield one, other


class NeverReadsBack(StreamTails):
    """Broken on purpose: it believes what it remembers, whatever the store says."""

    def take(self, streams, expected):
        assert all(name in self._tails for name in streams)
        tails: Tails = {name: deepcopy(self._tails[name]) for name in streams}
        return tails


def never_read_back(log: Any) -> None:
    writer = log._queue._commit.__self__
    assert isinstance(writer, Writer)
    writer._retry_timeout = 0.5
    tails = NeverReadsBack(log.recorder)
    tails._tails = writer._tails._tails
    writer._tails = tails


def test_an_event_that_another_log_appended_meanwhile_is_a_duplicate(two_logs):
    one, other = two_logs
    other.append(event(number=2))

    repeated = one.append(event(number=2))

    assert (repeated.outcome, repeated.stream, repeated.version) == (
        Outcome.DUPLICATE,
        stream(),
        2,
    )
    assert one.append(event(number=3)).version == 3


def test_control_without_the_unique_key_it_is_stored_twice(url_without_unique_key):
    with (
        closing(open_log(url_without_unique_key)) as one,
        closing(open_log(url_without_unique_key)) as other,
    ):
        one.append(event(number=1))
        other.append(event(number=2))

        assert one.append(event(number=2)).outcome is Outcome.APPENDED
        assert keys(one)[stream(), "callback:2"] == 2


def test_control_without_reading_back_the_event_is_lost(two_logs):
    one, other = two_logs
    never_read_back(one)
    other.append(event(number=2))

    with pytest.raises(StoreUnavailableError, match="other writers were always first"):
        one.append(event(number=3))
    assert keys(other)[stream(), "callback:3"] == 0


def test_a_version_that_another_log_reached_meanwhile_is_the_one_that_counts(two_logs):
    one, other = two_logs
    other.append(event(number=2))

    assert one.append(event(number=3), expected_version=2).version == 3


def test_an_expectation_that_another_log_broke_meanwhile_is_a_conflict(two_logs):
    one, other = two_logs
    other.append(event(number=2))

    with pytest.raises(Exception, match="is at version 2, expected 1"):
        one.append(event(number=3), expected_version=1)


def test_divergence_that_another_log_saw_first_is_seen_here(two_logs):
    one, other = two_logs
    other.append(event(number=2, body=b"[1]"))

    assert one.append(event(number=2, body=b"[2]")).outcome is Outcome.DIVERGENT
    assert one.append(event(number=2, body=b"[1]")).outcome is Outcome.DUPLICATE


def test_two_logs_quarantine_into_one_chain(two_logs):
    one, other = two_logs
    for log in (one, other, other, one):
        log.append(unreadable())

    assert [record.version for record in one.read("quarantine")] == [1, 2, 3, 4]
    assert verify(other).ok


def test_the_loser_of_a_race_takes_the_lock_the_next_time(two_logs, monkeypatch):
    one, other = two_logs
    writing = one.recorder.writing
    told: list[bool] = []
    with ThreadPoolExecutor(1) as rival:
        tried: list[Future[Append]] = []

        @contextmanager
        def overtaken(*, exclusive=False):
            told.append(exclusive)
            if not exclusive:
                other.append(event(number=2))
            with writing(exclusive=exclusive) as transaction:
                if exclusive:
                    tried.append(rival.submit(other.append, event(number=4)))
                    assert not wait(tried, 0.3).done
                yield transaction

        monkeypatch.setattr(one.recorder, "writing", overtaken)

        assert one.append(event(number=3)).version == 3
        assert tried[0].result().version == 4
    assert told == [False, True]


def test_logs_that_take_turns_never_conflict_for_long(two_logs):
    for n in range(10, 60):
        two_logs[n % 2].append(event("turns", n))

    assert verify(two_logs[0]).ok
    assert not versions_have_gaps(two_logs[0])
