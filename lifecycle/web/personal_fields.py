"""Masks personal fields in bodies and headers: pages show them so until a user unmasks them.

A value is shown only if its field is known to be harmless: the words, ids and times by which
events are read, and the provider's details, which every view shows. All other values are masked,
texts and numbers alike, and so are the names of fields that are not plain words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from lifecycle.core.strict_json import parse_again
from lifecycle.diagram.harmless import harmless
from lifecycle.errors import JsonError

MASK: Final = "•••"
MOST_SHOWN: Final = 20_000
"""The most characters of one body on a page; the download has all of it."""

_HARMLESS_FIELDS: Final = frozenset(
    {
        *("id", "order_id", "status", "code", "key", "kind", "type"),
        *("event_id", "event_name", "event_type", "event_timestamp", "event_metadata"),
        *("created_at", "updated_at"),
    }
)
_HARMLESS_HEADERS: Final = frozenset(
    {"content-type", "date", "user-agent", "x-request-id", "traceparent"}
)
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}")
_ODD: Final = re.compile(r"[^\n -~]")
_LONGEST: Final = 255


class ShownBody(NamedTuple):
    """A body as a page shows it: `text`, whether something is masked, and whether it was cut."""

    text: str
    is_masked: bool
    is_cut: bool
    size: int


def harmless_fields(details: type[BaseModel]) -> frozenset[str]:
    """Return the fields that may be shown: those common to all providers, and the details."""
    return _HARMLESS_FIELDS | frozenset(_names_of(details))


def shown_body(body: bytes, fields: Collection[str], *, masked: bool) -> ShownBody:
    """Return a body as a page shows it; one that is not JSON is shown whole or not at all."""
    try:
        value = parse_again(body)
    except JsonError:
        text, was_masked = body.decode("utf-8", "backslashreplace"), masked and bool(body)
        return _cut(MASK if was_masked else text, len(body), is_masked=was_masked)
    shown = masked_value(value, fields) if masked else value
    text = json.dumps(shown, indent=2, ensure_ascii=False)
    return _cut(text, len(body), is_masked=shown != value)


def masked_value(value: Any, fields: Collection[str]) -> Any:
    """Return a JSON value in which everything not known to be harmless is masked."""
    return _masked(value, fields, is_harmless=False)


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers in which those that may be personal are masked."""
    return {name: value if name in _HARMLESS_HEADERS else MASK for name, value in headers.items()}


def _masked(value: Any, fields: Collection[str], *, is_harmless: bool) -> Any:
    match value:
        case dict():
            return {
                _name(name, number): _masked(inner, fields, is_harmless=name in fields)
                for number, (name, inner) in enumerate(value.items(), 1)
            }
        case list():
            return [_masked(inner, fields, is_harmless=is_harmless) for inner in value]
        case None | bool():
            return value
        case str() if is_harmless and len(value) <= _LONGEST:
            return value
        case int() | float() if is_harmless:
            return value
    return MASK


def _name(name: str, number: int) -> str:
    return name if _PLAIN.fullmatch(name) else f"{MASK} {number}"


def _names_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names_of(field.annotation)


def _cut(text: str, size: int, *, is_masked: bool) -> ShownBody:
    shown = _ODD.sub(lambda found: harmless(found[0]), text[:MOST_SHOWN])
    return ShownBody(shown, is_masked, len(text) > MOST_SHOWN, size)
