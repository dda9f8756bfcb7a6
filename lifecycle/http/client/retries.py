"""Retries: whether to try again, and after how many seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Final

from lifecycle.core.instant import parse_http_date
from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client.exchange import Answer

_RANDOM: Final = SystemRandom()
_DIGITS: Final = 9


@dataclass(frozen=True)
class RetryPolicy:
    """How often a call is tried, and how long to wait between tries.

    Waits double from `first_seconds` up to `longest_seconds`, with random jitter down to half,
    so that callers who failed together do not retry together.
    """

    tries: int
    first_seconds: float
    longest_seconds: float

    @classmethod
    def of(cls, tries: int, first_seconds: float, longest_seconds: float) -> RetryPolicy:
        """Return a checked policy.

        Raises:
            InvalidArgumentError: a number is invalid.
        """
        if not isinstance(tries, int) or isinstance(tries, bool) or tries < 1:
            raise InvalidArgumentError("tries", "an integer from 1")
        first = checked_seconds("first_wait", first_seconds)
        return cls(tries, first, checked_seconds("longest_wait", longest_seconds))

    def pause(self, answer: Answer | None, tried: int, tries: int | None = None) -> float | None:
        """Return the seconds to wait before the next try; None: do not retry.

        `answer` None stands for no answer. Its `Retry-After` takes precedence (RFC 9110,
        section 10.2.3), unless it is longer than `longest_seconds`.
        """
        if tried >= (tries or self.tries) or not (answer is None or is_temporary(answer)):
            return None
        requested = None if answer is None else retry_after(answer)
        if requested is not None:
            return requested if requested <= self.longest_seconds else None
        doubled = self.first_seconds * 2.0 ** min(tried - 1, 30)
        return min(doubled, self.longest_seconds) * _RANDOM.uniform(0.5, 1)


def checked_seconds(argument: str, seconds: float) -> float:
    """Return a checked number of seconds.

    Raises:
        InvalidArgumentError: it is not above 0.
    """
    if isinstance(seconds, int | float) and seconds is not True and 0 < seconds < math.inf:
        return float(seconds)
    raise InvalidArgumentError(argument, "seconds, more than 0")


def is_temporary(answer: Answer) -> bool:
    """Tell whether the same call may succeed a little later."""
    return answer.http_status in {408, 429} or answer.http_status >= 500


def retry_after(answer: Answer) -> float | None:
    """Return the seconds in an answer's `Retry-After`, None if it has none."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return float(value)
    until = parse_http_date(value)
    if until is None:
        return None
    # By the provider's clock, if the answer has a date: ours may differ.
    now = parse_http_date(answer.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())
