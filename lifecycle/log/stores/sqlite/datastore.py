"""The database of one log: its connections, and the tables beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from eventsourcing.sqlite import SQLiteDatastore

from lifecycle.log.store_port import in_library_words
from lifecycle.log.stores.sql.database import Transaction
from lifecycle.log.stores.sql.tables import Table
from lifecycle.log.stores.sqlite.connection import Lent, LogConnection, LogConnectionPool
from lifecycle.log.stores.sqlite.schema import create_statements


class LogDatastore(SQLiteDatastore):
    """The library's datastore on our connections, and the database of one log."""

    pool: LogConnectionPool  # type: ignore[assignment]  # ours, see there

    def __init__(self, path: str, url: str, retry_timeout: float, *, create: bool) -> None:
        super().__init__(db_name="", originator_id_type="text")
        self.url = url
        self.retry_timeout = retry_timeout
        self.pool = LogConnectionPool(path, url, create=create)

    @contextmanager
    def get_connection(self, *, commit: bool = False) -> Iterator[LogConnection]:
        """Yield a connection, as the library's own methods ask for it."""
        del commit
        with in_library_words(sqlite3.Error), Lent(self.pool) as connection:
            yield connection

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement with the index named: the planner knows not how few orders wait."""
        # CAST: whoever changes a row by hand may leave text where bytes belong.
        used = f" INDEXED BY {index}" if index else ""
        return statement.replace(
            "body FROM order_views", f"CAST(body AS BLOB) FROM order_views{used}"
        )

    def holds(self, tables: Sequence[Table]) -> bool:
        """Tell whether tables are all there."""
        found = {name for (name,) in self.ask("SELECT name FROM sqlite_master WHERE type='table'")}
        return found.issuperset(table.name for table in tables)

    def make(self, tables: Sequence[Table], transaction: Transaction) -> None:
        """Make tables, unless they are there."""
        for statement in create_statements(tables):
            transaction.cursor.execute(statement)

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        with Lent(self.pool, translated=True) as connection:
            return connection.tuples.execute(statement, parameters).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Cursor]:
        """Yield a cursor whose statements all see one state of the file."""
        with Lent(self.pool, translated=True) as connection:
            connection.driver.execute("BEGIN")
            try:
                yield connection.tuples
            finally:
                connection.driver.execute("ROLLBACK")

    @contextmanager
    def writing(self, idle: float | None = None) -> Iterator[Transaction]:
        """Yield a transaction that holds the lock of all who write."""
        del idle  # no limit is set
        with (
            Lent(self.pool, translated=True) as connection,
            connection.transaction(commit=True),
        ):
            yield Transaction(connection.tuples, connection.driver)

    writing_views = writing

    @contextmanager
    def overwriting(self) -> Iterator[Transaction]:
        """Yield a transaction after which no free page tells.

        The write-ahead file may, until others have overwritten it: it is never cut while it is
        in use, as that could be somebody's attack.
        """
        with Lent(self.pool, translated=True) as connection:
            connection.tuples.execute("PRAGMA secure_delete=ON").fetchall()
            with connection.transaction(commit=True):
                yield Transaction(connection.tuples, connection.driver)

    def cut_off(self, connection: sqlite3.Connection) -> None:
        """Roll back what a thread does in `writing`, and refuse what it goes on to do.

        It is not closed: with the last connection the write-ahead file would go.
        """
        connection.set_authorizer(_may_only_roll_back)
        connection.interrupt()
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _may_only_roll_back(action: int, words: str | None, *_: object) -> int:
    rolls_back = action == sqlite3.SQLITE_TRANSACTION and words == "ROLLBACK"
    return sqlite3.SQLITE_OK if rolls_back else sqlite3.SQLITE_DENY
