"""The end of a SQLite log: a writer remembers it, until somebody else may have moved it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from lifecycle.log.codec import hash_of, split
from lifecycle.log.contract import Record
from lifecycle.log.link_store import OrderLink
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.sqlite.connection import LogConnection
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event

Meanwhile = Callable[[SQLiteLog, Path], object]


def another_log_appends(_: SQLiteLog, path: Path) -> None:
    with closing(SQLiteLog(path)) as other:
        other.append(event(number=7))


def another_log_appends_and_links_are_added_here(log: SQLiteLog, path: Path) -> None:
    another_log_appends(log, path)
    log.add_links([OrderLink("instacart", "p1", "xyz")])


def the_library_inserts_by_this_connection(log: SQLiteLog, _: Path) -> None:
    log.recorder.insert_events([StoredEvent("order:instacart:theirs", 1, "callback", b"{}\n")])


def records_are_restored_here(log: SQLiteLog, _: Path) -> None:
    log.restore([Record("order:instacart:restored", 1, "callback", 0, b"{}\n")])


def nothing_is_inserted_after_all(log: SQLiteLog, _: Path) -> None:
    with suppress(ZeroDivisionError), log.recorder.writing() as transaction:
        transaction.insert([Record("order:instacart:late", 1, "callback", 0, b"{}\n")])
        raise ZeroDivisionError


def appended_after(log: SQLiteLog) -> bool:
    """Append, and tell whether the record names the one before it."""
    *_, last = log.scan()
    appended = log.append(event(number=2, order_id="other"))
    (record,) = log.scan(after=last.position)
    named = json.loads(split(record)[0]).get("after")
    expected = [last.stream, last.version, hash_of(split(last)[0])]
    return appended.position == last.position + 1 and named == expected


@pytest.mark.parametrize(
    "meanwhile",
    [
        another_log_appends,
        another_log_appends_and_links_are_added_here,
        the_library_inserts_by_this_connection,
        records_are_restored_here,
        nothing_is_inserted_after_all,
    ],
)
def test_a_record_names_the_last_one_whoever_wrote_that(log, path, meanwhile: Meanwhile):
    meanwhile(log, path)

    assert appended_after(log)


def test_one_that_takes_every_end_for_its_own_is_refused_and_looks_again(log, path, monkeypatch):
    begin = LogConnection.begin
    monkeypatch.setattr(LogConnection, "begin", lambda connection: begin(connection) and 1)
    log.append(event(number=3))
    another_log_appends(log, path)

    with suppress(TryAgainError), log.recorder.writing() as transaction:
        assert transaction.tip.position == log.last_position() - 1
        transaction.insert([Record("order:instacart:late", 1, "callback", 0, b"{}\n")])
        raise AssertionError

    assert appended_after(log)
