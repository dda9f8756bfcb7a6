"""Copying a log between stores, and backing a SQLite log up while it is written to."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle import OtherRecordsError, StoreUnavailableError, connect
from lifecycle.audit.log_copy import copy
from lifecycle.audit.verify import verify
from lifecycle.composition import open_log
from lifecycle.log.contract import Log, Record
from lifecycle.providers.instacart import sample_orders
from tests.scenario.command_line import run

ORDERS = 30


def fill(url: str, *, seed: int = 3) -> None:
    """Record invented orders, some callbacks twice, and something that cannot be read."""
    with connect(url) as orders:
        for told in sample_orders.generate(seed, ORDERS):
            orders.record_many(told.recordings)
        orders.record_callback(b"no JSON")


def open_at(url: str, *, create: bool = True) -> closing[Log]:
    """Return the log at a URL, to be closed at the end of a block."""
    return closing(open_log(url, create=create))


NATS = pytest.param("nats", marks=pytest.mark.long)


def content(log: Log) -> list[tuple[str, int, str, bytes]]:
    """Return all that is stored but the positions, which are each store's own."""
    return [(each.stream, each.version, each.topic, each.state) for each in log.scan()]


@pytest.fixture(params=["memory:", "sqlite", "postgres", NATS])
def target_url(request, tmp_path):
    if request.param in ("postgres", "nats"):
        return request.getfixturevalue(request.param).new_url()
    return f"sqlite:///{tmp_path}/target.db" if request.param == "sqlite" else request.param


@pytest.fixture(params=["sqlite", "postgres", NATS])
def source(request, tmp_path):
    url = f"sqlite:///{tmp_path}/source.db"
    if request.param != "sqlite":
        url = request.getfixturevalue(request.param).new_url()
    fill(url)
    with open_at(url) as log:
        yield log


def test_a_copy_holds_every_record_just_as_it_is_and_proves_itself(source, target_url):
    passed: list[int] = []
    with open_at(target_url) as target:
        done = copy(source, target, advance=passed.append)
        assert content(target) == content(source)
        assert done.verification.ok
        assert (done.written, done.present) == (len(content(source)), 0)
        assert sum(passed) == done.written


def test_a_copy_that_was_interrupted_goes_on_where_it_stopped(source, target_url):
    stored = list(source.scan())
    with open_at(target_url) as target:
        target.restore(stored[:37])
        done = copy(source, target)
        assert (done.written, done.present) == (len(stored) - 37, 37)
        assert done.verification.ok
        assert content(target) == content(source)


def test_a_copy_goes_on_as_a_log_of_its_own(source, target_url, tmp_path):
    again = f"sqlite:///{tmp_path}/again.db"
    with connect(target_url) as orders:
        copy(source, orders.log)
        receipt = orders.record_callback(b'{"id": "later", "status": "brand_new"}')
        assert receipt.outcome == "appended"
        assert verify(orders.log).ok
        with open_at(again) as back:
            assert copy(orders.log, back).verification.ok


def test_a_target_that_holds_anything_else_is_refused_and_left_alone(source, target_url):
    with connect(target_url) as orders:
        orders.record_callback(b'{"id": "mine", "status": "brand_new"}')
        before = content(orders.log)
        with pytest.raises(OtherRecordsError) as refused:
            copy(source, orders.log)
        assert refused.value.version == 1
        assert content(orders.log) == before


def test_a_record_that_was_changed_on_the_way_is_found(source, target_url):
    class Tampered:
        """The source, but for one body that somebody edits while it is read."""

        def __getattr__(self, name):
            return getattr(source, name)

        def scan(self, **limits):
            for number, record in enumerate(source.scan(**limits)):
                yield changed(record) if number == 20 else record

    with open_at(target_url) as target:
        done = copy(Tampered(), target)
    assert not done.verification.ok
    assert "body was changed" in done.verification.findings[0].sentence


def changed(record: Record) -> Record:
    """Return a record whose body's last byte is another."""
    return record._replace(state=record.state[:-1] + bytes([record.state[-1] ^ 1]))


def test_the_command_copies_verifies_and_can_be_said_again(tmp_path):
    source, target = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    fill(source)
    first = run("copy", "--from", source, "--to", target, "--json", cwd=tmp_path)
    assert (first.code, first.err, first.value["ok"]) == (0, "", True)
    again = run("copy", "--from", source, "--to", target, "--json", cwd=tmp_path).value
    assert (again["written"], again["present"]) == (0, first.value["written"])
    told = run("verify", "--db", source, "--json", cwd=tmp_path).value
    assert again["checkpoint"] == told["checkpoint"]


def test_the_command_says_no_to_a_target_with_other_records(tmp_path):
    source, target = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    fill(source)
    fill(target, seed=4)
    answer = run("copy", "--from", source, "--to", target, cwd=tmp_path)
    assert answer.code == 1
    assert "choose another store" in answer.err


def test_a_missing_source_makes_no_target(tmp_path):
    answer = run("copy", "--from", "sqlite:///a.db", "--to", "sqlite:///b.db", cwd=tmp_path)
    assert answer.code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_a_log_in_use_is_one_moment_of_it(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    fill(url)
    stop = threading.Event()

    def write() -> None:
        number = 0
        with connect(url) as orders:
            while not stop.is_set():
                number += 1
                orders.record_callback(b'{"id": "busy%d", "status": "brand_new"}' % number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = [tmp_path / f"copy{number}.db" for number in range(5)]
        for path in copies:
            answer = run("backup", path, "--db", url, cwd=tmp_path)
            assert (answer.code, answer.err) == (0, "")
    finally:
        stop.set()
        writer.join()
    with open_at(url) as log:
        whole = content(log)
    for path in copies:
        with open_at(f"sqlite:///{path}", create=False) as log:
            assert verify(log).ok
            held = content(log)
            assert held == whole[: len(held)]
            assert len(held) > ORDERS


def test_a_backup_never_replaces_anything_and_leaves_nothing_half_done(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    fill(url)
    taken = tmp_path / "taken.db"
    taken.write_bytes(b"mine")
    answer = run("backup", taken, "--db", url, cwd=tmp_path)
    assert (answer.code, taken.read_bytes()) == (2, b"mine")
    assert "choose another name" in answer.err
    lost = run("backup", tmp_path / "no folder" / "copy.db", "--db", url, cwd=tmp_path)
    assert (lost.code, "make it first" in lost.err) == (2, True)
    with open_at(url) as log, pytest.raises(StoreUnavailableError):
        log.backup(str(tmp_path / "no folder" / "copy.db"))
    assert not list(tmp_path.glob(".*part"))


def test_a_backup_is_guarded_as_the_log_is(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    fill(url)
    run("backup", "copy.db", "--db", url, cwd=tmp_path)
    with (
        sqlite3.connect(tmp_path / "copy.db") as driver,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        driver.execute("DELETE FROM stored_events")


def test_a_store_with_tools_of_its_own_says_so(postgres, tmp_path):
    url = postgres.new_url()
    fill(url)
    answer = run("backup", "copy.db", "--db", url, cwd=tmp_path)
    assert answer.code == 2
    assert "pg_dump" in answer.err
    assert not Path(tmp_path / "copy.db").exists()
