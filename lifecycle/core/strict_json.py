"""The one strict JSON parser, and the canonical form that identities are made of.

Strict means: UTF-8 without BOM, no duplicate keys, no NaN, no infinity (`1e400` too),
no lone surrogate, nesting up to 64, a number up to 400 characters, integers exact.
`jiter` refuses most of it; range, depth and the length of numbers are checked here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jiter
import msgspec

from lifecycle.errors import JsonError

MAX_DEPTH: Final = 64
MAX_NUMBER_CHARACTERS: Final = 400

# Digits become `0`, both letters of an exponent `e`, both opening brackets `[`, all else a
# space: plain searches in the result then cost a tenth of what a regular expression costs on
# the body itself.
_OUTLINES: Final = {
    **dict.fromkeys(b"0123456789", b"0"),
    **dict.fromkeys(b"eE", b"e"),
    **dict.fromkeys(b"[{", b"["),
}
_OUTLINE: Final = b"".join(_OUTLINES.get(code, b" ") for code in range(256))
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(code for code in range(256) if code not in b"[]{}")
# A number above 400 characters has a part of 130 digits or more; one that leaves the range
# of an IEEE double has that many digits too, or an exponent of three.
_MANY_DIGITS: Final = b"0" * 130
_LONG_EXPONENT: Final = b"0e000"

# An unterminated string runs to the end: without that, failing would cost quadratic time.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_LONG_NUMBER: Final = re.compile(rb"(?<![-+.0-9eE])[-+.0-9eE]{%d}" % (MAX_NUMBER_CHARACTERS + 1))
# A number above 400 characters covers eight of the characters that stand fifty apart.
_APART: Final = 50
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_DIGITS_APART: Final = b"0" * (MAX_NUMBER_CHARACTERS // _APART)
_SMALL: Final = 1e-4
_LARGE: Final = 1e16
_NO_NUMBER: Final = re.compile(rb"NaN|Infinity")
_DUPLICATE: Final = re.compile(r"Detected duplicate key .* at (line \d+ column \d+)$")
_PLACE: Final = re.compile(r"at (line \d+ column \d+)$")


def _canonical_encoder() -> Callable[[Any], str]:
    """Return what writes canonical JSON.

    `JSONEncoder.encode` makes its encoder anew at every call, which costs a fifth of what it
    then does. Where the interpreter lets us, that one is made once.
    """
    plain = json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        # No markers: nothing is circular. No indent. Otherwise as `JSONEncoder.iterencode` does.
        chunks = make(
            None,
            plain.default,
            json.encoder.encode_basestring,
            None,
            plain.key_separator,
            plain.item_separator,
            plain.sort_keys,
            plain.skipkeys,
            plain.allow_nan,
        )
    except TypeError:
        return plain.encode
    return lambda value: "".join(chunks(value, 0))


_canonical: Final = _canonical_encoder()
_canonical_fast: Final = msgspec.json.Encoder(order="sorted").encode
_compact: Final = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def parse(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the JSON value that `body` spells.

    Raises:
        JsonError: it is not strict JSON; the message never quotes the body.
    """
    outline = body.translate(_OUTLINE, b"+")
    has_many_digits = _MANY_DIGITS in outline
    if has_many_digits and _LONG_NUMBER.search(_STRING.sub(b'""', body)) is not None:
        raise JsonError("number", f"a number has more than {MAX_NUMBER_CHARACTERS} characters")
    try:
        value = _from_strict_json(body)
    except ValueError as refused:
        raise _explained(body, str(refused)) from None
    if outline.count(b"[") > max_depth and _is_deeper(body, max_depth):
        raise JsonError("depth", f"nested deeper than {max_depth}")
    if has_many_digits or _LONG_EXPONENT in outline:
        _check_finite(value)
    return value


def object_in(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that bytes spell; None where they spell none."""
    try:
        value = parse(body)
    except JsonError:
        return None
    return value if type(value) is dict else None


def parse_again(body: bytes) -> Any:
    """Return what `parse` returned for `body` before, for a third of the price.

    What it did not return a value for may come back as anything, or raise.

    Raises:
        JsonError: it is no JSON.
    """
    try:
        return jiter.from_json(body)
    except ValueError as refused:
        raise _explained(body, str(refused)) from None


def parse_to_write(body: bytes) -> tuple[Any, Callable[[Any], bytes]]:
    """Return what `parse_again` does, and what writes canonical JSON of any part of it.

    Raises:
        JsonError: it is no JSON.
    """
    try:
        return _decode(body), _canonical_fast
    except (msgspec.MsgspecError, ValueError):  # or it has a float that the writers spell apart
        return parse_again(body), canonical


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value, in UTF-8.

    Keys by code point, no spaces, integers exact, other numbers as the shortest repr of
    their IEEE double, no escapes but the needed ones, no Unicode normalization. The value
    is one that `parse` could have returned: NaN, infinities and lone surrogates raise.
    """
    return _canonical(value).encode()


def parse_and_write(body: bytes) -> tuple[Any, bytes]:
    """Return the JSON value that `body` spells, and its canonical JSON, faster than one by one.

    Raises:
        JsonError: as `parse`.
    """
    # To see that there is no list is a tenth of what counting costs.
    lists = body.count(b"[") if b"[" in body else 0
    is_flat = body.count(b"{") + lists <= MAX_DEPTH
    if is_flat and _DIGITS_APART not in body[::_APART].translate(_DIGITS):
        try:
            value = _decode(body)
            written = _canonical_fast(value)
            if b"\\" in body:
                return _from_strict_json(body), written
            # Canonical JSON is never longer than its source: at the same length no key that stood
            # twice was dropped. Else the quotes tell: without an escape each begins or ends a text.
            if len(body) == len(written) or body.count(b'"') == written.count(b'"'):
                return value, written
        except (msgspec.MsgspecError, ValueError):
            pass  # it is no strict JSON, or has a float that the fast writer spells otherwise
    value = parse(body)
    return value, canonical(value)


def _usual_float(text: str) -> float:
    """Return the number that both writers spell alike, and no longer than in the body.

    Raises:
        ValueError: they spell it otherwise, or longer, or it is too long.
    """
    number = float(text)
    is_usual = _SMALL <= number < _LARGE or -_LARGE < number <= -_SMALL or not number
    if is_usual and "e" not in text and "E" not in text and len(text) <= MAX_NUMBER_CHARACTERS:
        return number
    raise ValueError


_decode: Final[Callable[[bytes], Any]] = msgspec.json.Decoder(float_hook=_usual_float).decode
_from_strict_json: Final = partial(jiter.from_json, catch_duplicate_keys=True, allow_inf_nan=False)


def compact(value: Any) -> bytes:
    """Return a value as JSON without spaces, in UTF-8, keys in the order they have."""
    return _compact(value).encode()


def _explained(body: bytes, refused: str) -> JsonError:
    """Return why `jiter` refused; its own message may quote a key, so it is not passed on."""
    duplicate = _DUPLICATE.match(refused)
    if duplicate is not None:
        return JsonError("duplicate key", f"a key stands twice, {duplicate[1]}")
    if "recursion limit" in refused:
        return JsonError("depth", f"nested deeper than {MAX_DEPTH}")
    place = _PLACE.search(refused)
    where = place[1] if place is not None else "at the start"
    encoding = _trouble_with_encoding(body, refused, where)
    if encoding is not None:
        return JsonError("encoding", encoding)
    if "number" in refused or _NO_NUMBER.search(_STRING.sub(b'""', body)) is not None:
        return JsonError("number", f"no JSON number, {where}")
    return JsonError("syntax", where if body.strip() else "there is nothing")


def _trouble_with_encoding(body: bytes, refused: str, where: str) -> str | None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as bad:
        return f"not UTF-8 at byte {bad.start}"
    if body.startswith(b"\xef\xbb\xbf"):
        return "it starts with a byte order mark"
    if len(body) % 2 == 0 and b"\x00" in body[:2]:
        return "it starts like UTF-16 or UTF-32"
    if "hex escape" in refused:
        return f"a lone surrogate or a broken escape, {where}"
    return None


def _is_deeper(body: bytes, max_depth: int) -> bool:
    """Tell whether a body that is JSON nests deeper: each round takes the innermost pairs off.

    Plain replacing costs a tenth of a walk through the values, and can be interrupted.
    """
    brackets = _STRING.sub(b"", body).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(max_depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _check_finite(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            waiting.extend(_children(item))
        elif isinstance(item, float) and not math.isfinite(item):
            raise JsonError("number", "a number is beyond the range of an IEEE double")


def _children(item: dict[str, Any] | list[Any]) -> Any:
    return item.values() if isinstance(item, dict) else item
