"""A forked process must not inherit SQLite's idea of which locks it holds.

SQLite keeps locks per file and process in its own memory. A fork copies that memory but
not the locks: a log opened anew in the child then believes that it holds a lock which
nobody holds, and when the parent closes, the write-ahead file is deleted under the child.
What it acknowledged afterwards is lost. So the child closes what it inherited, before
anything is opened in it. Where a connection was in use at the fork that is not safe: the
child then refuses to open that file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Final, Protocol
from weakref import WeakSet

from lifecycle.errors import StoreUnavailableError


class KeepsOpen(Protocol):
    """Something that keeps a file open."""

    @property
    def path(self) -> str:
        """The file, every link resolved."""
        ...

    @property
    def is_used(self) -> bool:
        """Whether any connection is in use, or just being opened."""
        ...

    def close_in_child(self) -> None:
        """Close all connections; none is in use."""
        ...

    def leave_open(self) -> Sequence[object]:
        """Return all connections, and never touch them again."""
        ...

    def __hash__(self) -> int: ...


_OPEN: Final[WeakSet[KeepsOpen]] = WeakSet()
_MAKING: Final = Lock()
# Why a path must not be opened again in this process.
_UNSAFE_PATHS: Final[dict[str, str]] = {}
_USED_AT_FORK: Final = (
    "it was in use while this process was forked; start processes before using it"
)
_REPLACED: Final = "its files were replaced while this process used them; start the process again"


def making() -> Lock:
    """Return the lock under which a file is made, and which nobody holds after a fork.

    A file that is closed takes the locks of its whole process along: so nobody else opens
    one before whoever made it has closed it.
    """
    _watch()
    return _MAKING


def watch_forks(keeper: KeepsOpen) -> None:
    """Have `keeper` closed in every process that is forked from this one."""
    _watch()
    _OPEN.add(keeper)


def refuse_if_unsafe(path: str, url: str) -> None:
    """Refuse to open what could lose acknowledged records in this process.

    Raises:
        StoreUnavailableError: `path` was in use while this process was forked, or a
            connection to it had to be left open.
    """
    if path in _UNSAFE_PATHS:
        raise StoreUnavailableError(url, _UNSAFE_PATHS[path])


def keep_open(path: str, connection: object) -> None:
    """Have a connection to `path` never closed, as that would harm those who use the new files."""
    _UNSAFE_PATHS[path] = _REPLACED
    _keep(connection)


def _keep(connection: object) -> None:
    """Keep a connection from being closed as garbage, and as the interpreter ends.

    A list would not do: Python empties every module at its end.
    """
    from ctypes import py_object, pythonapi  # noqa: PLC0415 - needed in trouble only

    pythonapi.Py_IncRef(py_object(connection))


@cache
def _watch() -> None:
    os.register_at_fork(
        before=_MAKING.acquire,
        after_in_parent=_MAKING.release,
        after_in_child=_MAKING.release,
    )
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    keepers = list(_OPEN)
    _OPEN.clear()
    if any(keeper.is_used for keeper in keepers):
        # A thread that is gone may hold any of SQLite's own locks.
        for keeper in keepers:
            for connection in keeper.leave_open():
                _keep(connection)
            _UNSAFE_PATHS[keeper.path] = _USED_AT_FORK
    else:
        for keeper in keepers:
            keeper.close_in_child()
