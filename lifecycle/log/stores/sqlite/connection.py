"""Connections to one SQLite file: every setting that durability rests on, set and read back."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import get_ident
from time import monotonic
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote_from_bytes

from eventsourcing.persistence import ConnectionPoolClosedError, ConnectionUnavailableError
from eventsourcing.sqlite import SQLiteConnection, SQLiteCursor, SQLiteTransaction
from msgspec import Struct

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.store_port import Head
from lifecycle.log.stores.sqlite.fault import is_harmless, raise_translated
from lifecycle.log.stores.sqlite.files import LogFile, OpenFiles
from lifecycle.log.stores.sqlite.fork import keep_open, refuse_if_unsafe, watch_forks

SETTINGS: Final = {
    "busy_timeout": 1000,  # milliseconds; no signal is heard meanwhile, so waiting is ours
    "synchronous": 2,  # FULL: a commit is on the disk when it returns
    "recursive_triggers": 1,  # REPLACE runs the trigger that refuses DELETE
    "fullfsync": 1,  # on macOS nothing less reaches the disk
    "checkpoint_fullfsync": 1,
    "wal_autocheckpoint": 4000,  # pages: a page that changes often is copied back less often
    "journal_size_limit": 40 * 1024 * 1024,  # bytes: what a long reader made grow shrinks again
}
"""What every connection is set to. The journal mode is the file's, see `_make_durable`."""

MEANINGS: Final[Mapping[str, str]] = {
    "journal_mode": "a commit is in the write-ahead log, and readers wait for nobody",
    "synchronous": "a commit is on the disk when it returns",
    "recursive_triggers": "REPLACE is refused too",
    "journal_size_limit": "the write-ahead file comes back to this size, in bytes",
}
"""What the settings mean that a connection reads back."""

PAGE_BYTES: Final = 8192
"""Of a new file. A smaller page holds few records and wastes its end."""

_WRITER_CACHE_KIBIBYTES: Final = 65536
"""Holds the index of about a million records; readers do with SQLite's own two megabytes."""

MOST_CONNECTIONS: Final = 64
"""Who asks for one more is refused, and tries again."""

_FORGET: Final = "PRAGMA shrink_memory"
# SQLite keeps pages until the write-ahead file says that they changed, which it does not
# where somebody copies another file over the database.

_GENERATION: Final = "PRAGMA data_version"

NOTHING_COMMITTED: Final = (None, None)
"""Of a connection that has to look for the end of the log."""

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "synchronous": ("off", "normal", "full", "extra"),
    "recursive_triggers": ("off", "on"),
    "journal_size_limit": (),
}


class ImmediateTransaction(SQLiteTransaction):
    """Takes the write lock at once: a read lock that has to grow fails "locked" under rivals."""

    connection: LogConnection

    def __enter__(self) -> SQLiteCursor:
        if self.commit:
            self.connection.begin()
            self.connection.committed = (
                NOTHING_COMMITTED  # whoever asks for it may insert records, too
            )
            return self.connection.cursor()
        return super().__enter__()


class LogConnection(SQLiteConnection):
    """A connection whose writing transactions begin with the write lock.

    `committed` is what `begin` returned at its last commit, and the last record of the log then.
    """

    def __init__(self, driver: sqlite3.Connection, file: LogFile) -> None:
        super().__init__(driver, max_age=None)
        self.driver = driver
        self.tuples: sqlite3.Cursor = self.new_cursor()
        self.files: OpenFiles = OpenFiles(file)
        self.committed: tuple[int | None, Head | None] = NOTHING_COMMITTED
        self._url = file.url
        self._is_durable = False
        if _setting(driver, "journal_mode") == "wal":
            self.files.watch()

    @contextmanager
    def transaction(self, *, commit: bool) -> Iterator[SQLiteCursor]:
        """Yield a cursor within a transaction, rolled back unless `commit`."""
        with ImmediateTransaction(self, commit=commit) as cursor, cursor:
            yield cursor
        if commit and self.files.check_committed():
            self.forget()

    def begin(self) -> int:
        """Begin to write: all others are kept out, and the files are those that were opened.

        Returns a number that changes once another connection has committed.

        Raises:
            StoreUnavailableError: they are not; nothing was begun.
        """
        if not self._is_durable:
            self._make_durable()
        execute = self.tuples.execute
        execute("BEGIN IMMEDIATE")
        try:
            while self.files.check():
                # The first page was read already, and only ending forgets it.
                execute("ROLLBACK")
                self.forget()
                execute("BEGIN IMMEDIATE")
            generation: int = execute(_GENERATION).fetchone()[0]
        except BaseException:
            if self.driver.in_transaction:
                execute("ROLLBACK")
            raise
        return generation

    def check(self) -> bool:
        """Return whether the files were written to since the last look; old pages are forgotten.

        Raises:
            StoreUnavailableError: they are no longer the files that were opened.
        """
        written = self.files.check()
        if written:
            self.forget()
        return written

    def new_cursor(self) -> sqlite3.Cursor:
        """Return a cursor that yields tuples; the library's own methods need named rows."""
        cursor = self.driver.cursor()
        cursor.row_factory = None
        return cursor

    @contextmanager
    def tolerant(self, errors: str = "backslashreplace") -> Iterator[sqlite3.Cursor]:
        """Yield a cursor that reads text which is no UTF-8, as a codec's error handler says."""
        self.driver.text_factory = lambda text: text.decode("utf-8", errors)
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

    def forget(self) -> None:
        """Forget the pages that were read, and the end of the log."""
        self.committed = NOTHING_COMMITTED
        self.driver.execute(_FORGET)

    def _make_durable(self) -> None:
        """Have the file journaled by a write-ahead log; once per connection, before it writes.

        Raises:
            StoreUnavailableError: the file or its disk does not take it.
        """
        if _setting(self.driver, "journal_mode") != "wal":
            self.driver.execute(f"PRAGMA page_size={PAGE_BYTES}")
            self.driver.execute("PRAGMA journal_mode=WAL")
        _check(self.driver, self._url, "journal_mode", "wal")
        self.driver.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIBIBYTES}")
        # The write-ahead file is opened by whatever reads first.
        self.driver.execute("SELECT 1 FROM sqlite_master").fetchone()
        self.files.watch_writing()
        self._is_durable = True

    def _close(self) -> None:
        self.tuples.close()  # while it holds a statement that failed, the files stay open
        if self.files.may_be_closed():
            self.driver.close()
        else:
            keep_open(self.files.path, self.driver)
        self.files.close()
        super(SQLiteConnection, self)._close()


class LogConnectionPool:
    """Connections to the file at `path`; none is handed out before its settings are proved.

    A stack without locks instead of the library's pool: its locks cost more than the
    statement they guard, and one stays locked for ever if a connection cannot be opened.
    """

    def __init__(self, path: str, url: str, *, create: bool) -> None:
        self.file: LogFile = LogFile(path, url)
        self.path: str = self.file.path
        if create:
            self.file.make()
        else:
            self.file.wait_until_made()
        self._idle: deque[LogConnection] = deque()
        self._opened: list[LogConnection] = []
        self._opening: set[int] = set()
        self._closed = False
        self.db_name: str = _uri(self.path)
        watch_forks(self)

    def get_connection(self) -> LogConnection:
        """Return a connection for one thread's use, to be put back; never waits."""
        if self._closed:
            raise ConnectionPoolClosedError
        try:
            return self._idle.pop()
        except IndexError:
            if len(self._opened) >= MOST_CONNECTIONS:
                raise ConnectionUnavailableError from None
            return self._create_connection()

    def put_connection(self, connection: LogConnection) -> None:
        """Take a connection back; one that was closed is forgotten."""
        if self._closed and not connection.closed:
            self.discard(connection)
        elif not connection.closed:
            self._idle.append(connection)

    def put_failed(self, connection: LogConnection | None, fault: BaseException) -> None:
        """Take a connection back after an error; what it did not commit is rolled back."""
        if connection is None:
            return
        try:
            if connection.driver.in_transaction:
                with suppress(sqlite3.Error):
                    connection.driver.execute("ROLLBACK")
            if connection.driver.in_transaction or not is_harmless(fault):
                self.discard(connection)
        finally:
            self.put_connection(connection)

    def discard(self, connection: LogConnection) -> None:
        """Close a connection. Closing the last one deletes the write-ahead file."""
        with suppress(ValueError):
            self._opened.remove(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is put back."""
        self._closed = True
        while self._idle:
            self.put_connection(self._idle.pop())

    @property
    def is_used(self) -> bool:
        """Whether any connection is in use, or just being opened; asked in a fork, so no locks."""
        return bool(self._opening) or len(self._opened) != len(self._idle)

    def close_in_child(self) -> None:
        """Close all connections of a fork that the parent goes on using."""
        for connection in self.leave_open():
            connection.files.close()
            with suppress(sqlite3.Error):
                connection.tuples.close()
                connection.driver.close()

    def leave_open(self) -> list[LogConnection]:
        """Return all connections, which are no longer the pool's."""
        self._closed = True
        self._idle.clear()
        return self._opened

    def _create_connection(self) -> LogConnection:
        refuse_if_unsafe(self.path, self.file.url)
        self._opening.add(get_ident())
        try:
            connection = self._new_connection()
            self._opened.append(connection)
        finally:
            self._opening.discard(get_ident())
        return connection

    def _new_connection(self) -> LogConnection:
        """Open the file, which must be the one that others of this pool opened."""
        others = self._opened[:1]
        self._look(others)
        before = self.file.first_look()
        driver = _connected(self.db_name, self.file.url)
        try:
            self.file.second_look(before)
            connection = LogConnection(driver, self.file)
            self._look(others)
        except BaseException:
            driver.close()
            raise
        return connection

    def _look(self, connections: list[LogConnection]) -> None:
        """Check what connections have open, but for those that are discarded meanwhile."""
        for connection in connections:
            try:
                connection.files.look()
            except StoreUnavailableError:
                if connection in self._opened:
                    raise


class Lent(Struct):
    """A connection of a pool for one block's use; one that failed is not used again.

    With `translated` no error of SQLite leaves the block. A class, as every statement enters
    one: a generator would take three times as long.
    """

    pool: LogConnectionPool
    translated: bool = False
    connection: LogConnection | None = None

    def __enter__(self) -> LogConnection:
        try:
            self.connection = connection = self.pool.get_connection()
            if monotonic() >= connection.files.due_at:
                connection.check()
        except BaseException as fault:
            self.__exit__(type(fault), fault, None)
            raise
        return connection

    def __exit__(
        self, kind: object, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if fault is None and self.connection is not None:
            self.pool.put_connection(self.connection)
        elif fault is not None:
            self.pool.put_failed(self.connection, fault)
            if self.translated:
                raise_translated(self.pool.file.url, fault)


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


def _uri(path: str) -> str:
    return f"file:{quote_from_bytes(os.fsencode(path))}?mode=rw"


def _setting(driver: sqlite3.Connection, name: str) -> Any:
    row = driver.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else None


def _check(driver: sqlite3.Connection, url: str, name: str, expected: object) -> None:
    found = _setting(driver, name)
    if found != expected:
        raise StoreUnavailableError(
            url, f"its {name} is {found!a} and could not be set to {expected!a}"
        )
