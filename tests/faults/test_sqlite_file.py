"""One SQLite file: what it is set to, who may change it, and what happens when it fails."""

from __future__ import annotations

import gc
import os
import resource
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from lifecycle import connect
from lifecycle.audit.verify import verify
from lifecycle.errors import (
    InvalidArgumentError,
    StoredFormatError,
    StoreMissingError,
    StoreUnavailableError,
)
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import Outcome
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.sqlite.connection import MOST_CONNECTIONS, SETTINGS
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event, stream, unreadable
from tests.faults.children import Child

NOBODY = 65534


@pytest.fixture
def log(path: Path) -> Iterator[SQLiteLog]:
    with closing(SQLiteLog(path, retry_timeout=0.5)) as log:
        yield log


@pytest.fixture
def raw(log: SQLiteLog, path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection, with none of our settings."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as raw:
        yield raw


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may look into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def as_somebody(work: Callable[[], object]) -> str:
    """Return the sentence that `work` fails with for a user other than root."""

    def unprivileged(pipe: int) -> None:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            work()
        except StoreUnavailableError as unavailable:
            os.write(pipe, unavailable.found.encode())

    code, written = Child(unprivileged).collect()
    assert code == 0, written.decode()
    return written.decode()


def append(path: Path, number: int) -> Outcome:
    with closing(SQLiteLog(path)) as log:
        return log.append(event(number=number)).outcome


# What it is set to


def test_every_connection_has_the_settings_that_durability_rests_on(log):
    log.append(event())
    pool = log.recorder.datastore.pool

    for connection in [pool.get_connection() for _ in range(4)]:
        found = {
            name: connection.driver.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS
        }
        assert found == SETTINGS
        pool.put_connection(connection)
    assert {setting.name: setting.found for setting in log.settings()} == {
        "journal_mode": "wal",
        "synchronous": "full",
        "recursive_triggers": "on",
        "journal_size_limit": "41943040",
        "schema": "as it was made",
        "write_ahead_file": "0.0 MiB",
        "file_mode": "0600",
    }


def test_the_file_is_in_wal_mode_for_everybody(raw):
    assert raw.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_database_whose_text_would_not_compare_bytewise_is_refused(path):
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("PRAGMA encoding='UTF-16'; CREATE TABLE other (x)")

    with pytest.raises(StoreUnavailableError, match="its encoding is 'UTF-16le'"):
        SQLiteLog(path)


def test_the_library_s_own_recorder_reads_and_follows_our_table(log, path):
    log.append_many([event(f"o{n % 3}", n) for n in range(20)])
    log.append(unreadable())
    stock = SQLiteApplicationRecorder(SQLiteDatastore(str(path), originator_id_type="text"))

    events = stock.select_events(stream("o1"), gt=1, lte=3)
    first = stock.select_notifications(1, 15)
    rest = stock.select_notifications(first[-1].id, 15, inclusive_of_start=False)

    ours = log.read(stream("o1"), after=1, until=3)
    assert [(e.originator_id, e.originator_version, e.topic, e.state) for e in events] == [
        (record.stream, record.version, record.topic, record.state) for record in ours
    ]
    assert [note.id for note in (*first, *rest)] == list(range(1, 22))
    assert [note.state for note in (*first, *rest)] == [record.state for record in log.scan()]
    assert stock.max_notification_id() == 21
    assert [n.id for n in stock.select_notifications(1, 99, topics=["quarantined"])] == [21]
    stock.datastore.close()


def test_our_recorder_is_one_of_the_library_s_and_answers_as_such(log):
    log.append_many([event(number=n) for n in range(3)])

    assert [e.originator_version for e in log.recorder.select_events(stream())] == [1, 2, 3]
    assert [n.id for n in log.recorder.select_notifications(2, 9)] == [2, 3]
    assert log.recorder.max_notification_id() == 3


def test_a_copy_in_another_journal_mode_is_made_durable_before_it_is_written(log, path, tmp_path):
    copy = tmp_path / "copy.db"
    log.append(event(number=1))
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("VACUUM INTO ?", (str(copy),))
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    before = copy.read_bytes()

    with closing(SQLiteLog(copy)) as copied:
        assert verify(copied).ok
        assert copy.read_bytes() == before
        copied.append(event(number=2))
        assert copied.settings()[0][:2] == ("journal_mode", "wal")


def until_the_disk_is_full(path: Path) -> None:
    """Append while no file may grow, and once more where it may: in this process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    gc.disable()  # what an error holds on to stays
    with closing(SQLiteLog(path, retry_timeout=0.1)) as log:
        log.append(event("first"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        failures = []
        for number in range(100):
            try:
                log.append(event(f"o{number}", body=b"x" * 20_000))
            except StoreUnavailableError as failure:
                failures.append(failure)
                assert opened_by_this_process(path) == []
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert failures
        log.append(event("last"))
    assert opened_by_this_process(path) == []
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


def opened_by_this_process(path: Path) -> list[str]:
    """Return the files of a log that are open."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the folder itself is gone by now
            found.append(str(each.readlink()))
    return [name for name in found if name.startswith(str(path))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell")
def test_a_connection_whose_write_failed_is_closed_at_once(path):
    child = Child(lambda _: until_the_disk_is_full(path))

    assert child.collect() == (0, b"")


def test_a_write_takes_the_lock_before_it_reads_what_it_decides_on(log, raw):
    raw.execute("BEGIN IMMEDIATE")
    begun: list[object] = []

    with (
        pytest.raises(TryAgainError, match="another process holds its lock"),
        log.recorder.writing() as transaction,
    ):
        begun.append(transaction.tip)

    assert begun == []


def test_rivals_that_are_always_quicker_cannot_keep_a_writer_from_its_order(log, path):
    """The second time it decides under the lock, where there are no rivals."""
    with closing(SQLiteLog(path, retry_timeout=0)) as rival:
        rival_connection = rival.recorder.datastore.pool.get_connection()
        rival_connection.driver.execute("PRAGMA busy_timeout=0")
        rival.recorder.datastore.pool.put_connection(rival_connection)
        read_back = log.recorder.heads
        numbers = iter(range(100, 1000))

        def be_quicker(streams):
            heads = list(read_back(streams))
            with suppress(StoreUnavailableError):
                rival.append(event(number=next(numbers)))
            return heads

        log.recorder.heads = be_quicker

        assert log.append(event(number=1)).version == 2


def test_a_page_of_the_log_is_bounded_in_bytes(log):
    log.append_many([event(number=n, body=b"x" * 1_000_000) for n in range(9)])

    assert len(log.recorder.page(0, 99)) == 5
    assert len(list(log.scan())) == 9


def test_more_readers_than_connections_wait_for_each_other(log):
    log.append(event())
    pool = log.recorder.datastore.pool
    held = [pool.get_connection() for _ in range(MOST_CONNECTIONS)]
    threading.Timer(0.1, pool.put_connection, [held[0]]).start()

    assert log.last_position() == 1
    for connection in held[1:]:
        pool.put_connection(connection)


def test_a_connection_in_use_while_the_log_closes_is_closed_when_it_is_put_back(log):
    pool = log.recorder.datastore.pool
    used = pool.get_connection()

    log.close()

    assert used.driver.execute("SELECT 1").fetchone()[0] == 1
    pool.put_connection(used)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used.driver.execute("SELECT 1")


# Who may change it


REPLACES = [
    "INSERT OR REPLACE INTO stored_events VALUES (1, 'order:x:y', 1, 'poll', x'00')",
    "REPLACE INTO stored_events VALUES (1, 'order:x:y', 1, 'poll', x'00')",
    "INSERT OR REPLACE INTO stored_events VALUES (9, 'order:instacart:xyz', 1, 'poll', x'00')",
]
CHANGES = [
    "UPDATE stored_events SET state = x'00' WHERE rowid = 1",
    "DELETE FROM stored_events WHERE rowid = 1",
    "DELETE FROM stored_events",
    "UPDATE OR REPLACE stored_events SET rowid = 2 WHERE rowid = 1",
    "INSERT INTO stored_events VALUES (1,'order:a',1,'b',x'') ON CONFLICT DO UPDATE SET topic=9",
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_connection_can_change_what_is_stored(log, raw, change):
    log.append_many([event(number=1), event(number=2)])
    before = list(log.scan())

    with pytest.raises(sqlite3.IntegrityError, match="the log is append-only"):
        raw.execute(change)

    assert list(log.scan()) == before


@pytest.mark.parametrize("change", CHANGES + REPLACES)
def test_our_own_connections_cannot_even_replace(log, change):
    log.append_many([event(number=1), event(number=2)])
    before = list(log.scan())

    with (
        log.recorder.datastore.get_connection() as connection,
        pytest.raises(sqlite3.IntegrityError, match="the log is append-only"),
    ):
        connection.driver.execute(change)

    assert list(log.scan()) == before


@pytest.mark.parametrize("change", REPLACES)
def test_a_record_that_another_connection_replaces_is_detected(log, raw, change):
    log.append_many([event(number=1), event(number=2)])
    assert verify(log).ok

    raw.execute(change)

    assert verify(log).findings[0].position == 1


@pytest.fixture
def forged(log: SQLiteLog, tmp_path: Path) -> tuple[object, ...]:
    """A well-formed record 2 that tells something else than the one in the log."""
    log.append(event(number=1))
    log.backup(str(tmp_path / "forging.db"))
    with closing(SQLiteLog(tmp_path / "forging.db")) as forging:
        forging.append(event(number=666))
        record = forging.read(stream(), after=1)[0]
    log.append(event(number=2))
    return (2, record.stream, record.version, record.topic, record.state)


def test_the_last_record_that_another_connection_replaces_shows_by_a_checkpoint(log, raw, forged):
    held = verify(log).checkpoint

    raw.execute("INSERT OR REPLACE INTO stored_events VALUES (?, ?, ?, ?, ?)", forged)

    assert verify(log).ok, "no later record vouches for the last one"
    assert not verify(log, checkpoints=[held]).ok


def test_the_writer_of_the_last_record_notices_that_another_connection_replaced_it(
    log, raw, forged
):
    raw.execute("INSERT OR REPLACE INTO stored_events VALUES (?, ?, ?, ?, ?)", forged)

    with pytest.raises(StoreUnavailableError, match="overwritten"):
        log.append(event(number=3))


def test_the_writer_of_the_last_record_notices_that_it_was_truncated(log, raw):
    log.append_many([event(number=1), event(number=2)])
    raw.executescript(
        "DROP TRIGGER stored_events_refuse_delete; DELETE FROM stored_events WHERE rowid = 2"
    )

    with pytest.raises(StoreUnavailableError, match="overwritten"):
        log.append(event(number=3))


# Where it lies


def test_threads_that_make_one_file_at_once_keep_their_locks(path):
    def make(number: int) -> Outcome:
        with closing(SQLiteLog(path)) as log:
            return log.append(event(number=number)).outcome

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(make, range(48))) == {Outcome.APPENDED}
    with closing(SQLiteLog(path)) as log:
        assert verify(log).records == 48
        assert verify(log).ok


@pytest.mark.parametrize(
    "name", ["a b.db", "what?.db", "100%.db", "#1.db", "ü.db", ":memory:", "%41.db", "file:x.db"]
)
def test_any_name_of_a_file_is_just_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert append(Path(name), 1) is Outcome.APPENDED
    assert append(tmp_path / name, 1) is Outcome.DUPLICATE
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_a_log_stays_where_it_was_opened_when_the_process_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with closing(SQLiteLog("orders.db")) as log:
        monkeypatch.chdir(tmp_path / "elsewhere")
        log.append(event())
        assert [r.version for r in log.read(stream())] == [1]

    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_an_invalid_file_name_is_refused(name):
    with pytest.raises(InvalidArgumentError, match="the name of a file"):
        SQLiteLog(name)


def test_reading_what_is_not_there_creates_nothing(tmp_path, path):
    with pytest.raises(StoreMissingError, match="there is no log"):
        SQLiteLog(path, create=False)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "CREATE TABLE other (x)"], ids=["empty", "another"])
def test_reading_a_database_without_a_log_changes_nothing(tmp_path, path, content):
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(content)
    path.touch()
    before = path.read_bytes()

    with pytest.raises(StoreMissingError):
        SQLiteLog(path, create=False)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_may_share_its_file_with_other_tables(path):
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript("CREATE TABLE other (x); INSERT INTO other VALUES (1)")

    assert append(path, 1) is Outcome.APPENDED
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT x FROM other").fetchall() == [(1,)]


def test_a_table_of_the_stock_recorder_is_not_taken_for_ours(path):
    stock = SQLiteApplicationRecorder(SQLiteDatastore(str(path)))
    stock.create_table()
    stock.datastore.close()

    with pytest.raises(StoreUnavailableError, match="table stored_events is not of this library"):
        SQLiteLog(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.write_text("order,status\n" * 1000)
    before = path.read_bytes()

    with pytest.raises(StoreUnavailableError, match="it is no SQLite database"):
        SQLiteLog(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("create", [True, False])
def test_a_folder_is_refused(tmp_path, create):
    with pytest.raises(StoreUnavailableError, match="it is a folder"):
        SQLiteLog(tmp_path, create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_path_that_is_no_file_is_refused(tmp_path, create):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StoreUnavailableError, match="it is no file but something else"):
        SQLiteLog(tmp_path / "pipe", create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_name_that_is_too_long_is_refused(tmp_path, create):
    with pytest.raises(StoreUnavailableError, match=r"cannot be looked at \(File name too long\)"):
        SQLiteLog(tmp_path / ("x" * 5000), create=create)


def test_a_folder_that_may_not_be_looked_into_is_refused(shared_folder):
    shared_folder.chmod(0o600)  # neither may its owner

    sentence = as_somebody(lambda: SQLiteLog(shared_folder / "orders.db", create=False))

    assert sentence == "it cannot be looked at (Permission denied)"


def test_a_link_to_nowhere_is_made_into_a_log_where_it_points_to(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "orders.db")
    with pytest.raises(StoreMissingError):
        SQLiteLog(tmp_path / "link.db", create=False)

    assert append(tmp_path / "link.db", 1) is Outcome.APPENDED
    assert append(tmp_path / "orders.db", 1) is Outcome.DUPLICATE


def test_a_file_in_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(StoreUnavailableError, match="its folder must exist"):
        SQLiteLog(tmp_path / "no" / "orders.db")


def test_a_folder_that_may_not_be_written_is_refused(shared_folder):
    shared_folder.chmod(0o555)
    assert "its folder must exist and let files be made" in as_somebody(
        lambda: SQLiteLog(shared_folder / "orders.db")
    )


def test_a_file_that_may_only_be_read_is_read_and_not_written(shared_folder):
    path = shared_folder / "orders.db"
    append(path, 1)
    path.chmod(0o444)
    shared_folder.chmod(0o777)

    def read() -> None:
        with closing(SQLiteLog(path, create=False)) as log:
            assert verify(log).records == 1

    assert as_somebody(read) == ""
    assert "it can only be read" in as_somebody(lambda: append(path, 2))


# When it fails


def test_a_full_disk_raises_and_recording_recovers_without_a_restart(log):
    log.append(event(number=1))
    pool = log.recorder.datastore.pool
    connection = pool.get_connection()
    (pages,) = connection.tuples.execute("PRAGMA page_count").fetchone()
    connection.driver.execute(f"PRAGMA max_page_count={pages}")
    pool.put_connection(connection)

    with pytest.raises(StoreUnavailableError, match=r"the disk is full \(SQLITE_FULL\)"):
        log.append(event(number=2, body=b"x" * 100_000))

    assert connection.closed
    assert log.append(event(number=2, body=b"x" * 100_000)).outcome is Outcome.APPENDED
    assert verify(log).ok


def append_until_it_fails(log: SQLiteLog, first: int) -> list[int]:
    """Return the numbers that were acknowledged before the store said why it could not."""
    acknowledged: list[int] = []
    try:
        for number in range(first, first + 100):
            log.append(event(number=number, body=b"x" * 5000))
            acknowledged.append(number)
    except StoreUnavailableError as unavailable:
        assert "the disk" in unavailable.found  # noqa: PT017 - what was acknowledged is asked for
        return acknowledged
    raise AssertionError("it never failed")


def test_a_failed_write_raises_and_recording_recovers_without_a_restart(path):
    def fill(pipe: int) -> None:
        with closing(SQLiteLog(path, retry_timeout=0.5)) as log:
            log.append(event(number=1))
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            acknowledged = append_until_it_fails(log, 2)
            acknowledged += append_until_it_fails(log, 200)
            resource.setrlimit(resource.RLIMIT_FSIZE, (-1, resource.RLIM_INFINITY))
            log.append(event(number=301))
            stored = {int(decode_event(r).event_id) for r in log.scan()}
            assert {1, *acknowledged, 301} <= stored
            assert verify(log).findings == ()

    code, written = Child(fill).collect()
    assert code == 0, written.decode()


def test_a_caller_waits_while_another_process_holds_the_lock(log, raw):
    raw.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    threading.Timer(0.2, raw.execute, ["ROLLBACK"]).start()

    assert log.append(event()).outcome is Outcome.APPENDED
    assert time.monotonic() - began >= 0.2


def test_a_lock_that_is_held_too_long_raises_and_recording_recovers(log, raw):
    raw.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailableError, match="another process holds its lock"):
        log.append(event())

    raw.execute("ROLLBACK")
    assert log.append(event()).outcome is Outcome.APPENDED


def test_readers_wait_for_no_writer(log, raw):
    log.append(event())
    raw.execute("BEGIN IMMEDIATE")

    assert log.last_position() == 1
    assert log.append(event()).outcome is Outcome.DUPLICATE
    raw.execute("ROLLBACK")


def test_a_log_whose_table_vanished_says_so(log, raw):
    raw.execute("DROP TABLE stored_events")

    with pytest.raises(StoreUnavailableError, match=r"SQLite refused \(SQLITE_ERROR\)"):
        log.append(event())


def test_a_damaged_record_keeps_only_its_own_order_from_growing(log, raw, path):
    log.append_many([event("a", 1), event("b", 1)])
    raw.execute("DROP TRIGGER stored_events_refuse_update")
    raw.execute("UPDATE stored_events SET state = x'7b' WHERE rowid = 1")

    with closing(SQLiteLog(path)) as reopened:
        with pytest.raises(StoredFormatError, match="record 1 of 'order:instacart:a'"):
            reopened.append(event("a", 2))
        with pytest.raises(StoredFormatError):
            reopened.append_many([event("b", 2), event("a", 2)])
        assert reopened.append(event("b", 2)).version == 2
        assert reopened.append(event("c", 1)).version == 1


def test_text_written_by_another_program_is_read_as_bytes(log, raw):
    log.append(event())
    raw.execute("DROP TRIGGER stored_events_refuse_update")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("UPDATE stored_events SET state = CAST(state AS TEXT)")

    assert decode_event(log.read(stream())[0]).key == "callback:1"
    assert verify(log).ok


def test_a_name_that_is_no_utf_8_is_found_by_verify(log, raw):
    log.append(event())
    raw.execute("DROP TRIGGER stored_events_refuse_update")
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("UPDATE stored_events SET originator_id = CAST(x'6f72ff' AS TEXT)")

    (finding,) = verify(log).findings

    assert finding.position == 1


# Forks


def open_inherit_and_close(path: Path, connect: Callable[[], object]) -> list[int]:
    """Return what is stored after a fork outlived the parent's log, was told "stored", and died."""
    to_child, from_parent = os.pipe()

    def outlive(pipe: int) -> None:
        log = SQLiteLog(path)
        log.append(event(number=1))
        os.write(pipe, b".")
        os.read(to_child, 1)
        log.append(event(number=2))
        os.write(pipe, b".")
        os.kill(os.getpid(), 9)

    inherited = connect()
    child = Child(outlive)
    child.first_bytes()
    inherited.close()
    os.write(from_parent, b".")
    child.first_bytes()
    child.collect()
    with closing(SQLiteLog(path)) as log:
        return [int(decode_event(record).event_id) for record in log.scan()]


def test_a_fork_that_connects_again_loses_nothing_when_the_parent_closes(path):
    def connect() -> SQLiteLog:
        log = SQLiteLog(path)
        log.append(event(number=0))
        return log

    assert open_inherit_and_close(path, connect) == [0, 1, 2]


def test_control_a_fork_that_inherits_a_connection_loses_acknowledged_events(path):
    append(path, 0)

    def connect() -> sqlite3.Connection:
        raw = sqlite3.connect(path)
        raw.execute("SELECT count(*) FROM stored_events").fetchone()
        return raw

    assert open_inherit_and_close(path, connect) == [0, 1]


def test_a_fork_in_the_middle_of_a_call_refuses_to_open_the_file(log, path):
    pool = log.recorder.datastore.pool
    used = pool.get_connection()

    def connect(pipe: int) -> None:
        with pytest.raises(StoreUnavailableError, match="while this process was forked"):
            SQLiteLog(path)

    assert Child(connect).collect() == (0, b"")
    pool.put_connection(used)
    assert log.append(event()).outcome is Outcome.APPENDED


def test_the_first_callback_of_a_log_is_stored_while_its_views_are_built(tmp_path):
    """A connection that gives up closes its files while another one opens them."""
    for number in range(30):
        with connect(f"sqlite:///{tmp_path}/{number}.db") as orders:
            building = threading.Thread(target=orders.views.rebuild)
            building.start()
            outcome = orders.record_callback({"id": "a", "status": "brand_new"}).outcome
            building.join()
            assert (outcome, orders.get("a").status) == ("appended", "brand_new")
