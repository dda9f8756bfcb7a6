"""Quiet: the HTTP library's own log lines are left out while we use it.

At DEBUG it prints the headers that came and quotes bytes that are no HTTP. A header may
name a person (`Location` repeats the URL) or let somebody in (`Set-Cookie`). Only lines of
our own exchanges are held back; whoever else uses the library reads on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_ours: Final = ContextVar("_ours", default=False)
_SPEAKERS: Final = ("connection", "http11", "http2", "proxy", "socks")


def _pass(_record: logging.LogRecord) -> bool:
    return not _ours.get()


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the HTTP library's log lines within; of this thread or task alone."""
    # A logger keeps a filter once, however often it is added.
    for name in _SPEAKERS:
        logging.getLogger(f"httpcore2.{name}").addFilter(_pass)
    before = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(before)
