"""What a provider said, checked field by field, and made of plain values.

No code of the provider's runs after this: a text of a class of its own becomes the text that
it is, a mapping becomes a dictionary, a time becomes one in UTC. What cannot be made plain is
refused, in words that quote nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, NoReturn, get_args

from msgspec import UNSET

from lifecycle.core.argument import type_name
from lifecycle.core.event import (
    ACCEPTED,
    FAILED,
    MAX_ID_BYTES,
    NOTHING,
    REJECTED,
    Fate,
    Fault,
    Kind,
    Problem,
)
from lifecycle.core.instant import FIRST_YEAR, LAST_YEAR, is_placeholder
from lifecycle.core.provider import NoReading, Reading
from lifecycle.core.strict_json import MAX_DEPTH, MAX_NUMBER_CHARACTERS

LONGEST_DETAIL: Final = 1000
MOST_READINGS: Final = 10_000
MOST_LINKS: Final = 16
MAX_SEQUENCE: Final = (1 << 63) - 1

_SEVERAL: Final = frozenset({"callback", "poll"})
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ANSWERS: Final = frozenset({ACCEPTED, REJECTED, FAILED})
_PROBLEMS: Final = frozenset(get_args(Problem))
_FATES: Final = frozenset(get_args(Fate))
_TOO_LARGE: Final = 10**MAX_NUMBER_CHARACTERS


class WrongReadingError(Exception):
    """What a provider returned may not be; the message says what, and quotes nothing."""


def checked(said: object, kind: Kind, own: Collection[str] = ()) -> tuple[Reading | NoReading, ...]:
    """Return what a provider said of an arrival of this kind, its readings one by one.

    `own` are the anomaly codes of its definition.

    Raises:
        WrongReadingError: it may not be said so.
    """
    if type(said) is not tuple:
        return (_checked(said, kind, own),)
    if kind not in _SEVERAL:
        raise WrongReadingError(f"several readings of a {kind}")
    if not 0 < len(said) <= MOST_READINGS:
        raise WrongReadingError(f"{len(said)} readings, expected 1 to {MOST_READINGS}")
    return tuple([_checked(each, kind, own) for each in said])


def _checked(said: object, kind: Kind, own: Collection[str]) -> Reading | NoReading:
    if type(said) is Reading:
        return _request(said) if kind == "request" else checked_one(said, kind, own)
    if type(said) is NoReading:
        return _refusal(said)
    raise WrongReadingError(f"{type_name(said)}, neither a Reading nor a NoReading")


def checked_details(details: object) -> Mapping[str, Any]:
    """Return details that a provider read, as plain values that nobody else holds.

    Raises:
        WrongReadingError: they are no mapping of JSON values.
    """
    return NOTHING if details is NOTHING else MappingProxyType(plain_details(details))


def _request(said: Reading) -> Reading:
    """Return what counts of our own request: whose it is."""
    return Reading(order_id=_text("an order id", said.order_id))


def checked_one(said: Reading, kind: Kind, own: Collection[str]) -> Reading:
    """Return a reading of an arrival of this kind, which is no request; as `checked`."""
    name, order_id, status, event_id = said.name, said.order_id, said.status, said.event_id
    if not (  # nearly all texts are plain ASCII, and fit
        type(name) is str
        and name.isascii()
        and 0 < len(name) <= MAX_ID_BYTES
        and said.trigger is UNSET
        and (order_id is None or (type(order_id) is str and order_id.isascii()))
        and (status is None or (type(status) is str and status.isascii()))
        and (event_id is None or (type(event_id) is str and event_id.isascii()))
        and (event_id is None or 0 < len(event_id) <= MAX_ID_BYTES)
    ):
        said = _made_plain(said)
        name, order_id, status, event_id = said.name, said.order_id, said.status, said.event_id
    problems = () if said.problems == () else _problems(said.problems, own)
    if kind == "response" and name not in _ANSWERS:
        raise WrongReadingError("a response that is not accepted, rejected or failed")
    at, details = said.occurred_at, said.details
    if at is not None and not (
        type(at) is datetime
        and at.tzinfo is UTC
        and FIRST_YEAR <= at.year <= LAST_YEAR
        and kind != "poll"
    ):
        at, problems = _timed(at, kind, problems, own)
    details = NOTHING if details is NOTHING else MappingProxyType(plain_details(details))
    reading = Reading(name, said.trigger, order_id, status, event_id, at, details, (), problems)
    says_more = (
        said.faults != ()
        or said.links != ()
        or said.is_test is not False
        or said.fate is not None
        or said.sequence is not None
        or said.refers_to is not None
    )
    return _with_the_rest(reading, said) if says_more else reading


def _timed(
    at: object, kind: Kind, problems: tuple[str, ...], own: Collection[str]
) -> tuple[datetime | None, tuple[str, ...]]:
    """Return a time in UTC, None for that of a poll, and for a placeholder, which is a problem."""
    if kind == "poll":
        return None, problems
    if type(at) is not datetime or at.tzinfo is not UTC:
        at = _instant(at)
    if is_placeholder(at):
        return None, _problems((*problems, "bad_time"), own)
    return at, problems


def _with_the_rest(reading: Reading, said: Reading) -> Reading:
    """Return a reading with what only few say besides."""
    return Reading(
        reading.name,
        reading.trigger,
        reading.order_id,
        reading.status,
        reading.event_id,
        reading.occurred_at,
        reading.details,
        () if said.faults == () else _faults(said.faults),
        reading.problems,
        None if said.fate is None else _one_of(_FATES, "a fate", said.fate),
        None if said.sequence is None else _sequence(said.sequence),
        False if said.is_test is False else _flag(said.is_test),
        () if said.links == () else _links(said.links),
        None if said.refers_to is None else _word("an id that it refers to", said.refers_to),
    )


def _made_plain(said: Reading) -> Reading:
    """Return a reading whose texts are plain, and fit."""
    name, trigger = _word("a name", said.name), said.trigger
    if name is None:
        raise WrongReadingError("no name")
    return said.replace(
        name=name,
        trigger=UNSET if trigger is UNSET else _word("a trigger", trigger),
        order_id=_text("an order id", said.order_id),
        status=_text("a status", said.status),
        event_id=_word("an event id", said.event_id),
    )


def _refusal(said: NoReading) -> NoReading:
    reason, detail = _text("a reason", said.reason), _text("a detail", said.detail)
    if reason is None or _REASON.fullmatch(reason) is None:
        raise WrongReadingError("a reason that is no short name")
    if detail is None:
        raise WrongReadingError("no detail")
    return NoReading(reason, detail[:LONGEST_DETAIL])


def _text(what: str, value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        if not issubclass(type(value), str):
            raise WrongReadingError(f"{what} that is no text")
        value = str.__str__(value)  # an enumeration's member, as the text that it is
    if not value.isascii():
        _bytes(what, value)
    return value


def _word(what: str, value: object) -> str | None:
    word = _text(what, value)
    if word is not None and (not word or len(_bytes(what, word)) > MAX_ID_BYTES):
        raise WrongReadingError(f"{what} that is not 1 to {MAX_ID_BYTES} bytes long")
    return word


def _bytes(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise WrongReadingError(f"{what} with a lone surrogate") from None


def _one_of(known: frozenset[Any], what: str, value: object) -> Any:
    text = _text(what, value)
    if text not in known:
        raise WrongReadingError(f"{what} that nobody knows")
    return text


def _instant(time: object) -> datetime:
    """Return a time in UTC, without the code of whatever zone or class it came with."""
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise WrongReadingError("a time without a zone")
    in_utc = time.astimezone(UTC)
    return datetime.combine(in_utc.date(), in_utc.time(), UTC)


def _problems(problems: object, own: Collection[str]) -> tuple[str, ...]:
    if type(problems) is not tuple:
        raise WrongReadingError("problems that are no tuple")
    known = _PROBLEMS.union(own)
    return tuple(dict.fromkeys(_one_of(known, "a problem", each) for each in problems))


def _sequence(number: object) -> int:
    if type(number) is not int or not 0 <= number <= MAX_SEQUENCE:
        raise WrongReadingError(f"a sequence that is no integer from 0 to {MAX_SEQUENCE}")
    return number


def _flag(value: object) -> bool:
    if type(value) is not bool:
        raise WrongReadingError("a mark of a test that is neither True nor False")
    return value


def _links(links: object) -> tuple[str, ...]:
    if type(links) is not tuple or len(links) > MOST_LINKS:
        raise WrongReadingError(f"links that are no tuple of up to {MOST_LINKS} ids")
    return tuple(dict.fromkeys(_link(each) for each in links))


def _link(link: object) -> str:
    word = _word("a link", link)
    if word is None:
        raise WrongReadingError("a link that is no text")
    return word


def _faults(faults: object) -> tuple[Fault, ...]:
    if type(faults) is not tuple:
        raise WrongReadingError("faults that are no tuple of Fault")
    return tuple(map(_fault, faults))


def _fault(fault: object) -> Fault:
    if type(fault) is not Fault:
        raise WrongReadingError("faults that are no tuple of Fault")
    code: Any = fault.code
    code = _whole(code) if type(code) is int else _text("a fault's code", code)
    return Fault(_text("a fault's message", fault.message), code, _text("a fault's key", fault.key))


def plain_details(details: object, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Return details as a dictionary of JSON values, which nobody else holds."""
    if type(details) is not dict and not isinstance(details, Mapping):
        raise WrongReadingError("details that are no mapping")
    if not depth:
        _too_deep()
    plain: dict[str, Any] = {}
    for name, value in details.items():
        kind = type(value)
        key = name if type(name) is str and name.isascii() else _key(name)
        # Most are plain as they come: to see that here takes a quarter of the calls' time.
        if kind is bool or (kind is str and value.isascii()):
            plain[key] = value
        else:
            plain[key] = (plain_details if kind is dict else _json)(value, depth - 1)
    return plain


def _too_deep() -> NoReturn:
    raise WrongReadingError(f"details nested deeper than {MAX_DEPTH}")


def _key(name: object) -> str:
    key = _text("details with a name", name)
    if key is None:
        raise WrongReadingError("details with no name")
    return key


def _json(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is dict:
        return plain_details(value, depth)
    if issubclass(kind, str):
        return _text("details with a text", value)
    if kind is int:
        return _whole(value)
    if kind is float and isfinite(value):
        return value
    if kind in {list, tuple}:
        return [_json(each, depth - 1) for each in value] if depth else _too_deep()
    return plain_details(value, depth)


def _whole(number: int) -> int:
    if not -_TOO_LARGE < number < _TOO_LARGE:
        raise WrongReadingError(f"a number of more than {MAX_NUMBER_CHARACTERS} digits")
    return number
