"""Limits log lines: whoever causes a line by a request can cause a million."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

LINES: Final = 10
SECONDS: Final = 10.0
"""At most `LINES` of one kind in `SECONDS`; the next line says how many were dropped."""

_MOST_KINDS: Final = 200
_LONGEST_KIND: Final = 200
_OTHERS: Final = "others"


class LineLimit:
    """Counts lines by kind, and decides which to write; safe for threads."""

    def __init__(
        self,
        lines: int = LINES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._lines = lines
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._kinds: dict[str, _Span] = {}

    def dropped_before(self, kind: str) -> int | None:
        """Return how many lines of this kind were dropped before this one; None: drop this one."""
        now = self._clock()
        with self._lock:
            span = self._span(kind[:_LONGEST_KIND])
            if now - span.began_at >= self._seconds:
                dropped, span.dropped, span.written, span.began_at = span.dropped, 0, 1, now
                return dropped
            if span.written < self._lines:
                span.written += 1
                return 0
            span.dropped += 1
            return None

    def _span(self, kind: str) -> _Span:
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            kind = _OTHERS
        return self._kinds.setdefault(kind, _Span(self._clock()))


class _Span:
    """How many lines of one kind were written and dropped since some time."""

    __slots__ = ("began_at", "dropped", "written")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.written = 0
        self.dropped = 0


class LimitedLogger:
    """Writes to a logger, within the limit for each text."""

    def __init__(self, logger: logging.Logger, limit: LineLimit | None = None) -> None:
        self._logger = logger
        self._limit = limit or LineLimit()

    def warning(self, text: str, *arguments: object) -> None:
        """Log a warning."""
        self._log(logging.WARNING, text, arguments)

    def error(self, text: str, *arguments: object) -> None:
        """Log an error."""
        self._log(logging.ERROR, text, arguments)

    def _log(self, level: int, text: str, arguments: tuple[object, ...]) -> None:
        dropped = self._limit.dropped_before(text)
        if dropped is None:
            return
        if dropped:
            text, arguments = f"{text}; %d more of these were not written", (*arguments, dropped)
        self._logger.log(level, text, *arguments, stacklevel=3)


class LimitedLines(logging.Filter):
    """A filter for a handler: the same limit for the lines of all loggers."""

    def __init__(self, limit: LineLimit | None = None) -> None:
        super().__init__()
        self._limit = limit or LineLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write a line; adds to its text how many were dropped."""
        dropped = self._limit.dropped_before(f"{record.name} {record.msg}")
        if dropped:
            record.msg = f"{record.getMessage()}; {dropped} more of these were not written"
            record.args = ()
        return dropped is not None
