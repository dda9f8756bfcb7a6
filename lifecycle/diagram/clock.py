"""Times and spans as pictures show them: in UTC, short, and rounded down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_MANY_DAYS: Final = 100


def date(at: datetime) -> str:
    """Return the day of an instant, in UTC."""
    return at.astimezone(UTC).date().isoformat()


def clock(at: datetime) -> str:
    """Return the time of day of an instant, in UTC, to the second."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def signed(span: timedelta) -> str:
    """Return a span with its sign."""
    return f"-{lasting(-span)}" if span < timedelta() else f"+{lasting(span)}"


def lasting(span: timedelta) -> str:
    """Return a span in its two largest units, such as `12m04s`, rounded down."""
    seconds = span.days * 86_400 + span.seconds
    days, hours, minutes = span.days, seconds // 3_600 % 24, seconds // 60 % 60
    if days >= _MANY_DAYS:
        return f"{days // 365}y" if days >= 10 * _MANY_DAYS else f"{days}d"
    if days:
        return f"{days}d{hours:02}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    if minutes:
        return f"{minutes}m{seconds % 60:02}s"
    return f"{seconds}s"
