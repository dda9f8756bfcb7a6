"""The recorder test cases that `eventsourcing` publishes hold for our recorders on every store.

Our table takes orders and the quarantine, no other streams: ids are made to fit. A case that
cannot hold is named below with the reason, and shown to fail.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any, ClassVar
from unittest import TestCase
from unittest import TestResult as Outcome
from unittest.mock import Mock, patch

import pytest
from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProcessRecorder,
    StoredEvent,
)

from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.sqlite.connection import SETTINGS
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.persistence import PolledSubscription

# Beside the recorders' cases lie some for ciphers, whose library nothing here needs.
with patch.dict(sys.modules, {"eventsourcing.cipher": Mock()}):
    published = import_module("eventsourcing.tests.persistence")

_numbers = count(1)


class Placed:
    """Ids as our table takes them, and a recorder of the log under test."""

    log: ClassVar[Any]
    __test__ = False

    def new_originator_id(self) -> str:
        return f"order:instacart:{next(_numbers)}"

    def create_recorder(self) -> Any:
        return self.log.recorder


class Aggregates(Placed, published.AggregateRecorderTestCase):
    """Streams, read and written one by one."""


class Applications(Placed, published.ApplicationRecorderTestCase):
    """The log as a whole, by position."""


class Following(Placed, published.ApplicationRecorderTestCase):
    """The log as it grows, by our subscription, which works on every store."""

    def create_recorder(self) -> Any:
        recorder = self.log.recorder
        recorder.subscribe = partial(PolledSubscription, recorder)
        return recorder


class Tracking(Placed, published.TrackingRecorderTestCase):
    """How far somebody has come who follows a log."""

    def create_recorder(self) -> Any:
        self.log.views.create()
        return self.log.views


class Interleaving(Placed, published.NonInterleavingNotificationIDsBaseCase):
    """Positions of one transaction follow each other."""

    insert_num = 100


CASES = [
    (kind, name)
    for kind in (Aggregates, Applications, Tracking, Interleaving)
    for name in dir(kind)
    if name.startswith("test")
] + [(Following, "optional_test_insert_subscribe")]
CANNOT_HOLD = {
    (Aggregates, "test_insert_and_select"): (
        "of a recorder that keeps no positions it expects None for them, and version 0"
    ),
}
FROM_ZERO = {
    (Applications, "test_concurrent_no_conflicts"),
    (Applications, "test_concurrent_throughput"),
    (Interleaving, "test"),
}
"""Their versions count from 0, ours from 1: they run with one more."""
OTHERS = {
    "RecorderTestCase": "it holds no case, only what the others share",
    "ProcessRecorderTestCase": "our log keeps no position of others beside its events",
    "InfrastructureFactoryTestCase": "it runs with `lifecycle.persistence`",
    "TranscoderTestCase": "our stored form is our own: nothing is transcoded",
}


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(request, tmp_path, monkeypatch):
    if request.param == "memory":
        made = MemoryLog()
    elif request.param == "sqlite":
        # Ten writers at once: a busy machine lets the last wait longer than a second.
        monkeypatch.setitem(SETTINGS, "busy_timeout", 30_000)
        made = SQLiteLog(tmp_path / "orders.db")
    else:
        made = PostgresLog(request.getfixturevalue("postgres").new_url())
    with closing(made):
        yield made


def outcome(kind: Any, name: str, log: Any) -> Outcome:
    result = Outcome()
    kind.log = log
    made = from_one if (kind, name) in FROM_ZERO else StoredEvent
    with patch.object(published, "StoredEvent", made):
        kind(name).run(result)
    return result


def from_one(originator_version: int, **fields: Any) -> StoredEvent:
    return StoredEvent(originator_version=originator_version + 1, **fields)


@pytest.mark.parametrize(("kind", "name"), [case for case in CASES if case not in CANNOT_HOLD])
def test_what_eventsourcing_asks_of_a_recorder_holds(kind: type[TestCase], name: str, log) -> None:
    found = outcome(kind, name, log)

    assert found.testsRun == 1
    assert [text for _, text in [*found.failures, *found.errors]] == []


@pytest.mark.parametrize(("kind", "name"), CANNOT_HOLD)
def test_a_case_named_as_one_that_cannot_hold_fails(kind: type[TestCase], name: str, log) -> None:
    assert not outcome(kind, name, log).wasSuccessful()


def test_every_class_of_cases_is_run_or_named_with_the_reason() -> None:
    kinds = {name for name in vars(published) if name.endswith(("TestCase", "BaseCase"))}
    ours = {kind.__mro__[2].__name__ for kind in (Aggregates, Applications, Tracking, Interleaving)}

    assert kinds - {"TestCase"} == ours | set(OTHERS)
    assert {*CANNOT_HOLD, *FROM_ZERO} <= set(CASES)


def test_our_recorders_are_none_that_keep_positions_beside_their_events(log) -> None:
    assert not isinstance(log.recorder, ProcessRecorder)


def test_a_repeated_insert_and_a_version_no_store_holds_raise_the_library_s_errors(log) -> None:
    recorder = log.recorder
    recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"1")])

    with pytest.raises(IntegrityError):
        recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"2")])
    if not isinstance(log, MemoryLog):
        with pytest.raises(IntegrityError):
            recorder.insert_events([StoredEvent("order:a:b", 0, "topic", b"2")])
        with pytest.raises(DataError):
            recorder.insert_events([StoredEvent("order:a:b", 2**63, "topic", b"2")])
    assert len(recorder.select_events("order:a:a")) == 1


def test_a_closed_recorder_raises_the_library_s_error(log) -> None:
    if isinstance(log, MemoryLog):
        pytest.skip("what is in memory can be read as long as it is there")
    log.close()

    for use in (log.recorder.max_notification_id, lambda: log.recorder.select_events("order:a:a")):
        with pytest.raises((InterfaceError, ConnectionPoolClosedError)):
            use()


def test_a_lock_that_another_holds_is_an_operational_error_of_the_library(tmp_path) -> None:
    path = tmp_path / "orders.db"
    with closing(SQLiteLog(path)) as log, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="OperationalError"):
            log.recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"1")])
        with suppress(sqlite3.OperationalError):
            other.execute("ROLLBACK")
        assert log.recorder.insert_events([StoredEvent("order:a:a", 1, "topic", b"1")]) == [1]
