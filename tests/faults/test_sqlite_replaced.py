"""A SQLite file that is removed, renamed, replaced or overwritten while a log has it open."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from lifecycle.audit.verify import verify
from lifecycle.errors import StoreUnavailableError
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Outcome, Record
from lifecycle.log.feed_store import EPOCH, Delivery, DeliveryRecord
from lifecycle.log.stores.sqlite import files as sqlite_files
from lifecycle.log.stores.sqlite.files import LOOK_SECONDS, OpenFiles
from lifecycle.log.stores.sqlite.log import SQLiteLog
from lifecycle.log.view_store import Generation, Phase
from tests.contract.entries import event, stream
from tests.faults.children import Child
from tests.without_rules import connect

SETTLED_SECONDS = 0.05

CHANGED = "removed, renamed or replaced while it was open"
OVERWRITTEN = "overwritten or cut while it was open"

Change = Callable[[Path], object]


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def remove(*endings: str) -> Change:
    return lambda path: [beside(path, ending).unlink() for ending in endings]


def rename(*endings: str) -> Change:
    return lambda path: [
        beside(path, ending).rename(beside(path, f"{ending}.1")) for ending in endings
    ]


def replace_by_a_backup(path: Path) -> None:
    beside(path, ".backup").replace(path)


def replace_by_a_backup_after_a_checkpoint(path: Path) -> None:
    checkpoint(path)
    replace_by_a_backup(path)


def replace_by_its_own_copy(*endings: str) -> Change:
    def replace(path: Path) -> None:
        for ending in endings:
            copy = beside(path, ".copied")
            shutil.copyfile(beside(path, ending), copy)
            copy.replace(beside(path, ending))

    return replace


def rename_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("renamed"))


def put_a_folder_in_the_way(path: Path) -> None:
    rename_the_folder(path)
    path.parent.touch()


def checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


CHANGES: dict[str, Change] = {
    "all removed": remove("", "-wal", "-shm"),
    "database removed": remove(""),
    "write-ahead file removed": remove("-wal"),
    "index removed": remove("-shm"),
    "write-ahead file and index removed": remove("-wal", "-shm"),
    "all renamed": rename("", "-wal", "-shm"),
    "database renamed": rename(""),
    "write-ahead file renamed": rename("-wal"),
    "database replaced by a backup": replace_by_a_backup,
    "database replaced after a checkpoint": replace_by_a_backup_after_a_checkpoint,
    "database replaced by its copy": replace_by_its_own_copy(""),
    "write-ahead file replaced by its copy": replace_by_its_own_copy("-wal"),
    "index replaced by its copy": replace_by_its_own_copy("-shm"),
    "all replaced by their copies": replace_by_its_own_copy("", "-wal", "-shm"),
    "folder renamed": rename_the_folder,
    "folder replaced by a file": put_a_folder_in_the_way,
}


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Change:
    return CHANGES[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "orders.db"


@pytest.fixture(params=[False, True], ids=["new folder", "settled folder"])
def log(
    request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SQLiteLog]:
    """A log of records 1 to 4; there is a backup with the first two.

    The names in a folder that was changed a while ago are looked at only once it changes.
    """
    monkeypatch.setattr(sqlite_files, "SETTLED_NANOSECONDS", int(SETTLED_SECONDS * 1e9))
    with closing(SQLiteLog(path, retry_timeout=0.5)) as log:
        log.append_many([event(number=1), event(number=2)])
        log.backup(str(beside(path, ".backup")))
        log.append(event(number=3))
        if request.param:
            time.sleep(2 * SETTLED_SECONDS)
        log.append(event(number=4))
        yield log


def numbers(path: Path) -> list[int]:
    """Return what another process finds in the file."""

    def read(pipe: int) -> None:
        with closing(SQLiteLog(path, create=False)) as log:
            os.write(pipe, repr([int(decode_event(r).event_id or 0) for r in log.scan()]).encode())

    code, written = Child(read).collect()
    assert code == 0, written.decode()
    return [int(number) for number in written.decode().strip("[]").split(",") if number]


def outcome(path: Path, number: int) -> str:
    """Return what another process is told of an append."""

    def append(pipe: int) -> None:
        with closing(SQLiteLog(path)) as log:
            os.write(pipe, log.append(event(number=number)).outcome.value.encode())

    code, written = Child(append).collect()
    return written.decode() if code == 0 else "refused"


# Whoever appends


def test_nothing_is_acknowledged_once_the_file_is_another(log, path, change):
    change(path)

    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match=CHANGED):
            log.append(event(number=5))


def test_a_group_is_not_acknowledged_either(log, path, change):
    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.append_many([event(number=5), event("other", 6)])


def test_a_task_that_shares_a_commit_is_not_acknowledged_either(log, path, change):
    async def append() -> list[Any]:
        entries = (log.append_async(event(f"o{number}", number)) for number in range(5, 9))
        return await asyncio.gather(*entries, return_exceptions=True)

    change(path)

    for told in asyncio.run(append()):
        assert isinstance(told, StoreUnavailableError)
        assert CHANGED in told.found


def test_a_duplicate_is_not_acknowledged_from_memory(log, path, change):
    assert log.append(event(number=4)).outcome is Outcome.DUPLICATE

    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.append(event(number=4))


def test_records_of_another_log_are_not_taken(log, path, change):
    records = log.read(stream())
    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.restore([record._replace(stream="order:instacart:copied") for record in records])


def insert_late(log: SQLiteLog, meanwhile: Callable[[], object]) -> None:
    """Insert a record, after something has happened in the middle of its transaction."""
    with log.recorder.writing() as transaction:
        meanwhile()
        transaction.insert([Record("order:instacart:late", 1, "callback", 0, b"{}\n")])


def test_a_change_during_the_commit_is_noticed_after_it(log, path, change):
    if change is replace_by_a_backup_after_a_checkpoint:
        change = replace_by_a_backup  # there is no checkpoint while somebody writes

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        insert_late(log, lambda: change(path))


def test_a_writer_in_another_process_notices_too(path, tmp_path):
    go, going = os.pipe()

    def write(pipe: int) -> None:
        with closing(SQLiteLog(path)) as log:
            log.append(event(number=1))
            os.write(pipe, b".")
            os.read(go, 1)
            with pytest.raises(StoreUnavailableError, match=CHANGED):
                log.append(event(number=2))

    writers = [Child(write) for _ in range(3)]
    for writer in writers:
        writer.first_bytes()
    remove("", "-wal", "-shm")(path)
    os.write(going, b"...")

    assert [writer.collect() for writer in writers] == [(0, b"")] * 3


def test_control_without_the_check_of_the_file_acknowledged_events_are_lost(log, path, monkeypatch):
    for look in ("check", "check_committed"):
        monkeypatch.setattr(OpenFiles, look, lambda _: False)
    remove("", "-wal", "-shm")(path)

    assert log.append(event(number=5)).outcome is Outcome.APPENDED

    log.close()
    assert not path.exists()


# Views and feeds on the same file

WAITING = Delivery("mail", 1, "xyz", "why", 1, EPOCH)
RECORD = DeliveryRecord("mail", 1, "xyz", EPOCH, 1)


def test_a_feed_takes_no_position_in_another_file(log, path, change):
    log.feeds.begin("mail", 0)
    assert log.feeds.advance("mail", 0, 1)
    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.feeds.advance("mail", 1, 2)
    with (
        pytest.raises(StoreUnavailableError, match=CHANGED),
        log.feeds.settling(WAITING, RECORD, 60) as connection,
    ):
        connection.execute("CREATE TABLE written_by_a_handler (x)")


def test_a_feed_whose_file_changes_during_its_transaction_raises(log, path, change):
    if change is replace_by_a_backup_after_a_checkpoint:
        change = replace_by_a_backup  # there is no checkpoint while somebody writes
    log.feeds.begin("mail", 0)
    assert log.feeds.enqueue(0, WAITING)

    with (
        pytest.raises(StoreUnavailableError, match=CHANGED),
        log.feeds.settling(WAITING, RECORD, 60),
    ):
        change(path)


def test_views_are_not_written_into_another_file(log, path, change):
    assert log.views is not None
    log.views.create()
    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.views.begin(Generation(0, "instacart", "one", 1, "0.1.0", Phase.WALKING, "", 0))


# Whoever reads


def test_a_reader_notices_within_a_moment(log, path, change):
    assert log.last_position() == 4
    change(path)
    time.sleep(2 * LOOK_SECONDS)

    for read in (log.last_position, lambda: log.read(stream()), lambda: list(log.scan())):
        with pytest.raises(StoreUnavailableError, match=CHANGED):
            read()


def test_no_connection_is_opened_to_another_file(log, path, change):
    pool = log.recorder.datastore.pool
    used = pool.get_connection()
    change(path)

    with pytest.raises(StoreUnavailableError, match=CHANGED):
        pool.get_connection()

    pool.put_connection(used)


def test_a_file_that_vanished_is_not_made_anew(path):
    with closing(SQLiteLog(path)) as log:
        log.append(event(number=1))
        pool = log.recorder.datastore.pool
        connection = pool.get_connection()
        connection.close()
        pool.put_connection(connection)
        path.unlink()

        with pytest.raises(StoreUnavailableError, match=CHANGED):
            log.last_position()

    assert not path.exists()


# Once it is back


@pytest.mark.parametrize("endings", [("",), ("-wal",), ("-shm",), ("", "-wal", "-shm")])
def test_recording_recovers_without_a_restart_once_the_file_has_its_name_again(log, path, endings):
    rename(*endings)(path)
    with pytest.raises(StoreUnavailableError, match=CHANGED):
        log.append(event(number=5))
    for ending in endings:
        beside(path, f"{ending}.1").rename(beside(path, ending))

    assert log.append(event(number=5)).version == 5
    assert log.append(event(number=4)).outcome is Outcome.DUPLICATE
    assert verify(log).ok
    log.close()
    assert numbers(path) == [1, 2, 3, 4, 5]


def test_a_link_that_points_elsewhere_is_noticed_until_it_points_back(log, path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with closing(SQLiteLog(link)) as linked:
        assert linked.append(event(number=5)).version == 5
        link.unlink()
        link.symlink_to(beside(path, ".backup"))
        with pytest.raises(StoreUnavailableError, match=CHANGED):
            linked.append(event(number=6))
        link.unlink()
        link.symlink_to(path)

        assert linked.append(event(number=6)).version == 6


def test_a_folder_that_is_linked_elsewhere_is_noticed(log, path, tmp_path):
    (tmp_path / "current").symlink_to(path.parent)
    (tmp_path / "next").mkdir()
    shutil.copyfile(path, tmp_path / "next" / path.name)
    with closing(SQLiteLog(tmp_path / "current" / path.name)) as linked:
        linked.append(event(number=5))
        (tmp_path / "current").unlink()
        (tmp_path / "current").symlink_to(tmp_path / "next")

        with pytest.raises(StoreUnavailableError, match=CHANGED):
            linked.append(event(number=6))


# What others wrote meanwhile, and what is saved


@pytest.mark.parametrize("endings", [("-wal",), ("-shm",)])
def test_closing_saves_acknowledged_events_if_no_other_writer_came(log, path, endings):
    remove(*endings)(path)
    with pytest.raises(StoreUnavailableError):
        log.append(event(number=5))

    log.close()

    assert numbers(path) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", CHANGES)
def test_closing_does_not_affect_callers_who_started_again(path, name):
    """The first process may delete files by their names as it closes: not those of others."""
    go, going = os.pipe()

    def stay(pipe: int) -> None:
        log = SQLiteLog(path)
        log.append_many([event(number=1), event(number=2)])
        log.backup(str(beside(path, ".backup")))
        log.append_many([event(number=3), event(number=4)])
        os.write(pipe, b".")
        os.read(go, 1)
        with pytest.raises(StoreUnavailableError):
            log.append(event(number=5))
        log.close()

    first = Child(stay)
    first.first_bytes()
    CHANGES[name](path)
    told = outcome(path, 7)
    os.write(going, b".")
    assert first.collect() == (0, b"")

    if told == "appended":
        assert 7 in numbers(path)


# Overwritten where it lies


def overwrite(path: Path) -> None:
    shutil.copyfile(beside(path, ".backup"), path)


def overwrite_after_a_checkpoint(path: Path) -> None:
    checkpoint(path)
    overwrite(path)


def test_an_older_copy_over_the_file_is_noticed(log, path):
    overwrite_after_a_checkpoint(path)

    for number in (5, 4):  # a new one, and a duplicate
        with pytest.raises(StoreUnavailableError, match=OVERWRITTEN):
            log.append(event(number=number))


@pytest.mark.parametrize("overwriting", [overwrite, overwrite_after_a_checkpoint])
def test_an_older_copy_over_the_file_never_costs_what_is_acknowledged_after_it(
    log, path, overwriting
):
    """Where the write-ahead file still holds all that matters, the copy does no harm."""
    overwriting(path)
    told = []
    for number in range(5, 15):
        with suppress(StoreUnavailableError):
            log.append(event(number=number, body=b"x" * 3000))
            told.append(number)
    log.close()

    assert set(told) <= set(numbers(path))


def test_the_newer_copy_back_over_it_is_taken_again(log, path, tmp_path):
    checkpoint(path)
    newer = tmp_path / "newer.db"
    shutil.copyfile(path, newer)
    shutil.copyfile(beside(path, ".backup"), path)
    with pytest.raises(StoreUnavailableError, match=OVERWRITTEN):
        log.append(event(number=5))

    shutil.copyfile(newer, path)
    time.sleep(2 * LOOK_SECONDS)

    assert log.append(event(number=5)).position == 5
    assert verify(log).ok


@pytest.mark.parametrize("size", [0, 1000, 9000])
def test_a_write_ahead_file_that_was_cut_is_noticed(log, path, size):
    os.truncate(beside(path, "-wal"), size)

    with pytest.raises(StoreUnavailableError):
        log.append(event(number=5))


def test_a_write_ahead_file_that_is_emptied_during_a_commit_is_noticed(log, path):
    with pytest.raises(StoreUnavailableError):
        insert_late(log, lambda: os.truncate(beside(path, "-wal"), 0))


def test_a_checkpoint_by_another_connection_does_no_harm(log, path):
    for number in range(5, 15):
        checkpoint(path)
        assert log.append(event(number=number)).version == number

    assert verify(log).ok


def test_a_vacuum_by_another_connection_does_no_harm(log, path):
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("CREATE TABLE waste (x); INSERT INTO waste VALUES (zeroblob(900000))")
        raw.executescript("DROP TABLE waste")
        log.append(event(number=5))
        raw.execute("VACUUM")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    assert log.append(event(number=6)).version == 6
    assert verify(log).ok


def test_an_insert_that_a_trigger_swallows_is_not_acknowledged(log, path):
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(
            "CREATE TRIGGER swallow BEFORE INSERT ON stored_events BEGIN SELECT RAISE(IGNORE); END"
        )

    with pytest.raises(StoreUnavailableError, match="an insert had no effect"):
        log.append(event(number=5))


def test_a_commit_that_wrote_nothing_does_not_count_as_a_truncated_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with connect(url) as orders:
        orders.views.rebuild()
    with connect(url, create=False) as again:
        with again.log.recorder.datastore.writing():
            assert not (tmp_path / "orders.db-wal").stat().st_size
        assert again.views.status().ok
