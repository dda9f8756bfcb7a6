"""Progress of long work: on stderr, and only where a person watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]
"""Tells how much more was done."""


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar while the block runs; without a total, that something goes on."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in {"dumb", "unknown"}:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where it shows
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")) or None)
    with Progress(console=console, transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)
