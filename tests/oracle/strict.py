"""Strict JSON, canonical JSON and the two clocks' notations, with the standard library only."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

MAX_DEPTH = 64
MAX_NUMBER = 400

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT_DAYS = tuple(day[:3] for day in _DAYS)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class NotStrictJsonError(ValueError):
    """The bytes are no JSON, or JSON that is refused."""


def parse(raw: bytes, levels: int = MAX_DEPTH) -> Any:
    """Return the value of a strict JSON text of at most so many levels."""
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise NotStrictJsonError from error
    if _depth(value) > levels:
        raise NotStrictJsonError
    return value


def parsed_object(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, or none if the body holds no such thing."""
    try:
        value = parse(raw)
    except NotStrictJsonError:
        return None
    return value if isinstance(value, dict) else None


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value; a lone surrogate is a `ValueError`."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def digest_of(*content: object) -> str:
    """Return the SHA-256 of the canonical JSON of an array of this content."""
    return hashlib.sha256(canonical(list(content))).hexdigest()


def content(raw: bytes, found: dict[str, Any] | None) -> object:
    """Return what stands for a body in a digest: its JSON object, or its bytes in base64."""
    return base64.b64encode(raw).decode("ascii") if found is None else found


def rfc3339(text: object) -> datetime | None:
    """Return the instant that an RFC 3339 text names, in UTC; none if it is no such text."""
    found = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    *clock, fraction, sign, hours, minutes = found.groups()
    micros = int(((fraction or "") + "000000")[:6])
    try:
        zone = UTC if sign is None else _zone(sign, int(hours), int(minutes))
        year, month, day, hour, minute, second = map(int, clock)
        local = datetime(year, month, day, hour, minute, second, micros, tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def event_time(text: object) -> datetime | None:
    """Return when an event happened; none if the text is no such time, or a placeholder."""
    return _likely(rfc3339(text))


def http_date(text: object) -> datetime | None:
    """Return the instant of an HTTP `Date` header; none if it cannot be read.

    The three forms are taken apart by the blanks in them, each part by its own rule.
    """
    if not isinstance(text, str):
        return None
    try:
        match text.split(" "):
            case [day, number, month, year, clock, "GMT"] if day in _with_comma(_SHORT_DAYS):
                return _dated(year, month, number, clock)
            case [day, date, clock, "GMT"] if day in _with_comma(_DAYS):
                number, month, year = date.split("-")
                return _dated(f"20{_digits(year, 2):02}", month, number, clock)
            case [day, month, "", number, clock, year] if day in _SHORT_DAYS:
                return _dated(year, month, f"0{_digits(number, 1)}", clock)
            case [day, month, number, clock, year] if day in _SHORT_DAYS:
                return _dated(year, month, number, clock)
    except ValueError:
        pass
    return None


def _with_comma(days: tuple[str, ...]) -> list[str]:
    return [f"{day}," for day in days]


def _dated(year: str, month: str, number: str, clock: str) -> datetime | None:
    hour, minute, second = (_digits(part, 2) for part in clock.split(":"))
    day = (_digits(year, 4), _MONTHS.index(month) + 1, _digits(number, 2))
    return _likely(datetime(*day, hour, minute, second, tzinfo=UTC))


def _digits(text: str, count: int) -> int:
    if len(text) != count or not set(text) <= set("0123456789"):
        raise ValueError(count)
    return int(text)


def _likely(instant: datetime | None) -> datetime | None:
    """Return an instant of this century; placeholders are of others."""
    return instant if instant is not None and 2000 <= instant.year <= 2099 else None


def printed(instant: datetime | None) -> str | None:
    """Return an instant as text in UTC: six digits of a second, or none."""
    return None if instant is None else instant.replace(tzinfo=None).isoformat() + "Z"


def _zone(sign: str, hours: int, minutes: int) -> timezone:
    if hours > 23 or minutes > 59:
        raise ValueError
    away = timedelta(hours=hours, minutes=minutes)
    return timezone(-away if sign == "-" else away)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrictJsonError
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise NotStrictJsonError
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if len(text) > MAX_NUMBER or math.isinf(number):
        raise NotStrictJsonError
    return number


def _constant(text: str) -> None:
    raise NotStrictJsonError(text)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [
            child for item in level for child in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
