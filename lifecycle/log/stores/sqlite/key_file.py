"""The file with the keys of an encrypted log: SQLite, with settings that leave no old keys behind.

A write-ahead file would keep overwritten keys until they are overwritten themselves. Here a
commit is on disk when it returns, replaced values are zeroed in the file, and the commit deletes
the journal. Writes are few and each key is read once, so one connection is enough.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple

from lifecycle.errors import KeyStoreError
from lifecycle.log.private_file import PRIVATE
from lifecycle.log.store_port import TryAgainError
from lifecycle.log.stores.sql.database import Transaction
from lifecycle.log.stores.sql.tables import Table
from lifecycle.log.stores.sqlite.schema import create_statements

_SETTINGS: Final = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=EXTRA",  # syncs the folder too, once the journal is deleted
    "PRAGMA secure_delete=ON",
    "PRAGMA fullfsync=ON",
    "PRAGMA temp_store=MEMORY",
)
_BUSY_SECONDS: Final = 1.0


class KeyFile:
    """The database of one key store, as `TableKeys` uses it; safe for threads and forks."""

    def __init__(self, path: str, retry_timeout: float) -> None:
        self.url = path
        self.retry_timeout = retry_timeout
        self._lock = RLock()
        self._opened: _Opened | None = None

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement unchanged: it is SQLite's own."""
        del index
        return statement

    def holds(self, tables: Sequence[Table]) -> bool:
        """Tell whether all tables exist; False if there is no file."""
        if not Path(self.url).exists():
            return False
        found = {name for (name,) in self.ask("SELECT name FROM sqlite_master WHERE type='table'")}
        return found.issuperset(table.name for table in tables)

    def make(self, tables: Sequence[Table], transaction: Transaction) -> None:
        """Make tables, unless they exist."""
        for statement in create_statements(tables):
            transaction.cursor.execute(statement)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with self._lent() as connection:
            return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def writing(self, idle: float | None = None) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all writers; the file is made if needed."""
        del idle
        with suppress(FileExistsError):
            os.close(os.open(self.url, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
        with self.overwriting() as transaction:
            yield transaction

    @contextmanager
    def overwriting(self) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all writers, on a file that is there."""
        with self._lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection.cursor(), connection)
            connection.execute("COMMIT")
            if self._is_stale():  # what was written is in a file that has no name any more
                raise TryAgainError("it was replaced while it was written")

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection to one thread at a time; after an error it is opened again.

        Raises:
            KeyStoreError: the file cannot be used.
            TryAgainError: another process wrote for too long.
        """
        with self._lock:
            try:
                if self._is_stale():
                    self._close()
                    self._opened = _open(self.url)
                yield self._opened.connection  # type: ignore[union-attr]
            except BaseException as failed:
                self._close()
                if isinstance(failed, sqlite3.Error):
                    raise _translated(self.url, failed) from failed
                raise

    def _is_stale(self) -> bool:
        """Tell whether the connection is another process's, or of a file that was replaced."""
        opened = self._opened
        return opened is None or (opened.pid, opened.file) != (os.getpid(), _identity(self.url))

    def _close(self) -> None:
        """Close the connection; a fork leaves its parent's alone, with the locks that it has."""
        opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.connection.close()
        elif opened is not None:
            _OF_PARENTS.append(opened)

    def __repr__(self) -> str:
        return f"<KeyFile {self.url!a}>"


class _Opened(NamedTuple):
    connection: sqlite3.Connection
    pid: int
    file: tuple[int, int] | None


_OF_PARENTS: Final[list[_Opened]] = []
"""Never closed here: closing a file gives up the locks that the parent has on it."""


def _open(path: str) -> _Opened:
    before = _identity(path)
    uri = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
    except BaseException:
        connection.close()
        raise
    return _Opened(connection, os.getpid(), before)


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from all others; None if there is none."""
    with suppress(OSError):
        found = os.stat(path)  # noqa: PTH116 - a Path would take as long as the call
        return found.st_ino, found.st_dev
    return None


def _translated(path: str, failed: sqlite3.Error) -> Exception:
    name = str(getattr(failed, "sqlite_errorname", type(failed).__name__))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TryAgainError("others write to it for too long")
    return KeyStoreError(path, f"SQLite says {name}")
