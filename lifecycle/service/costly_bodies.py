"""Bodies that take long to read: which they are, and how to read one without stopping others.

Reading holds the interpreter: a body of a mebibyte that is all brackets takes a fifth of a
second, and in an event loop everybody waits for it. Beside the loop, in a thread, others wait
for the longest step that cannot be interrupted, some tens of milliseconds.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

SMALL_BYTES: Final = 4 * 1024
"""Whatever it holds, a body of this size is read in a millisecond or two."""

LARGE_BYTES: Final = 64 * 1024
MANY_VALUES: Final = 500
"""A body between the two is costly if it has more values than this, counted by their signs."""

_SIGNS: Final = (b",", b"[", b"{")


def is_costly(body: bytes) -> bool:
    """Tell whether a body is too large, or holds too many values, to be read in an event loop."""
    size = len(body)
    if size <= SMALL_BYTES:
        return False
    return size > LARGE_BYTES or sum(map(body.count, _SIGNS)) > MANY_VALUES


class _Pauses:
    """How many threads want no garbage collection now, and who switched it off."""

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

    Half a million small lists set the collector off again and again, and all of that happens
    inside of one step that nothing can interrupt: 280 ms instead of 40. What reading makes
    has no cycles, so that nothing is kept which would have been freed.
    """
    _PAUSES.begin()
    try:
        yield
    finally:
        _PAUSES.end()
