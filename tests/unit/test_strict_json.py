"""The one strict parser, held against the standard library's parser with hooks; and canonical JSON.

The reference in `tests.oracle.strict` shares no code with the parser: it is `json` with
hooks for duplicate keys, numbers and constants, and counts depth by itself.
"""

from __future__ import annotations

import json
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.strict_json import (
    _canonical_encoder,
    canonical,
    compact,
    parse,
    parse_again,
    parse_and_write,
    parse_to_write,
)
from lifecycle.errors import JsonError
from tests.corpus_kinds import KINDS
from tests.docs.fences import ROOT, blocks_of
from tests.hostile_corpus import CORPUS, ENVELOPED, ERROR, FLAT
from tests.oracle import strict as reference

REFUSED = object()

TOKENS = [
    *(bytes([byte]) for byte in b'[]{},:"\\-.+eE0179 \n\t\x00\x0b\x7f'),
    *(b"NaN", b"Infinity", b"null", b"true", b"1e400", b"1e-400", b"1" * 131, b"0" * 300),
    *(b"\\u0061", b"\\ud83d", b"\\udef5", b"\\u0000", b'"id"', b'"id":1,', b"\xef\xbb\xbf"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"[" * 40, b"]" * 40, b'{"a":' * 40, b"}" * 40),
]


def parsed(body):
    """Return what both ways of parsing agree on."""
    try:
        value = parse(body)
    except JsonError as alone:
        with pytest.raises(JsonError, match=f"^{re.escape(str(alone))}$"):
            parse_and_write(body)
        return REFUSED
    read, written = parse_and_write(body)
    assert same(read, value)
    assert written == canonical(value)
    return value


def expected(body):
    try:
        return reference.parse(body)
    except reference.NotStrictJsonError:
        return REFUSED


def same(one, other):
    """Compare values and their types: 1, 1.0 and true differ, and so do 0.0 and -0.0."""
    return one is other or (
        type(one) is type(other) and json.dumps(one) == json.dumps(other) and one is not REFUSED
    )


def mutations(seed, count):
    chance = random.Random(seed)
    for _ in range(count):
        body = bytearray(chance.choice([FLAT, ENVELOPED, ERROR, "[0.5,-1e3]"]).encode())
        for _ in range(chance.choice([1, 1, 2, 3])):
            at = chance.randrange(len(body) + 1)
            body[at : at + chance.randrange(3)] = chance.choice(TOKENS)
        yield bytes(body)


def why(body):
    with pytest.raises(JsonError) as refused:
        parse(body)
    return refused.value.why


@pytest.mark.parametrize("names", KINDS)
def test_it_agrees_with_the_reference_about(names):
    for name in names:
        assert same(parsed(CORPUS[name]), expected(CORPUS[name])), name


def test_it_agrees_with_the_reference_about_good_bodies_gone_bad():
    for body in mutations(seed=7, count=4000):
        assert same(parsed(body), expected(body)), body


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join) | st.binary(max_size=12))
def test_it_agrees_with_the_reference_about_any_heap_of_tokens(body):
    assert same(parsed(body), expected(body))


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_canonical_json_round_trips_and_equals_json_dumps(value):
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == text.encode()
    assert same(parse(canonical(value)), json.loads(text))
    assert canonical(parse(compact(value))) == canonical(value)


@pytest.mark.parametrize(
    "lenient",
    [
        json.loads,
        lambda body: json.loads(body, parse_constant=reference._constant),
        lambda body: json.loads(body.decode(), object_pairs_hook=reference._object),
    ],
)
def test_the_tests_distinguish_a_lenient_parser_from_the_strict_one(lenient):
    """The positive control: the corpus shows what `json` lets pass, hook by hook."""

    def read(body):
        try:
            return lenient(body)
        except (ValueError, RecursionError):
            return REFUSED

    bodies = (body for body in CORPUS.values() if len(body) < 10_000)
    assert [body for body in bodies if not same(read(body), expected(body))]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a":1,"a":2}', "duplicate key"),
        (b'{"a":{"b":[{"c":1,"\\u0063":2}]}}', "duplicate key"),
        (b'{"a\\nb":1,"a\\nb":2}', "duplicate key"),
        (b"\xff", "encoding"),
        (b"\xef\xbb\xbf{}", "encoding"),
        ("{}".encode("utf-16"), "encoding"),
        ("{}".encode("utf-16-le"), "encoding"),
        (b'"\\ud83d"', "encoding"),
        (b'"\\udef5\\ud83d"', "encoding"),
        (b"[" * 65 + b"]" * 65, "depth"),
        (b"[" * 100_000, "depth"),
        (b"NaN", "number"),
        (b'{"a":-Infinity}', "number"),
        (b"1e400", "number"),
        (b'{"a":[-1e400]}', "number"),
        (b"1" * 310 + b".0", "number"),
        (b"1" * 401, "number"),
        (b"0." + b"1" * 399, "number"),
        (b"01", "number"),
        (b"", "syntax"),
        (b" ", "syntax"),
        (b"{", "syntax"),
        (b"{}{}", "syntax"),
        (b'"\x00"', "syntax"),
        (b"None", "syntax"),
        (b'"a\x00"', "syntax"),
        (b"[" + b"1" * 300 + b'"x"' + b"1" * 300 + b"]", "syntax"),
        (b'[Na"x"N]', "syntax"),
        (b'"\\\n' + b"1" * 401 + b'"', "syntax"),
    ],
)
def test_it_says_why_it_refuses(body, reason):
    assert why(body) == reason


@pytest.mark.parametrize(
    ("body", "why", "where"),
    [
        (b'{"a":1,\n"a":2}', "duplicate key", "a key stands twice, line 2 column 5"),
        (b"[" * 65 + b"]" * 65, "depth", "nested deeper than 64"),
        (b"[" * 100_000, "depth", "nested deeper than 64"),
        (b"1" * 401, "number", "a number has more than 400 characters"),
        (b"1e400", "number", "a number is beyond the range of an IEEE double"),
        (b'{"a":-Infinity}', "number", "no JSON number, line 1 column 7"),
        (b"01", "number", "no JSON number, line 1 column 2"),
        (b"\xc3\xa9\xff", "encoding", "not UTF-8 at byte 2"),
        (b"\xef\xbb\xbf{}", "encoding", "it starts with a byte order mark"),
        ("{}".encode("utf-16-le"), "encoding", "it starts like UTF-16 or UTF-32"),
        (b'"\\ud83d"', "encoding", "a lone surrogate or a broken escape, line 1 column 8"),
        (b'{"a" 1}', "syntax", "line 1 column 6"),
        (b"", "syntax", "there is nothing"),
        (b" \n", "syntax", "there is nothing"),
    ],
)
def test_a_refusal_says_why_and_where_in_one_sentence(body, why, where):
    with pytest.raises(JsonError) as refused:
        parse(body)
    assert (refused.value.why, refused.value.where) == (why, where)
    assert str(refused.value) == f"not strict JSON ({why}): {where}"


def test_the_error_names_the_depth_that_the_caller_set():
    with pytest.raises(JsonError, match=r"nested deeper than 65$"):
        parse(b"[" * 66 + b"]" * 66, max_depth=65)


def test_a_refusal_without_a_position_is_still_our_error(monkeypatch):
    def refuse(_, **__):
        raise ValueError("it will not do")

    monkeypatch.setattr("lifecycle.core.strict_json._from_strict_json", refuse)
    with pytest.raises(JsonError) as refused:
        parse(b"{}")
    assert str(refused.value) == "not strict JSON (syntax): at the start"


def test_the_limits_are_met_exactly():
    assert parse(b"[" * 64 + b"]" * 64)
    assert parse(b'{"a":' * 63 + b"{}" + b"}" * 63)
    assert parse(b"[" * 65 + b"]" * 65, max_depth=65)
    wide = b"[[],{}," + b"[" * 63 + b"]" * 63 + b"]"
    assert parse(wide)
    assert why(b"[" + wide + b"]") == "depth"
    assert why(b'{"a":' * 64 + b"{}" + b"}" * 64) == "depth"
    assert parse(b"9" * 400) == int("9" * 400)
    assert parse(b"-" + b"9" * 399) == -int("9" * 399)
    assert why(b"-" + b"9" * 400) == "number"
    assert parse(b"1." + b"0" * 398) == 1.0
    assert parse(b'"' + b"1" * 1000 + b'"') == "1" * 1000
    assert parse(b'{"' + b"1e999" * 100 + b'":1}')


def test_brackets_and_numbers_inside_texts_do_not_count():
    assert parse(b'["' + b"[" * 1000 + b'"]') == ["[" * 1000]
    assert parse(b'["\\"' + b"1" * 401 + b'\\\\"]') == ['"' + "1" * 401 + "\\"]


def test_a_refusal_quotes_nothing_of_the_body():
    for secret in (
        b'{"8005550101":1,"8005550101":2}',
        b"8005550101x",
        b'{"a":"8005550101',
        b"\xff8005550101",
    ):
        with pytest.raises(JsonError) as refused:
            parse(secret)
        assert "8005550101" not in str(refused.value)
        assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "body",
    [
        b'"\\' * 500_000,
        b"[" + b",".join([b"1" * 129] * 8000) + b"]",
        b"[" + b",".join([b"1" * 400] * 2600) + b"]",
        b'["' + b'\\"' * 400_000 + b'",' + b"1" * 130 + b"]",
        (b"1" * 400 + b" ") * 2600,
        b"-" * 1_000_000,
        b'{"' + b"k" * 500_000 + b'":1,"' + b"k" * 500_000 + b'":1}',
    ],
)
def test_no_body_of_a_megabyte_takes_long(body):
    """A check that needs quadratic time would take minutes here, not a second."""
    started = time.process_time()
    parsed(body)
    assert time.process_time() - started < 2


def test_compact_json_keeps_the_order_of_keys():
    assert compact({"b": 1, "a": [1, 2.5, "\u00e9"]}) == '{"b":1,"a":[1,2.5,"\u00e9"]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud83d"])
def test_nothing_is_written_that_the_parser_would_refuse(value):
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        canonical([value])
    with pytest.raises(ValueError, match=r"JSON compliant|surrogates not allowed"):
        compact([value])


def test_canonical_json_is_the_same_where_the_interpreter_has_no_encoder_to_keep(monkeypatch):
    values = [parsed(body) for body in CORPUS.values() if len(body) < 10_000]
    values = [value for value in values if value is not REFUSED]
    kept = [canonical(value) for value in values]
    assert "\u00e9".encode() in b"".join(kept)
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    plain = _canonical_encoder()
    assert [plain(value).encode() for value in values] == kept


def test_canonical_json_of_many_values_is_in_one_piece():
    many = list(range(150_000))
    assert canonical(many) == json.dumps(many, separators=(",", ":")).encode()


def test_parsing_again_gives_the_same_value():
    for name, body in CORPUS.items():
        value = parsed(body)
        if value is not REFUSED:
            assert same(parse_again(body), value), name


@pytest.mark.parametrize("number", ["0.5", "1e-05", "0.00001", "1e16", "-2E+20", "1", "-0.0"])
def test_what_is_parsed_to_be_written_is_written_as_canonical_json(number):
    body = b'{"b":[%b,"\xc3\xa9"],"a":{"z":1,"y":null}}' % number.encode()

    value, write = parse_to_write(body)

    assert value == parse(body)
    assert write(value) == canonical(parse(body))
    assert write(value["b"]) == canonical(parse(body)["b"])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[1"])
def test_what_is_no_json_is_not_parsed_to_be_written(body):
    with pytest.raises(JsonError):
        parse_to_write(body)


def test_a_body_that_is_no_json_is_refused_when_it_is_parsed_again():
    with pytest.raises(JsonError) as refused:
        parse_again(b'{"a":8005550101')
    assert "8005550101" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "is_in_range"),
    [
        (b"[1e308]", True),
        (b"[1e309]", False),
        (b"[1e+309]", False),
        (b"[-0.1E0310]", False),
        (b"[1e-400]", True),
        (b"[" + b"9" * 129 + b"e99]", True),
        (b"[" + b"9" * 300 + b"e99]", False),
        (b'["5e993",1]', True),
        (b'["a5ef-e9935","55e9935"]', True),
    ],
)
def test_only_numbers_beyond_a_double_are_refused_for_their_range(body, is_in_range):
    assert (parsed(body) is not REFUSED) == is_in_range
    assert same(parsed(body), expected(body))


def vectors():
    page = (ROOT / "docs" / "contributors" / "canonical-json.md").read_text()
    block = next(block for block in blocks_of(page) if block.language == "jsonl")
    return [json.loads(line) for line in block.text.splitlines()]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["canonical"][:40])
def test_the_page_on_canonical_json_is_right(vector):
    written = canonical(parse(vector["json"].encode()))
    assert written.decode() == vector["canonical"]
    assert reference.hashlib.sha256(written).hexdigest() == vector["sha256"]


def test_the_page_on_canonical_json_has_vectors_for_what_is_easily_done_wrong():
    texts = "".join(vector["json"] for vector in vectors())
    assert len(vectors()) >= 12
    for trap in (
        "\uffff",
        "e\u0301",
        "1.0",
        "-0.0",
        "1201895966044343904",
        "1E+16",
        "\\u2028",
        "\x7f",
    ):
        assert trap in texts, trap
