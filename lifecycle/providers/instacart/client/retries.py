"""Waiting: whether to ask again, and after how many seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import SystemRandom
from typing import Final

from lifecycle.core.instant import parse_http_date
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.client.exchange import Answer

_CHANCE: Final = SystemRandom()
_DIGITS: Final = 9


@dataclass(frozen=True)
class Patience:
    """How often something is tried, and how long is waited in between.

    Waits double from `first_seconds` up to `longest_seconds`, shortened by chance down to half,
    so that callers who failed together do not come back together.
    """

    tries: int
    first_seconds: float
    longest_seconds: float

    @classmethod
    def of(cls, tries: int, first_seconds: float, longest_seconds: float) -> Patience:
        """Return checked patience.

        Raises:
            InvalidArgumentError: a number is of no use.
        """
        if not isinstance(tries, int) or isinstance(tries, bool) or tries < 1:
            raise InvalidArgumentError("tries", "an integer from 1")
        first = checked_seconds("first_wait", first_seconds)
        return cls(tries, first, checked_seconds("longest_wait", longest_seconds))

    def pause(self, answer: Answer | None, tried: int, tries: int | None = None) -> float | None:
        """Return the seconds to wait before asking again; None: this is the end of it.

        `answer` None stands for no answer at all. What the answer itself asks for counts
        (RFC 9110, section 10.2.3), unless it is longer than anybody would wait here.
        """
        if tried >= (tries or self.tries) or not (answer is None or is_passing(answer)):
            return None
        asked = None if answer is None else retry_after(answer)
        if asked is not None:
            return asked if asked <= self.longest_seconds else None
        doubled = self.first_seconds * 2.0 ** min(tried - 1, 30)
        return min(doubled, self.longest_seconds) * _CHANCE.uniform(0.5, 1)


def checked_seconds(argument: str, seconds: float) -> float:
    """Return a span of time.

    Raises:
        InvalidArgumentError: it is no number of seconds above 0.
    """
    if isinstance(seconds, int | float) and seconds is not True and 0 < seconds < math.inf:
        return float(seconds)
    raise InvalidArgumentError(argument, "seconds, more than 0")


def is_passing(answer: Answer) -> bool:
    """Tell whether the same may well succeed a little later."""
    return answer.http_status in {408, 429} or answer.http_status >= 500


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that an answer asks to wait; None where it does not say."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal() and len(said) <= _DIGITS:
        return float(said)
    until = parse_http_date(said)
    if until is None:
        return None
    # By the clock of whoever said it, where there is one: ours may differ.
    now = parse_http_date(answer.headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())
