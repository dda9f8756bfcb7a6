"""Instants: RFC 3339 and HTTP dates in, UTC out, to the microsecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from lifecycle.errors import InvalidArgumentError

_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
# Nearly all times of a provider's: in UTC, no placeholder, on a day that every month has.
_USUAL: Final = re.compile(
    r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?Z"
)
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_TWO_DIGITS: Final = tuple(f"{number:02}" for number in range(60))

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Year 1, 1970 and 9999 stand where somebody had no time to say: they would order events and
# end orders.
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2099

_DAY: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_CLOCK: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_IMF_FIXDATE: Final = f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_CLOCK} GMT"
_RFC850: Final = (
    "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, "
    f"(?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"
)
_ASCTIME: Final = f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_CLOCK} (?P<year>[0-9]{{4}})"
_HTTP_DATES: Final = (re.compile(_IMF_FIXDATE), re.compile(_RFC850), re.compile(_ASCTIME))


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


def parse_event_time(text: str) -> datetime | None:
    """Return the instant at which a provider says that something happened.

    As `parse_instant`, but a placeholder names none: what is before 2000, or from 2100 on.
    """
    instant = parse_instant(text)
    return None if instant is None or is_placeholder(instant) else instant


def read_event_time(
    value: object, *, per_second: int | None = None
) -> tuple[datetime | None, tuple[Literal["bad_time"], ...]]:
    """Return the instant that a field of a body names, and what is odd about it.

        occurred_at, problems = read_event_time(body.get("time"), per_second=1000)

    Text is read as `parse_event_time` does. Where `per_second` is given, the field is a number
    instead, which counts so many a second since 1970. Nothing there is nothing odd.
    """
    if value is None or value == "":
        return None, ()
    if per_second is None and type(value) is str and _USUAL.fullmatch(value) is not None:
        return datetime.fromisoformat(value), ()
    if per_second is not None:
        found = _counted(value, per_second)
    else:
        found = parse_instant(value) if isinstance(value, str) else None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        return None, ("bad_time",)
    return found, ()


def _counted(number: object, per_second: int) -> datetime | None:
    if type(number) is not int and type(number) is not float:
        return None
    try:
        instant = _EPOCH + timedelta(seconds=1) * number / per_second
    except (OverflowError, ValueError):  # beyond all years, or not a number
        return None
    return instant


def is_placeholder(instant: datetime) -> bool:
    """Tell whether an instant in UTC stands where a provider had none to say: it orders nothing."""
    return not FIRST_YEAR <= instant.year <= LAST_YEAR


def parse_http_date(text: str) -> datetime | None:
    """Return the instant of an HTTP date in UTC; None for a placeholder, and if it is none.

    All three forms are read; a year of two digits is one of this century. The day's name is
    not held against the date. Source: RFC 9110, section 5.6.7.
    """
    for form in _HTTP_DATES:
        found = form.fullmatch(text)
        if found is not None:
            return _http_instant(*found.group("year", "month", "day", "hour", "minute", "second"))
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


def _http_instant(year: str, month: str, *day_and_clock: str) -> datetime | None:
    full_year = int(year) if len(year) == len("2022") else 2000 + int(year)
    day, hour, minute, second = map(int, day_and_clock)
    try:
        instant = datetime(
            full_year, _MONTHS.index(month) + 1, day, hour, minute, second, tzinfo=UTC
        )
    except ValueError:
        return None
    return None if is_placeholder(instant) else instant
