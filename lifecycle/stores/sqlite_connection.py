"""Connections to one SQLite file: every setting that durability rests on, set and read back."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import quote_from_bytes

from eventsourcing.persistence import ConnectionPoolClosedError
from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTransaction,
)

from lifecycle.errors import StoreUnavailableError
from lifecycle.stores.sqlite_fault import is_harmless
from lifecycle.stores.sqlite_fork import refuse_if_used_at_fork, watch_forks

SETTINGS: Final = {
    "busy_timeout": 1000,  # milliseconds; no signal is heard meanwhile, so waiting is ours
    "synchronous": 2,  # FULL: a commit is on the disk when it returns
    "recursive_triggers": 1,  # REPLACE runs the trigger that refuses DELETE
    "fullfsync": 1,  # on macOS nothing less reaches the disk
    "checkpoint_fullfsync": 1,
    "wal_autocheckpoint": 2000,  # pages: a page that changes often is copied back less often
}
"""What every connection is set to. The journal mode is the file's, see `make_durable`."""

PAGE_BYTES: Final = 8192
"""Of a new file. A smaller page holds few records and wastes its end."""

_WRITER_CACHE_KIBIBYTES: Final = 65536
"""Holds the index of about a million records; readers do with SQLite's own two megabytes."""

_MOST_CONNECTIONS: Final = 64
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "synchronous": ("off", "normal", "full", "extra"),
    "recursive_triggers": ("off", "on"),
}


class ImmediateTransaction(SQLiteTransaction):
    """Takes the write lock at once: a read lock that has to grow fails "locked" under rivals."""

    def __enter__(self) -> SQLiteCursor:
        cursor = self.connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if self.commit else "BEGIN")
        return cursor


class LogConnection(SQLiteConnection):
    """A connection whose writing transactions begin with the write lock."""

    def __init__(self, driver: sqlite3.Connection, url: str) -> None:
        super().__init__(driver, max_age=None)
        self.driver = driver
        self.tuples = self.new_cursor()
        self._url = url
        self._is_durable = False

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """Yield a cursor within a transaction, rolled back unless `commit`."""
        if commit:
            self.make_durable()
        with ImmediateTransaction(self, commit=commit) as cursor, cursor:
            yield cursor

    def new_cursor(self) -> sqlite3.Cursor:
        """Return a cursor that yields tuples; the library's own methods need named rows."""
        cursor = self.driver.cursor()
        cursor.row_factory = None
        return cursor

    @contextmanager
    def tolerant(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor that reads text which is no UTF-8, escaped: somebody tampered with it."""
        self.driver.text_factory = _escaped
        try:
            yield self.new_cursor()
        finally:
            self.driver.text_factory = str

    def settings(self) -> dict[str, str]:
        """Return what durability rests on, read back, in SQLite's words."""
        found = {"journal_mode": str(_setting(self.driver, "journal_mode"))}
        for name, words in _WORDS.items():
            value = _setting(self.driver, name)
            found[name] = words[value] if value in range(len(words)) else str(value)
        return found

    def make_durable(self) -> None:
        """Have the file journaled by a write-ahead log; once per connection, before it writes.

        Raises:
            StoreUnavailableError: the file or its disk does not take it.
        """
        if not self._is_durable:
            if _setting(self.driver, "journal_mode") != "wal":
                self.driver.execute(f"PRAGMA page_size={PAGE_BYTES}")
                self.driver.execute("PRAGMA journal_mode=WAL")
            _check(self.driver, self._url, "journal_mode", "wal")
            self.driver.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIBIBYTES}")
            self._is_durable = True


class LogConnectionPool(SQLiteConnectionPool):
    """Connections to the file at `path`; none is handed out before its settings are proved.

    What is given back lies on a stack of our own: the library's pool takes locks that cost
    more than the statement they guard.
    """

    def __init__(self, path: str, url: str, *, create: bool) -> None:
        self.path = os.path.realpath(path)
        self.url = url
        self._opening = 0
        self._opened: list[LogConnection] = []
        self._idle: deque[LogConnection] = deque()
        super().__init__(
            db_name=_uri(self.path, create=create),
            pool_size=_MOST_CONNECTIONS,
            max_overflow=0,
            pool_timeout=0,
        )
        watch_forks(self)

    def borrow(self) -> LogConnection:
        """Return a connection for one thread's use; give it back, or discard it.

        The library's interlocking of writers is not used: it stays locked for ever if a
        connection cannot be opened. Only one thread of a log writes at a time anyway.
        """
        if self._closed:
            raise ConnectionPoolClosedError
        try:
            return self._idle.pop()
        except IndexError:
            connection = self.get_connection()
        if not isinstance(connection, LogConnection):
            raise TypeError
        return connection

    def give_back(self, connection: LogConnection) -> None:
        """Take back a connection that did what it was asked."""
        self._idle.append(connection)

    def discard(self, connection: LogConnection) -> None:
        """Take back a connection that failed; it is not used again."""
        connection.close()
        self.put_connection(connection)

    @property
    def is_used(self) -> bool:
        """Whether any connection is in use, or just being opened; asked in a fork, so no locks."""
        idle = {id(connection) for connection in (*self._idle, *self._pool)}
        return bool(self._opening) or any(
            not connection.closed and id(connection) not in idle for connection in self._opened
        )

    def close_in_child(self) -> None:
        """Close all connections of a fork that the parent goes on using."""
        self._closed = True
        for connection in self._opened:
            with suppress(sqlite3.Error):
                connection.driver.close()

    def _create_connection(self) -> LogConnection:
        refuse_if_used_at_fork(self.path, self.url)
        self._opening += 1
        try:
            connection = LogConnection(_connected(self.db_name, self.url), self.url)
            self._opened = [other for other in self._opened if not other.closed] + [connection]
            return connection
        finally:
            self._opening -= 1


class LogDatastore(SQLiteDatastore):
    """The library's datastore on our connections."""

    pool: LogConnectionPool

    def __init__(self, path: str, url: str, *, create: bool) -> None:
        super().__init__(db_name="", originator_id_type="text")
        self.pool = LogConnectionPool(path, url, create=create)

    @contextmanager
    def get_connection(self, *, commit: bool = False) -> Iterator[LogConnection]:  # noqa: ARG002
        """Yield a connection; one that failed is not used again."""
        connection = self.pool.borrow()
        try:
            yield connection
        except BaseException as fault:
            if connection.driver.in_transaction or not is_harmless(fault):
                self.pool.discard(connection)
            else:
                self.pool.give_back(connection)
            raise
        self.pool.give_back(connection)


def _escaped(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _connected(uri: str, url: str) -> sqlite3.Connection:
    driver = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
    try:
        for name, value in SETTINGS.items():
            driver.execute(f"PRAGMA {name}={value}")
            _check(driver, url, name, value)
        _check(driver, url, "encoding", "UTF-8")
        driver.row_factory = sqlite3.Row
    except BaseException:
        driver.close()
        raise
    return driver


def _uri(path: str, *, create: bool) -> str:
    return f"file:{quote_from_bytes(os.fsencode(path))}?mode={'rwc' if create else 'rw'}"


def _setting(driver: sqlite3.Connection, name: str) -> Any:
    row = driver.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else None


def _check(driver: sqlite3.Connection, url: str, name: str, expected: object) -> None:
    found = _setting(driver, name)
    if found != expected:
        raise StoreUnavailableError(
            url, f"its {name} is {found!r} and could not be set to {expected!r}"
        )
