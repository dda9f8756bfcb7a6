"""What stored views and subscriptions ask of the database that their tables lie in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from lifecycle.log.stores.sql.tables import Table


class Cursor(Protocol):
    """What both drivers' cursors offer."""

    def execute(self, statement: str, parameters: Sequence[object] = ..., /) -> Any:
        """Run a statement."""
        ...

    def executemany(self, statement: str, parameters: Sequence[Sequence[object]], /) -> Any:
        """Run a statement with each of these values."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None if there is no more."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        ...


class Transaction(NamedTuple):
    """One transaction: the cursor that we use, and the connection that a handler gets."""

    cursor: Any
    connection: Any


class KeyDatabase(Protocol):
    """A database that keeps keys. Every method raises `StoreError` or `TryAgainError`."""

    @property
    def url(self) -> str:
        """Where it lies, without secrets."""
        ...

    @property
    def retry_timeout(self) -> float:
        """For how many seconds a call asks again, as the log's."""
        ...

    def spelled(self, statement: str, index: str = "") -> str:
        """Return a statement as the database takes it; `index` is the one to use."""
        ...

    def holds(self, tables: Sequence[Table]) -> bool:
        """Tell whether tables are all there, and this user may read them."""
        ...

    def make(self, tables: Sequence[Table], transaction: Transaction) -> None:
        """Make tables, unless they are there."""
        ...

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        ...

    def writing(self, idle: float | None = None) -> AbstractContextManager[Transaction]:
        """Return a transaction, kept if its block ends well; it may be `idle` so many seconds."""
        ...

    def overwriting(self) -> AbstractContextManager[Transaction]:
        """Return a transaction whose writers keep each other out, and which leaves no trace.

        What it replaces is in none of the database's own files afterwards, where it can tell.
        """
        ...


class Database(KeyDatabase, Protocol):
    """The database of one log, which may keep its keys, too."""

    def reading(self) -> AbstractContextManager[Cursor]:
        """Return a block whose statements all see one state of the tables."""
        ...

    def cut_off(self, connection: Any) -> None:
        """Roll back what a thread does in `writing`, and refuse what it goes on to do."""
        ...

    def writing_views(self) -> AbstractContextManager[Transaction]:
        """Return a transaction in which nobody else writes views."""
        ...
