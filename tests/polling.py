"""Waiting for what a test cannot be told of: asked again and again, with a generous limit."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60
"""Seconds."""

AT_ONCE = 0.03
"""Seconds. An answer that waits for the caller to acknowledge its head takes 0.04 and more."""


def answered_at_once(seconds: Callable[[], float]) -> bool:
    """Say whether one of ten measurements was short: on a busy machine not each of them is."""
    return any(seconds() < AT_ONCE for _ in range(10))


def wait_until(so: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when something is so."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.002)
