"""What SQLite complains about, in our words: no error of a driver leaves the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    ConnectionUnavailableError,
    PersistenceError,
)

from lifecycle.errors import (
    InvalidArgumentError,
    LifecycleError,
    StoreClosedError,
    StoreUnavailableError,
)
from lifecycle.log.store_port import TryAgainError, cause_of

# By the name of the primary code: extended codes start with it.
_AGAIN: Final = {
    "SQLITE_BUSY": "another process holds its lock",
    "SQLITE_LOCKED": "another connection holds its lock",
    "SQLITE_CONSTRAINT_UNIQUE": "other writers were always first",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "other writers were always first",
    "SQLITE_CONSTRAINT_ROWID": "other writers were always first",
    "SQLITE_CONSTRAINT_TRIGGER": "other writers were always first",
}
_FOUND: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it can only be read",
    "SQLITE_NOTADB": "it is no SQLite database",
    "SQLITE_CORRUPT": "the database is damaged",
    "SQLITE_CANTOPEN": "it cannot be opened; its folder must exist and let files be made",
    "SQLITE_PERM": "this user may not open it",
    "SQLITE_IOERR": "reading or writing the disk failed",
    "SQLITE_PROTOCOL": "its locks do not work, as on some network drives",
    "SQLITE_NOLFS": "the disk takes no file of this size",
    "SQLITE_AUTH": "this user may not open it",
    "SQLITE_NOMEM": "memory ran out",
}
_HARMLESS: Final = ("SQLITE_CONSTRAINT", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_TOOBIG")


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Turn every error of SQLite and of the library's recorders into one of ours."""
    try:
        yield
    except BaseException as fault:
        raise_translated(url, fault)
        raise


def raise_translated(url: str, fault: BaseException | None) -> None:
    """Raise one of our errors for one of SQLite or of the library's recorders."""
    cause = cause_of(fault)
    if isinstance(cause, sqlite3.Error | PersistenceError | ConnectionPoolClosedError):
        raise translated(url, cause) from cause
    if cause is not None and cause is not fault:
        raise cause


def translated(url: str, fault: Exception) -> Exception:
    """Return what to raise instead of an error of SQLite or of the library's recorders."""
    if isinstance(fault, ConnectionPoolClosedError) or _is_closed(fault):
        return StoreClosedError(url)
    if isinstance(fault, ConnectionUnavailableError):
        return TryAgainError("all its connections are in use")
    name = name_of(fault)
    if name == "SQLITE_TOOBIG":
        return InvalidArgumentError("the entry", "a body that the database can hold")
    for start, found in _AGAIN.items():
        if name.startswith(start):
            return TryAgainError(found)
    for start, found in _FOUND.items():
        if name.startswith(start):
            return StoreUnavailableError(url, f"{found} ({name})")
    return StoreUnavailableError(url, f"SQLite refused ({name or type(fault).__name__})")


def is_harmless(fault: BaseException) -> bool:
    """Tell whether a connection can be used again after this error."""
    if isinstance(fault, LifecycleError | TryAgainError):
        return True
    return name_of(fault).startswith(_HARMLESS)


def is_undecodable(fault: sqlite3.OperationalError) -> bool:
    """Tell whether a stored text is no UTF-8, which only tampering can bring about."""
    return "decode to UTF-8" in str(fault)


def name_of(fault: BaseException | None) -> str:
    """Return SQLite's name for an error, following what it was raised from; "" if it has none."""
    while fault is not None:
        name = getattr(fault, "sqlite_errorname", None)
        if isinstance(name, str):
            return name
        fault = fault.__cause__
    return ""


def _is_closed(fault: Exception) -> bool:
    """Tell whether the log was closed by another thread in the middle of a call."""
    return isinstance(fault, sqlite3.ProgrammingError) and "closed" in str(fault)
