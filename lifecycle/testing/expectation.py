"""What a test expects, held against what is: only what it names is compared.

    {"status": "at_store", "path": ["brand_new", "at_store"], "fulfillment_details": {...}}

An object is compared in the fields that are named, a list item by item. Where the items are
objects and a text is expected, it is the item's own name: a step's status, a milestone's
name, an anomaly's code.
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


class Difference(NamedTuple):
    """One place where something else was found than expected."""

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"


def as_json(value: Any) -> Any:
    """Return a value as `show --json` would print it: models, tuples and times included."""
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


def differences(expected: Any, found: Any, where: str = "") -> Iterator[Difference]:
    """Yield where `found` is not what was expected; both as JSON."""
    match expected, found:
        case Mapping(), Mapping():
            for name, value in expected.items():
                yield from _member(name, value, found, where)
        case list(), list() if _names_only(expected):
            names = [_name(item) for item in found]
            if names != expected:
                yield Difference(where, ascii(expected), ascii(names))
        case list(), list() if len(expected) == len(found):
            for place, (wanted, item) in enumerate(zip(expected, found, strict=True)):
                yield from differences(wanted, item, f"{where}[{place}]")
        case list(), list():
            yield Difference(where, f"a list of {len(expected)}", f"one of {len(found)}, {found!a}")
        case _ if type(expected) is not type(found) or expected != found:
            yield Difference(where, ascii(expected), ascii(found))


def check_names(expected: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Check that each name that a test expects something of is one that there is.

    Raises:
        InvalidArgumentError: one is not; a misspelled name must not pass.
    """
    for name in expected:
        if name not in known:
            raise InvalidArgumentError(f"the field {name!a}", "one of " + ", ".join(known))


def _member(name: str, expected: Any, found: Mapping[str, Any], where: str) -> Iterator[Difference]:
    at = f"{where}.{name}" if where else name
    if name in found:
        yield from differences(expected, found[name], at)
    else:
        yield Difference(at, ascii(expected), "no such field")


def _names_only(expected: list[Any]) -> bool:
    return all(isinstance(item, str) for item in expected)


def _name(item: Any) -> Any:
    """Return the text that names an object in a list, the item itself where it has none."""
    if not isinstance(item, Mapping):
        return item
    return next((item[name] for name in _NAMES if isinstance(item.get(name), str)), item)
