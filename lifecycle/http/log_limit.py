"""Log lines in bounded number: whoever can cause a line by a request can cause a million."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

LINES: Final = 10
SECONDS: Final = 10.0
"""So many lines of one kind in so many seconds; the next tells how many were held back."""

_MOST_KINDS: Final = 200
_LONGEST_KIND: Final = 200
_OTHERS: Final = "others"


class LineLimit:
    """Counts lines by their kind and tells which to write; safe for threads."""

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

    def held_back(self, kind: str) -> int | None:
        """Return how many of this kind were held back before this line; None: so is this one."""
        now = self._clock()
        with self._lock:
            span = self._span(kind[:_LONGEST_KIND])
            if now - span.began_at >= self._seconds:
                held, span.held, span.written, span.began_at = span.held, 0, 1, now
                return held
            if span.written < self._lines:
                span.written += 1
                return 0
            span.held += 1
            return None

    def _span(self, kind: str) -> _Span:
        if kind not in self._kinds and len(self._kinds) >= _MOST_KINDS:
            kind = _OTHERS
        return self._kinds.setdefault(kind, _Span(self._clock()))


class _Span:
    """What was written and held back of one kind since some time."""

    __slots__ = ("began_at", "held", "written")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.written = 0
        self.held = 0


class LimitedLogger:
    """Writes to a logger, by the line's text, no more than so many lines of each in a while."""

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
        held = self._limit.held_back(text)
        if held is None:
            return
        if held:
            text, arguments = f"{text}; %d more of these were not written", (*arguments, held)
        self._logger.log(level, text, *arguments, stacklevel=3)


class LimitedLines(logging.Filter):
    """A filter for a handler: the same limit for every line, whoever logs it."""

    def __init__(self, limit: LineLimit | None = None) -> None:
        super().__init__()
        self._limit = limit or LineLimit()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is to be written; it may then tell of others that were not."""
        held = self._limit.held_back(f"{record.name} {record.msg}")
        if held:
            record.msg = f"{record.getMessage()}; {held} more of these were not written"
            record.args = ()
        return held is not None
