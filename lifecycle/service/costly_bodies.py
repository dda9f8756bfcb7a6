"""Bodies that take long to read: how to tell them, and how to read one without blocking others.

Reading holds the interpreter. A body of 1 MiB that is all brackets takes 200 ms, and in an event
loop every task waits that long. In a thread beside the loop, tasks wait only for the longest
step that cannot be interrupted, some tens of milliseconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

SMALL_BYTES: Final = 4 * 1024
"""A body up to this size takes a millisecond or two, whatever it holds."""

LARGE_BYTES: Final = 64 * 1024
MANY_VALUES: Final = 500
"""A body between the two sizes is costly if it has more of the signs below than this."""

_SIGNS: Final = (b",", b"[", b"{")


def is_costly(body: bytes) -> bool:
    """Tell whether a body is too large, or holds too many values, to be read in an event loop."""
    size = len(body)
    if size <= SMALL_BYTES:
        return False
    return size > LARGE_BYTES or sum(map(body.count, _SIGNS)) > MANY_VALUES


class _Pauses:
    """Counts the threads that want no garbage collection; the last one switches it on again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wanted = 0
        self._was_enabled = False

    def begin(self) -> None:
        with self._lock:
            if self._wanted == 0:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._wanted += 1

    def end(self) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0 and self._was_enabled:
                gc.enable()


_PAUSES: Final = _Pauses()


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage while one costly body is read.

    Half a million small lists start the collector again and again, all within one step that
    cannot be interrupted: 280 ms instead of 40. Parsed JSON has no cycles, so nothing stays in
    memory that would have been freed.
    """
    _PAUSES.begin()
    try:
        yield
    finally:
        _PAUSES.end()
