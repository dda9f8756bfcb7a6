"""The file that the keys of an encrypted log lie in: SQLite again, but journaled for forgetting.

A write-ahead file would keep what was overwritten until others overwrite it. Here a commit is on
the disk when it returns, replaced values are zeroed in the file, and the journal is gone with
the commit. Few write at a time, and readers ask once a key: connections are opened as needed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import KeyStoreError
from lifecycle.log.private_file import PRIVATE
from lifecycle.log.recorder import TryAgainError
from lifecycle.log.stores.sql.database import Transaction
from lifecycle.log.stores.sql.tables import Table
from lifecycle.log.stores.sqlite.schema import create_statements

_SETTINGS: Final = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=EXTRA",  # the folder too, once the journal is gone from it
    "PRAGMA secure_delete=ON",
    "PRAGMA fullfsync=ON",
    "PRAGMA temp_store=MEMORY",
)
_BUSY_SECONDS: Final = 1.0


class KeyFile:
    """The database of one key store; what `TableKeys` asks of it."""

    def __init__(self, path: str, retry_timeout: float) -> None:
        self.url = path
        self.retry_timeout = retry_timeout

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement as it is."""
        del index
        return statement

    def holds(self, tables: Sequence[Table]) -> bool:
        """Tell whether tables are all there; False where there is no file."""
        if not Path(self.url).exists():
            return False
        found = {name for (name,) in self.ask("SELECT name FROM sqlite_master WHERE type='table'")}
        return found.issuperset(table.name for table in tables)

    def make(self, tables: Sequence[Table], transaction: Transaction) -> None:
        """Make tables, unless they are there."""
        for statement in create_statements(tables):
            transaction.cursor.execute(statement)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with self._opened() as connection:
            return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def writing(self, idle: float | None = None) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all who write; the file is made if need be."""
        del idle
        with suppress(FileExistsError):
            os.close(os.open(self.url, os.O_CREAT | os.O_EXCL | os.O_RDWR, PRIVATE))
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection.cursor(), connection)
            connection.execute("COMMIT")

    overwriting = writing

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection, closed at the end; what was not committed is rolled back.

        Raises:
            KeyStoreError: the file cannot be used.
            TryAgainError: others wrote for too long.
        """
        uri = f"{Path(self.url).absolute().as_uri()}?mode=rw"
        try:
            with closing(
                sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection:
                for setting in _SETTINGS:
                    connection.execute(setting).fetchall()
                yield connection
        except sqlite3.OperationalError as failed:
            if failed.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise TryAgainError("others write to it for too long") from failed
            raise KeyStoreError(self.url, f"SQLite says {failed.sqlite_errorname}") from failed
        except sqlite3.Error as failed:
            raise KeyStoreError(self.url, f"SQLite says {type(failed).__name__}") from failed
