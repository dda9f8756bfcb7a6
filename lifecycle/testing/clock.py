"""Time in a test: it stands still until the test advances it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from lifecycle.core.instant import format_instant, parse_instant
from lifecycle.errors import InvalidArgumentError

STARTS_AT: Final = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
"""When everything in a test starts, unless it says otherwise."""

Time = datetime | str | float
"""An instant: a datetime with a zone, RFC 3339 text, or seconds after `STARTS_AT`."""


def moment(at: Time) -> datetime:
    """Return a time as an instant.

    Raises:
        InvalidArgumentError: it is no time, or has no zone.
    """
    if isinstance(at, int | float) and not isinstance(at, bool):
        return STARTS_AT + timedelta(seconds=at)
    found = parse_instant(at) if isinstance(at, str) else at
    if isinstance(found, datetime) and found.utcoffset() is not None:
        return found.astimezone(UTC)
    raise InvalidArgumentError("the time", "a datetime with a zone, RFC 3339 text, or seconds")


class FixedClock:
    """A clock for `connect(url, clock=...)` that stands still until it is advanced."""

    def __init__(self, at: Time = STARTS_AT) -> None:
        self.now: datetime = moment(at)

    def __call__(self) -> datetime:
        """Return the current time of the clock."""
        return self.now

    def set(self, at: Time) -> datetime:
        """Set the clock, forward or back, and return its time."""
        self.now = moment(at)
        return self.now

    def advance(self, by: timedelta | float) -> datetime:
        """Advance the clock by a duration or by seconds, and return its time."""
        self.now += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self.now

    def tick(self) -> datetime:
        """Advance the clock by one second, and return its time."""
        return self.advance(1)

    def __repr__(self) -> str:
        return f"<FixedClock at {format_instant(self.now)}>"
