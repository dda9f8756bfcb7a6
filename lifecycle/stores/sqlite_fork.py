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
# Neither used nor closed again, not even as garbage: both would be wrong in the child.
_LEFT_OPEN: Final[list[object]] = []
_UNSAFE_PATHS: Final[set[str]] = set()


def watch_forks(keeper: KeepsOpen) -> None:
    """Have `keeper` closed in every process that is forked from this one."""
    _watch()
    _OPEN.add(keeper)


def refuse_if_used_at_fork(path: str, url: str) -> None:
    """Refuse to open what could lose acknowledged records in this process.

    Raises:
        StoreUnavailableError: `path` was in use while this process was forked.
    """
    if path in _UNSAFE_PATHS:
        raise StoreUnavailableError(
            url, "it was in use while this process was forked; start processes before using it"
        )


@cache
def _watch() -> None:
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    keepers = list(_OPEN)
    _OPEN.clear()
    if any(keeper.is_used for keeper in keepers):
        # A thread that is gone may hold any of SQLite's own locks.
        for keeper in keepers:
            _LEFT_OPEN.extend(keeper.leave_open())
            _UNSAFE_PATHS.add(keeper.path)
    else:
        for keeper in keepers:
            keeper.close_in_child()
