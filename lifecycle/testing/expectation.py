"""Compares what a test expects with what it found; only named fields count.

    {"status": "packed", "path": ["created", "packed"], "window": {...}}

Of an object the named fields are compared, of a list every item. A text in a list stands for
an object of that name: a step's status, a milestone's name, an anomaly's code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from lifecycle.core.instant import format_instant
from lifecycle.errors import InvalidArgumentError

_NAMES: Final = ("status", "name", "code")


class Mismatch(NamedTuple):
    """One value that differs from what was expected."""

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"


def as_json(value: Any) -> Any:
    """Return a value as `show --json` prints it, models, tuples and times included."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case datetime():
            return format_instant(value)
        case Enum():
            return value.value
        case Mapping():
            return {name: as_json(item) for name, item in value.items()}
        case _ if hasattr(value, "_asdict"):
            return as_json(value._asdict())
        case list() | tuple():
            return [as_json(item) for item in value]
    return value


def mismatches(expected: Any, found: Any, where: str = "") -> Iterator[Mismatch]:
    """Yield the mismatches of two JSON values."""
    match expected, found:
        case Mapping(), Mapping():
            for name, value in expected.items():
                yield from _member(name, value, found, where)
        case list(), list() if all(isinstance(item, str) for item in expected):
            names = [_name(item) for item in found]
            if names != expected:
                yield Mismatch(where, ascii(expected), ascii(names))
        case list(), list() if len(expected) == len(found):
            for index, (wanted, item) in enumerate(zip(expected, found, strict=True)):
                yield from mismatches(wanted, item, f"{where}[{index}]")
        case list(), list():
            yield Mismatch(where, f"a list of {len(expected)}", f"one of {len(found)}, {found!a}")
        case _ if type(expected) is not type(found) or expected != found:
            yield Mismatch(where, ascii(expected), ascii(found))


def check_names(expected: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Check that every expected field exists.

    Raises:
        InvalidArgumentError: one does not; a misspelled name must not pass.
    """
    for name in expected:
        if name not in known:
            raise InvalidArgumentError(f"the field {name!a}", "one of " + ", ".join(known))


def _member(name: str, expected: Any, found: Mapping[str, Any], where: str) -> Iterator[Mismatch]:
    at = f"{where}.{name}" if where else name
    if name in found:
        yield from mismatches(expected, found[name], at)
    else:
        yield Mismatch(at, ascii(expected), "no such field")


def _name(item: Any) -> Any:
    """Return the name of an object in a list; without one, the item itself."""
    if not isinstance(item, Mapping):
        return item
    return next((item[name] for name in _NAMES if isinstance(item.get(name), str)), item)
