"""Instants: RFC 3339 in, UTC out, to the microsecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from lifecycle.errors import InvalidArgumentError

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_TWO_DIGITS: Final = tuple(f"{number:02}" for number in range(60))
_IMF_FIXDATE: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) (" + "|".join(_MONTHS) + r") ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


def parse_instant(text: str) -> datetime | None:
    """Return the instant that an RFC 3339 text with a zone names, in UTC; None if it names none.

    Digits past the microsecond are dropped. A leap second (`:60`), a missing zone and
    a year outside 1 to 9999 name none. Source: RFC 3339, section 5.6.
    """
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        instant = datetime.fromisoformat(text.upper())
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_http_date(text: str) -> datetime | None:
    """Return the instant of an HTTP `Date` header in UTC; None if it is no IMF-fixdate.

    Source: RFC 9110, section 5.6.7. The day's name is not held against the date.
    """
    found = _IMF_FIXDATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    month_number = _MONTHS.index(month) + 1
    try:
        return datetime(
            int(year), month_number, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None


def format_instant(instant: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with `Z`; six digits if there is a fraction.

    Raises:
        InvalidArgumentError: it has no zone, and the machine's own must not be guessed.
    """
    if instant.tzinfo is not UTC:
        if instant.utcoffset() is None:
            raise InvalidArgumentError("instant", "a datetime with a zone")
        instant = instant.astimezone(UTC)
    # Nearly every event has two or three times to print: `isoformat` takes twice as long.
    printed = (
        f"{instant.year:04}-{_TWO_DIGITS[instant.month]}-{_TWO_DIGITS[instant.day]}"
        f"T{_TWO_DIGITS[instant.hour]}:{_TWO_DIGITS[instant.minute]}:{_TWO_DIGITS[instant.second]}"
    )
    fraction = instant.microsecond
    return f"{printed}.{fraction:06}Z" if fraction else f"{printed}Z"
