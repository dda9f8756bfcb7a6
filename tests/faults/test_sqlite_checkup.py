"""What a SQLite file tells of itself: a schema that was changed, its size, and its rights."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from lifecycle.audit.verify import verify
from lifecycle.composition import initialize
from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.sqlite import files as sqlite_files
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event
from tests.faults.children import Child

MEBIBYTE = 1024 * 1024
LIMIT = 40 * MEBIBYTE

UPDATE_GUARD = "trigger stored_events_refuse_update"
DELETE_GUARD = "trigger stored_events_refuse_delete"

# What somebody did, and how it is told.
CHANGES = {
    "DROP TRIGGER stored_events_refuse_update": f"{UPDATE_GUARD} is missing",
    "DROP TRIGGER stored_events_refuse_delete": f"{DELETE_GUARD} is missing",
    "DROP TRIGGER stored_events_refuse_delete; CREATE TRIGGER stored_events_refuse_delete "
    "BEFORE DELETE ON stored_events BEGIN SELECT 1; END": f"{DELETE_GUARD} was changed",
    "DROP TRIGGER stored_events_refuse_update; CREATE TRIGGER stored_events_refuse_update "
    "BEFORE UPDATE ON stored_events WHEN old.rowid > 9 BEGIN SELECT RAISE(ABORT, 'no'); END": (
        f"{UPDATE_GUARD} was changed"
    ),
    "CREATE TRIGGER swallow BEFORE INSERT ON stored_events BEGIN SELECT RAISE(IGNORE); END": (
        "trigger 'swallow' on stored_events is strange"
    ),
    "CREATE UNIQUE INDEX one_topic ON stored_events (topic)": (
        "index 'one_topic' on stored_events is strange"
    ),
    "ALTER TABLE stored_events RENAME TO hidden; CREATE TABLE stored_events (rowid INTEGER PRIMARY "
    "KEY, originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB)": (
        "table stored_events was changed; index sqlite_autoindex_stored_events_1 is missing"
    ),
    "DROP INDEX order_views_waiting": "index order_views_waiting is missing",
    "DROP TABLE poisoned_orders": "table poisoned_orders is missing",
    "ALTER TABLE order_views ADD COLUMN note TEXT": "table order_views was changed",
    "CREATE TRIGGER t AFTER INSERT ON order_views BEGIN DELETE FROM order_views; END": (
        "trigger 't' on order_views is strange"
    ),
    "DROP TABLE tracking": "table tracking is missing",
    "DROP INDEX feed_deliveries_order": "index feed_deliveries_order is missing",
    "DROP TABLE feeds; CREATE TABLE feeds (name TEXT, position INTEGER)": (
        "table feeds was changed"
    ),
}


@pytest.fixture
def whole(log: SQLiteLog) -> SQLiteLog:
    """A log that has views and feeds beside it."""
    assert log.views is not None
    log.views.create()
    log.feeds.begin("mail", 0)
    return log


def run_sql(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(script)


def told(log: SQLiteLog, name: str) -> Setting:
    (setting,) = [setting for setting in log.settings() if setting.name == name]
    return setting


# The schema


def test_a_file_as_we_created_it_has_no_findings(whole):
    assert told(whole, "schema")[1:] == (
        "as it was made",
        "tables, indexes and triggers are ours",
        Level.OK,
    )


def test_tables_that_are_not_needed_yet_are_not_reported_missing(log):
    assert told(log, "schema").level is Level.OK


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_record_is_named(whole, path, change):
    run_sql(path, change)

    found = told(whole, "schema")

    assert CHANGES[change] in found.found
    assert found.level is Level.FAIL


def test_every_difference_is_named(whole, path):
    run_sql(path, "; ".join(list(CHANGES)[:2]))

    assert told(whole, "schema").found == f"{UPDATE_GUARD} is missing; {DELETE_GUARD} is missing"


def test_tables_of_others_are_their_own_business(log, path):
    run_sql(
        path,
        "CREATE TABLE other (x); CREATE INDEX other_x ON other (x);"
        "CREATE TABLE tracking (application_name TEXT, notification_id INTEGER)",
    )

    assert told(log, "schema").level is Level.OK


def test_a_name_with_control_characters_is_shown_escaped(log, path):
    run_sql(path, 'CREATE INDEX "\x1b[2J" ON stored_events (topic)')

    assert "index '\\x1b[2J' on stored_events is strange" in told(log, "schema").found


@pytest.mark.parametrize("change", list(CHANGES)[:4])
def test_opening_a_log_without_its_guards_warns_and_changes_nothing(log, path, change, caplog):
    log.close()
    run_sql(path, change)

    with closing(SQLiteLog(path)) as opened:
        assert "missing or changed: stored_events_refuse_" in caplog.text
        assert told(opened, "schema").level is Level.FAIL
        assert opened.append(event(number=2)).version == 2


@pytest.mark.parametrize("change", list(CHANGES)[:4])
def test_guards_are_put_back_by_db_init(log, path, change, caplog):
    log.close()
    run_sql(path, change)

    assert initialize(f"sqlite:///{path}") == f"sqlite:///{path}"

    caplog.clear()
    with closing(SQLiteLog(path)) as opened:
        assert told(opened, "schema").level is Level.OK
    with closing(sqlite3.connect(path)) as raw:
        for refused in ("UPDATE stored_events SET topic = 'x'", "DELETE FROM stored_events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(refused)
    assert caplog.text == ""


def test_an_intact_log_is_opened_without_a_warning(log, path, caplog):
    log.close()
    SQLiteLog(path).close()

    assert caplog.text == ""


def test_opening_a_log_to_read_changes_nothing(log, path):
    log.close()
    run_sql(path, "DROP TRIGGER stored_events_refuse_delete")
    before = path.read_bytes()

    with closing(SQLiteLog(path, create=False)) as opened:
        assert told(opened, "schema").found == f"{DELETE_GUARD} is missing"

    assert path.read_bytes() == before


def test_a_file_without_guards_that_may_only_be_read_can_be_read(log, path):
    log.close()
    run_sql(path, "DROP TRIGGER stored_events_refuse_delete")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(path, folder))
        copy.chmod(0o444)
        Path(folder).chmod(0o777)

        def read(pipe: int) -> None:
            if os.geteuid() == 0:
                os.setuid(65534)
            with closing(SQLiteLog(copy)) as opened:
                assert verify(opened).records == 1
                assert told(opened, "schema").found == f"{DELETE_GUARD} is missing"

        code, written = Child(read).collect()
        assert code == 0, written.decode()


# The write-ahead file


def wal_size(path: Path) -> int:
    return path.with_name("orders.db-wal").stat().st_size


def fill(log: SQLiteLog, first: int, mebibytes: int) -> None:
    for number in range(first, first + mebibytes):
        log.append(event("filling", number, body=b"x" * MEBIBYTE))


@pytest.mark.parametrize("settled", [0, 2_500_000_000], ids=["settled folder", "new folder"])
def test_a_write_ahead_file_grown_by_a_long_reader_is_reported_and_shrinks_again(
    log, path, monkeypatch, settled
):
    monkeypatch.setattr(sqlite_files, "SETTLED_NANOSECONDS", settled)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM stored_events").fetchone()
        fill(log, 100, 60)
        assert wal_size(path) > LIMIT

        held = told(log, "write_ahead_file")

        assert held.level is Level.ATTENTION
        assert "pages cannot be copied into the database" in held.found
        assert "a reader that does not end" in held.meaning

    assert told(log, "write_ahead_file").level is Level.NOTE
    for number in range(2, 6):
        log.append(event(number=number))
    assert wal_size(path) <= LIMIT
    assert told(log, "write_ahead_file").level is Level.OK


def test_control_without_a_limit_it_never_shrinks(path):
    """A connection as SQLite makes it: what the file once had it keeps."""
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as writer,
        closing(sqlite3.connect(path, isolation_level=None)) as reader,
    ):
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE filled (x)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM filled").fetchone()
        for _ in range(60):
            writer.execute("INSERT INTO filled VALUES (zeroblob(1048576))")
        reader.execute("ROLLBACK")
        for _ in range(3):
            writer.execute("INSERT INTO filled VALUES (1)")

        assert wal_size(path) > LIMIT


def test_the_limit_is_read_back(log):
    assert told(log, "journal_size_limit").found == str(LIMIT)


# Who may read it


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_files_of_a_new_log_are_their_owner_s_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        with closing(SQLiteLog(tmp_path / "orders.db")) as log:
            log.append(event())
            log.backup(str(tmp_path / "copy.db"))
            modes = {found.name: found.stat().st_mode & 0o777 for found in tmp_path.iterdir()}
    finally:
        os.umask(before)

    assert modes == dict.fromkeys(("orders.db", "orders.db-wal", "orders.db-shm", "copy.db"), 0o600)


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        (0o600, Level.OK),
        (0o640, Level.NOTE),
        (0o660, Level.NOTE),
        (0o644, Level.ATTENTION),
        (0o606, Level.ATTENTION),
    ],
)
def test_a_file_that_others_may_read_is_reported(log, path, mode, level):
    path.chmod(mode)

    found = told(log, "file_mode")

    assert (found.found, found.level) == (f"{mode:04o}", level)


def test_a_write_ahead_file_that_others_may_read_is_reported(log, path):
    path.with_name("orders.db-wal").chmod(0o644)

    assert told(log, "file_mode").level is Level.ATTENTION


def test_opening_a_file_that_others_may_read_logs_a_warning(log, path, caplog):
    log.close()
    path.chmod(0o644)

    with caplog.at_level(logging.WARNING, "lifecycle.log"):
        SQLiteLog(path).close()

    assert "has mode 0644: every user of this machine may read what it holds" in caplog.text


def test_a_second_link_to_the_file_is_reported(log, path):
    path.with_name("other.db").hardlink_to(path)

    found = told(log, "file_names")

    assert (found.found, found.level) == ("2", Level.ATTENTION)
