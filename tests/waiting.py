"""Waiting for what a test cannot be told of: asked again and again, with a generous limit."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60
"""Seconds."""


def wait_until(so: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return when something is so."""
    until = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.002)
