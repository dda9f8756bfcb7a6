"""The one strict JSON parser, and the canonical form that identities are made of.

Strict means: UTF-8 without BOM, no duplicate keys, no NaN, no infinity (`1e400` too),
no lone surrogate, nesting up to 64, a number up to 400 characters, integers exact.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

import jiter

from lifecycle.errors import JsonError

MAX_DEPTH: Final = 64
MAX_NUMBER_CHARACTERS: Final = 400

_LONG_NUMBER: Final = re.compile(rb"[-+.0-9eE]{%d}" % (MAX_NUMBER_CHARACTERS + 1))
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
# Only such a number can leave the range of an IEEE double.
_HUGE_NUMBER: Final = re.compile(rb"[0-9][eE]\+?[0-9]{3}|[0-9]{200}")
_DUPLICATE: Final = re.compile(r"Detected duplicate key .* at (line \d+ column \d+)$", re.DOTALL)
_PLACE: Final = re.compile(r"at (line \d+ column \d+)$")

_canonical: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
_compact: Final = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def parse(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the JSON value that `body` spells.

    Raises:
        JsonError: it is not strict JSON; the message never quotes the body.
    """
    if _LONG_NUMBER.search(body) is not None and _LONG_NUMBER.search(_STRING.sub(b'""', body)):
        raise JsonError("number", f"a number has more than {MAX_NUMBER_CHARACTERS} characters")
    try:
        value = jiter.from_json(body, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as refused:
        raise _explained(body, str(refused)) from None
    if body.count(b"[") + body.count(b"{") > max_depth:
        _check_depth(value, max_depth)
    if _HUGE_NUMBER.search(body) is not None:
        _check_finite(value)
    return value


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value, in UTF-8.

    Keys by code point, no spaces, integers exact, other numbers as the shortest repr of
    their IEEE double, no escapes but the needed ones, no Unicode normalization.
    """
    return _canonical(value).encode()


def compact(value: Any) -> bytes:
    """Return a value as JSON without spaces, in UTF-8, keys in the order they have."""
    return _compact(value).encode()


def _explained(body: bytes, refused: str) -> JsonError:
    duplicate = _DUPLICATE.match(refused)
    if duplicate is not None:
        return JsonError("duplicate key", f"a key stands twice, {duplicate[1]}")
    if "recursion limit" in refused:
        return JsonError("depth", f"nested deeper than {MAX_DEPTH}")
    place = _PLACE.search(refused)
    where = place[1] if place is not None else "at the start"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as bad:
        return JsonError("encoding", f"not UTF-8 at byte {bad.start}")
    if body.startswith(b"\xef\xbb\xbf"):
        return JsonError("encoding", "it starts with a byte order mark")
    if "hex escape" in refused or "surrogate" in refused:
        return JsonError("encoding", f"a lone surrogate or a broken escape, {where}")
    if "number" in refused:
        return JsonError("number", where)
    return JsonError("syntax", where if body.strip() else "there is nothing")


def _check_depth(value: Any, max_depth: int) -> None:
    level = [value]
    depth = 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        if depth > max_depth:
            raise JsonError("depth", f"nested deeper than {max_depth}")
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]


def _check_finite(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise JsonError("number", "a number is beyond the range of an IEEE double")
