"""The fast canonical writer writes byte for byte what the slow one does, or is not used."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core import strict_json
from lifecycle.core.strict_json import parse, parse_and_write
from lifecycle.errors import JsonError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def slow(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def floats(number: int) -> list[float]:
    rng = random.Random(7)
    bits = (struct.unpack("<d", rng.randbytes(8))[0] for _ in range(number))
    near = (rng.choice((1, -1)) * rng.random() * 10.0 ** rng.randint(-8, 20) for _ in range(number))
    found = [value for value in (*bits, *near) if value - value == 0]
    edges = (1e-4, 9.999999999999999e-5, 1e16, 9999999999999998.0, 1e15, 5e-324, 0.0, -0.0, 0.1)
    return [*found, *edges, *(-edge for edge in edges)]


def agree(body: bytes) -> None:
    value = parse(body)
    read, written = parse_and_write(body)
    assert written == slow(value)
    assert repr(read) == repr(value)  # 1, 1.0 and True differ, and so does the order of keys


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=5))
@settings(max_examples=300, deadline=None)
def test_both_writers_agree_on_whatever_a_body_may_say(value: dict[str, Any]) -> None:
    for spelled in (slow(value), json.dumps(value, indent=1).encode()):
        agree(spelled)


@pytest.mark.parametrize("form", ["{!r}", "{:.17e}", "{:.400f}", "{:.20g}", "{:E}"])
def test_both_writers_agree_on_floats_however_they_are_spelled(form: str) -> None:
    for number in floats(2_000):
        text = form.format(number)
        if len(text) > strict_json.MAX_NUMBER_CHARACTERS:
            continue
        agree(f'{{"a":[{text}],"b": {text} ,"c":{text}}}'.encode())


def test_the_writers_differ_where_the_slow_one_is_kept_for() -> None:
    for text in ("1e-5", "0.00001", "1e16", "12345678901234567.0"):
        body = b'{"a":%b}' % text.encode()
        assert strict_json._canonical_fast(parse(body)) != slow(parse(body))
        agree(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"7e3f-4e5a","n":123456789012345678,"price":"$10.99"}',
        b'{"none":0.0,"least":0.0001,"most":-9999999999999998.0}',
        b'{"name":"Zo\\u00eb \\"Z\\" B.","url":"http:\\/\\/a.example","at":[37.79,-122.4]}',
    ],
)
def test_a_usual_body_is_parsed_and_written_the_fast_way(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(body)
    monkeypatch.setattr(strict_json, "parse", None)

    assert parse_and_write(body)[1]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":"c","b":"d"}}',
        b'[{"":0,"":1e9}]',
        b'{"a":0,"a":1e6}',  # as long as it is written, without the first
        b'{"a":0,"a":-1E6}',
        b'{"a":"\\n","\\u0061":1}',
        b'{"a":"\\ud800"}',
        b'{"a":1,"a":"\\u0022\\u0022"}',  # as many quotes as it is written with
        b'{"a":1e400}',
        b'{"a":[1,' + b"7" * 401 + b"]}",
        b'{"a":-' + b"7" * 400 + b"}",
        b'{"a":1.' + b"7" * 399 + b"}",
        b'{"a":' + b" " * 44 + b"7." + b"7" * 399 + b"}",  # the point stands where it is looked at
        b"[" * 65 + b"]" * 65,
        b"NaN",
        b'"\xff"',
    ],
)
def test_what_is_refused_is_refused_for_the_same_reason(body: bytes) -> None:
    with pytest.raises(JsonError) as alone:
        parse(body)
    with pytest.raises(JsonError) as together:
        parse_and_write(body)

    assert str(together.value) == str(alone.value)
