"""What a SQLite file tells of itself: its schema, its write-ahead file, who may read it."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from stat import S_IMODE, S_IRWXG, S_IRWXO
from typing import Final, NamedTuple

from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.sqlite.files import LogFile
from lifecycle.log.stores.sqlite.schema import SCHEMA

LOG: Final = logging.getLogger("lifecycle.log")

_MASTER: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_MEBIBYTE: Final = 1024 * 1024
_CHANGED_LOG: Final = (
    "what was recorded may have been changed: run lifecycle verify with a checkpoint; then "
    "lifecycle db init puts triggers back, and lifecycle copy makes a whole new file"
)
_CHANGED_REST: Final = "drop what is strange, or make the tables anew: lifecycle views --rebuild"
_HELD: Final = (
    "a reader that does not end keeps it from being emptied: end it (a shell, a report, "
    "a backup), and the next appends bring it back"
)
_READABLE: Final = "every user of this machine may read what it holds; run chmod 600 on its files"

_OF_OTHERS_TOO: Final = frozenset({"tracking"})
"""Other programs that use `eventsourcing` make a table of that name, too."""

Key = tuple[str, str]
"""The type and the name of something in a schema."""


class Thing(NamedTuple):
    """A table, an index or a trigger: on which table, and the statement that made it."""

    table: str
    sql: str


@cache
def expected(statements: tuple[str, ...]) -> dict[Key, Thing]:
    """Return what statements make in an empty database."""
    with closing(sqlite3.connect(":memory:")) as memory:
        for statement in statements:
            memory.execute(statement)
        return things(memory.cursor())


def things(cursor: sqlite3.Cursor) -> dict[Key, Thing]:
    """Return what a database holds beside rows; `cursor` yields tuples."""
    return {
        (kind, name): Thing(table.lower(), " ".join((sql or "").split()))
        for kind, name, table, sql in cursor.execute(_MASTER)
    }


def differences(found: dict[Key, Thing], wanted: dict[Key, Thing]) -> list[str]:
    """Return how a schema differs from the one wanted, where that one has a say."""
    tables = {thing.table for thing in wanted.values()}
    told = [
        f"{kind} {name} {'was changed' if (kind, name) in found else 'is missing'}"
        for (kind, name), thing in wanted.items()
        if found.get((kind, name)) != thing
    ]
    strange = (
        f"{kind} {name!a} on {thing.table} is strange"
        for (kind, name), thing in found.items()
        if thing.table in tables and (kind, name) not in wanted
    )
    return [*told, *strange]


def put_back_guards(driver: sqlite3.Connection, cursor: sqlite3.Cursor) -> None:
    """Make the log's own triggers anew where they are missing or were changed."""
    for name, sql in _lacking_guards(things(cursor)).items():
        driver.execute(f"DROP TRIGGER IF EXISTS {name}")
        driver.execute(sql)


def warn_of_lacking_guards(cursor: sqlite3.Cursor, url: str) -> None:
    """Log a warning where the log's own triggers are missing or were changed."""
    lacking = _lacking_guards(things(cursor))
    if lacking:
        LOG.warning("%s: missing or changed: %s; %s", url, ", ".join(lacking), _CHANGED_LOG)


def checkup(
    driver: sqlite3.Connection,
    cursor: sqlite3.Cursor,
    file: LogFile,
    optional: Sequence[tuple[str, ...]],
) -> list[Setting]:
    """Return what there is to tell of a file beside what its connections are set to.

    `optional` are the statements for each set of tables that are made when they are needed.
    """
    return [_schema(things(cursor), optional), *_write_ahead(driver, file), *_rights(file)]


def warn_if_readable(file: LogFile) -> None:
    """Log a warning where other users may read the file."""
    mode = _mode(file)
    if mode & S_IRWXO:
        LOG.warning("%s has mode %04o: %s", file.url, mode, _READABLE)


def _lacking_guards(found: dict[Key, Thing]) -> dict[str, str]:
    """Return the log's own triggers that are missing or were changed, and what makes them."""
    return {
        name: thing.sql
        for (kind, name), thing in expected(SCHEMA).items()
        if kind == "trigger" and found.get((kind, name)) != thing
    }


def _schema(found: dict[Key, Thing], optional: Sequence[tuple[str, ...]]) -> Setting:
    log = differences(found, expected(SCHEMA))
    rest = [
        difference
        for wanted in map(expected, optional)
        if any(key in found for key in wanted if key[1] not in _OF_OTHERS_TOO)
        for difference in differences(found, wanted)
    ]
    if not log + rest:
        return Setting("schema", "as it was made", "tables, indexes and triggers are ours")
    meaning = _CHANGED_LOG if log else _CHANGED_REST
    return Setting("schema", "; ".join(log + rest), meaning, Level.FAIL)


def _write_ahead(driver: sqlite3.Connection, file: LogFile) -> Iterator[Setting]:
    try:
        size = os.stat(file.wal).st_size  # noqa: PTH116 - as sqlite_files
    except OSError:
        return
    (limit,) = driver.execute("PRAGMA journal_size_limit").fetchone()
    told = f"{size / _MEBIBYTE:.1f} MiB"
    if size <= limit:
        yield Setting("write_ahead_file", told, f"it may have {limit // _MEBIBYTE} MiB")
        return
    pages, copied = _checkpointed(driver)
    if pages > copied:
        told += f", of which {pages - copied} of {pages} pages cannot be copied into the database"
        yield Setting("write_ahead_file", told, _HELD, Level.ATTENTION)
    else:
        yield Setting("write_ahead_file", told, "the next appends bring it back", Level.NOTE)


def _checkpointed(driver: sqlite3.Connection) -> Sequence[int]:
    """Copy what can be copied; return how many pages the file has, and how many are copied."""
    try:
        _, pages, copied = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.OperationalError:  # it may only be read
        return 1, 0
    return pages, copied


def _rights(file: LogFile) -> Iterator[Setting]:
    mode = _mode(file)
    found = f"{mode:04o}"
    if mode & S_IRWXO:
        yield Setting("file_mode", found, _READABLE, Level.ATTENTION)
    elif mode & S_IRWXG:
        meaning = "its group may read or write it; run chmod 600 on its files unless that is meant"
        yield Setting("file_mode", found, meaning, Level.NOTE)
    else:
        yield Setting("file_mode", found, "its owner alone may read it")
    names = os.stat(file.path).st_nlink  # noqa: PTH116 - as sqlite_files
    if names > 1:
        meaning = "whoever opens it by another name destroys it; remove the other hard links"
        yield Setting("file_names", str(names), meaning, Level.ATTENTION)


def _mode(file: LogFile) -> int:
    """Return what the rights to all files of a log come to."""
    mode = 0
    for name in (file.path, file.wal, file.shm):
        try:
            mode |= S_IMODE(os.stat(name).st_mode)  # noqa: PTH116 - as sqlite_files
        except FileNotFoundError:
            continue
    return mode
