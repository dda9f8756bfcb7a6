"""Recordings: reading lines, writing events, and headers; a line that is none is kept whole."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.event import Arrival, Event, Unreadable
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.strict_json import compact
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.jsonl import read_line, write_item, write_line
from lifecycle.log.kept_headers import keep_headers
from lifecycle.providers.instacart import INSTACART
from tests.corpus_kinds import KINDS
from tests.cyclic_values import BOTTOMLESS, CIRCULAR
from tests.hostile_corpus import CORPUS, FLAT
from tests.oracle.recognition import identify

RECOGNIZER = Recognizer(INSTACART)

NOW = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
DATE = "Tue, 07 Jul 2026 16:05:00 GMT"


def read(line, line_number=None):
    return read_line(
        line,
        received_at=NOW,
        providers={"instacart": INSTACART},
        provider="instacart",
        line_number=line_number,
    )


def arrival(**fields):
    name, found = read({"kind": "callback"} | fields)
    assert name == "instacart"
    return found


def recognized(line):
    found = read(line)
    return found if isinstance(found, Unreadable) else RECOGNIZER.recognize(found[1])


def spelled(**fields):
    return json.dumps({"kind": "callback"} | fields)


def test_a_line_is_read_whatever_it_comes_as():
    line = '{"kind":"callback","body":{"id":"caf\u00e9","status":"x"}}'
    fields = json.loads(line)
    raw = line.encode()
    ends = (raw, raw + b"\n", raw + b"\r\n", line, line + "\n")
    assert [read(each)[1].body for each in ends] == [b'{"id":"caf\xc3\xa9","status":"x"}'] * 5
    assert read(fields) == read(raw)
    assert read(bytearray(raw)) == read(memoryview(raw)) == read(raw)
    assert fields == json.loads(line), "the mapping is not touched"


def test_a_line_says_everything_about_an_arrival():
    found = arrival(
        kind="response",
        provider="instacart",
        order_id="order-1",
        attempt=3,
        exchange_id="e-1",
        received_at="2022-06-04T12:00:00.5+02:00",
        http_status=502,
        headers={"Date": DATE, "Cookie": "no"},
        body_text="<html>",
        position=7,
        version=1,
        header_base64=5,
        anything={"else": []},
    )
    assert found == Arrival(
        kind="response",
        body=b"<html>",
        received_at=NOW.replace(microsecond=500_000),
        order_id="order-1",
        attempt=3,
        exchange_id="e-1",
        http_status=502,
        headers={"date": DATE},
    )


def test_fields_missing_in_a_line_have_default_values():
    usual = Arrival(kind="callback", body=b"", received_at=NOW)
    assert arrival() == usual
    fields = ("provider", "order_id", "attempt", "exchange_id", "received_at", "http_status")
    assert arrival(**dict.fromkeys((*fields, "headers", "body"))) == usual
    assert arrival(order_id="") == usual


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        ({"b": 1, "a": [1.50, "\u00e9", None]}, '{"b":1,"a":[1.5,"\u00e9",null]}'),
        ("text", '"text"'),
        ("", '""'),
        (0, "0"),
        (False, "false"),
        ([], "[]"),
        (10**300, "1" + "0" * 300),
        (None, ""),
    ],
)
def test_a_body_value_becomes_compact_json(body, raw):
    assert arrival(body=body).body == raw.encode()
    assert read(spelled(body=body))[1].body == raw.encode()


def test_exact_bodies_are_kept_to_the_byte():
    assert arrival(body_text=' { "a" : 1.50 }\n').body == b' { "a" : 1.50 }\n'
    assert arrival(body_text="").body == b""
    assert arrival(body_base64="//4=").body == b"\xff\xfe"
    assert arrival(body_base64="").body == b""
    assert arrival(body_text=None).body == arrival(body_base64=None).body == b""


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": None},
        {"kind": "Callback"},
        {"kind": "webhook"},
        {"kind": 1},
        {"kind": ["callback"]},
        {"kind": {}},
        {"provider": "unknown"},
        {"provider": ""},
        {"provider": 1},
        {"provider": ["instacart"]},
        {"attempt": 0},
        {"attempt": -1},
        {"attempt": 1_000_001},
        {"attempt": 1.0},
        {"attempt": "1"},
        {"attempt": True},
        {"attempt": 2**63},
        {"http_status": 99},
        {"http_status": 600},
        {"http_status": 200.0},
        {"http_status": "200"},
        {"http_status": True},
        {"received_at": ""},
        {"received_at": "2022-06-04T10:00:00"},
        {"received_at": "2022-06-04T10:00:60Z"},
        {"received_at": "now"},
        {"received_at": 1654336800},
        {"received_at": False},
        {"headers": "date"},
        {"headers": []},
        {"headers": [["date", "x"]]},
        {"headers": 1},
        {"body": {}, "body_text": ""},
        {"body": {}, "body_base64": ""},
        {"body_text": "", "body_base64": ""},
        {"body": None, "body_text": "x"},
        {"body_text": 1},
        {"body_text": {}},
        {"body_base64": "x"},
        {"body_base64": "//4"},
        {"body_base64": "_-4="},
        {"body_base64": " //4="},
        {"body_base64": "//4=\n"},
        {"body_base64": "\u00e9"},
        {"body_base64": 1},
    ],
)
def test_an_invalid_field_makes_a_bad_line_that_is_kept_whole(fields):
    line = spelled(**fields).encode()
    found = read(line, line_number=7)
    assert isinstance(found, Unreadable)
    assert (found.reason, found.body, found.line_number) == ("bad_line", line, 7)
    assert (found.arrival, found.received_at, found.provider) == (None, NOW, "instacart")
    as_mapping = read({"kind": "callback"} | fields)
    assert (as_mapping.reason, as_mapping.detail) == ("bad_line", found.detail)
    assert json.loads(as_mapping.body) == json.loads(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"   ",
        b"callback",
        b"[]",
        b"null",
        b'"callback"',
        b'{"kind":"callback"',
        b'{"kind":"callback","kind":"callback"}',
        b'{"kind":"callback","body":{"a":1,"a":2}}',
        b'{"kind":"callback","body":NaN}',
        b'{"kind":"callback","body":1e400}',
        b'{"kind":"callback","body":"\\ud83d"}',
        b'{"kind":"callback","body":' + b"1" * 401 + b"}",
        b'{"kind":"callback","body":"\xff"}',
        b'\xef\xbb\xbf{"kind":"callback"}',
        '{"kind":"callback"}'.encode("utf-16"),
        b'{"kind":"callback"}{"kind":"callback"}',
        b'{"kind":"call\nback"}',
    ],
)
def test_a_line_that_is_no_strict_json_object_is_a_bad_line_that_is_kept_whole(line):
    found = read(line)
    assert (found.reason, found.body) == ("bad_line", line)


def test_the_depth_of_a_body_is_counted_in_the_body():
    for depth, reason in ((64, "not_an_object"), (65, "bad_line")):
        line = b'{"kind":"callback","body":' + b"[" * depth + b"]" * depth + b"}"
        assert recognized(line).reason == reason
        assert recognized(json.loads(line)).reason == reason


@pytest.mark.parametrize("text", ["\ud83d", 'x"\udef5', "\udcff{}"])
def test_a_text_that_is_no_unicode_is_a_bad_line(text):
    found = read(text)
    assert found.reason == "bad_line"
    assert isinstance(found.body, bytes)


def test_the_bytes_of_a_file_read_with_escapes_come_back():
    line = b'{"kind":"\xff"}'
    assert read(line.decode("utf-8", "surrogateescape")).body == line


@pytest.mark.parametrize("unusable", [1.5, True, [], ["order-1"], {}, "a\x00", "x" * 256, 10**255])
def test_an_invalid_order_id_is_bad_whatever_its_type(unusable):
    line = spelled(order_id=unusable, body={"id": "order-1", "status": "x"})
    for found in (recognized(line), recognized(json.loads(line))):
        assert found.reason == "bad_order_id"
        again = recognized(compact(write_item(found)))
        assert (again.reason, again.arrival) == ("bad_order_id", found.arrival)


def test_an_integer_names_an_order_and_an_exchange_by_its_digits():
    found = arrival(order_id=7, exchange_id=-1)
    assert (found.order_id, found.exchange_id) == ("7", "-1")


@pytest.mark.parametrize("unusable", ["", "x" * 256, 1.5, True, [], {}])
def test_an_invalid_exchange_id_counts_as_none(unusable):
    assert arrival(exchange_id=unusable).exchange_id is None


# Mappings from Python


def test_a_mapping_may_hold_a_datetime_and_bytes():
    later = datetime(2022, 6, 4, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert arrival(received_at=later).received_at == NOW.replace(microsecond=5)
    for exact in (b"\xff\x00", bytearray(b"\xff\x00"), memoryview(b"\xff\x00")):
        assert arrival(body=exact).body == arrival(body_text=exact).body == b"\xff\x00"
    assert arrival(body_base64=b"//4=").body == b"\xff\xfe"
    assert arrival(body=b'{"a":1,"a":2}').body == b'{"a":1,"a":2}', "exact bytes are not judged"


@pytest.mark.parametrize(
    "fields",
    [
        {"body": {"a": float("nan")}},
        {"body": {"a": float("inf")}},
        {"body": {"a": {1, 2}}},
        {"body": {"a": b"bytes"}},
        {"body": {"a": NOW}},
        {"body": {"a": object()}},
        {"body": {"a": "\ud83d"}},
        {"body": {("a", "b"): 1}},
        {"body": {1: "a", "1": "b"}},
        {"body": {"a": 10**400}},
        {"body": {"a": 10**5000}},
        {"body": CIRCULAR},
        {"body": BOTTOMLESS},
        {"body": object()},
        {"received_at": NOW.replace(tzinfo=None)},
        {"received_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))},
        {"received_at": NOW.date()},
        {"body": b"one", "body_text": b"two"},
        {"body": b"one", "body_base64": "//4="},
        {"body_base64": b"\xff"},
        {"kind": object()},
        {"kind": b"callback"},
        {"attempt": object()},
        {"headers": object()},
    ],
    ids="-".join,
)
def test_a_mapping_that_is_no_recording_never_raises_and_never_reads_as_one_later(fields):
    found = read({"kind": "callback"} | fields)
    assert (found.reason, found.arrival) == ("bad_line", None)
    again = read(found.body)
    assert (again.reason, again.body) == ("bad_line", found.body)


def test_a_bad_mapping_is_kept_as_far_as_it_can_be_represented():
    odd = {"kind": "telegram", "received_at": NOW, "body": b"\xff", "x": {1}, 5: 6}
    assert read(odd | {"y": {"a": [1, {2}], "b": "\u00e9"}}).body == (
        b'{"kind":"telegram","received_at":"2022-06-04T10:00:00Z","x":NaN,5:6,'
        b'"y":{"a":[1,NaN],"b":"\\u00e9"},"body_base64":"/w=="}'
    )


@pytest.mark.parametrize("line", [None, 7, 1.5, ["kind"], object(), {1: 2}, {}, ()])
def test_a_value_that_is_neither_line_nor_recording_never_raises(line):
    assert read(line).reason == "bad_line"
    assert read(read(line).body).reason == "bad_line"


def test_no_detail_quotes_the_line():
    secret = "8005550101"
    lines = [
        f'{{"kind":"{secret}"}}',
        f'{{"{secret}":1,"{secret}":2}}',
        spelled(provider=secret),
        spelled(received_at=secret),
        spelled(body_base64=secret + "!"),
        secret + "x",
    ]
    for line in lines:
        found = read(line)
        assert secret not in found.detail
        assert secret not in repr(found)


# Headers


def test_the_usual_headers_are_kept_in_lower_case_whatever_they_come_as():
    usual = {
        "Content-Type": "application/json",
        "DATE": DATE,
        "user-agent": "x",
        "X-Request-Id": "r",
        "traceparent": "t",
        "X-Other": "no",
    }
    wanted = {name.lower(): value for name, value in usual.items() if name != "X-Other"}
    asgi = [(name.lower().encode(), value.encode()) for name, value in usual.items()]
    assert keep_headers(usual) == keep_headers(list(usual.items())) == wanted
    assert keep_headers(asgi) == keep_headers(iter(asgi)) == wanted
    assert keep_headers(None) == keep_headers({}) == keep_headers([]) == {}


@pytest.mark.parametrize(
    "name", ["Authorization", "cookie", "Set-Cookie", "Proxy-Authorization", "proxy-anything"]
)
def test_secrets_are_never_kept_even_if_a_provider_lists_them(name):
    assert keep_headers({name: "secret", "Date": DATE}, frozenset({name.lower()})) == {"date": DATE}


def test_a_provider_lists_more():
    assert keep_headers({"X-Delivery": "7"}, frozenset({"x-delivery"})) == {"x-delivery": "7"}
    assert keep_headers({"X-Delivery": "7"}) == {}


def test_a_header_that_came_twice_is_joined():
    assert keep_headers([("User-Agent", "a"), ("user-agent", "b")]) == {"user-agent": "a, b"}


@pytest.mark.parametrize("value", [None, 7, "", b"", ["x"], object()])
def test_a_header_that_is_no_text_is_left_out(value):
    assert keep_headers({"date": value}) == {}
    assert keep_headers({value: "x"} if value.__hash__ else {}) == {}
    assert read({"kind": "poll", "headers": {"date": value}})[1].headers == {}


def test_a_header_can_always_be_stored():
    kept = keep_headers([(b"user-agent", b"\xff\xfe"), ("x-request-id", "\ud83d")])
    assert kept == {"user-agent": "\u00ff\u00fe", "x-request-id": "?"}


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac"])
def test_a_header_of_more_than_1024_bytes_is_left_out_and_harms_no_other(letter):
    longest = letter * (1024 // len(letter.encode()))
    kept = keep_headers({"user-agent": longest, "x-request-id": longest + letter, "date": DATE})
    assert kept == {"user-agent": longest, "date": DATE}
    line = {"kind": "poll", "headers": {"user-agent": longest + letter, "date": DATE}}
    assert read(line)[1].headers == {"date": DATE}


def test_a_repeated_header_that_joined_is_too_long_is_left_out():
    assert keep_headers([("user-agent", "x" * 511)] * 2) == {
        "user-agent": f"{'x' * 511}, {'x' * 511}"
    }
    assert keep_headers([("user-agent", "x" * 512)] * 2) == {}


@pytest.mark.parametrize("headers", [7, "date", [1], [("date",)], object()])
def test_malformed_headers_raise_an_error_for_the_caller(headers):
    with pytest.raises(InvalidArgumentError):
        keep_headers(headers)


# Writing


def test_an_event_is_written_with_its_fields_in_order():
    line = {
        "kind": "response",
        "provider": "instacart",
        "order_id": "order-1",
        "attempt": 2,
        "exchange_id": "e",
        "received_at": "2022-06-04T10:00:00Z",
        "http_status": None,
        "headers": {"date": DATE},
        "body_text": "",
    }
    assert list(write_line(recognized(line)).items()) == list(line.items())


def test_only_what_a_kind_has_is_written():
    callback = write_line(recognized(spelled(body=json.loads(FLAT), attempt=3, http_status=200)))
    assert list(callback) == ["kind", "provider", "order_id", "received_at", "body_text"]
    poll = write_line(recognized({"kind": "poll", "order_id": "order-1"}))
    assert list(poll) == ["kind", "provider", "order_id", "received_at", "http_status", "body_text"]
    request = write_line(recognized({"kind": "request", "order_id": "order-1", "body": b"\xff"}))
    assert request["attempt"] == 1
    assert request["body_base64"] == "/w=="


def identity(event):
    return (event.stream, event.kind, event.name, event.key, event.digest, event.body)


def round_trip(found):
    """Write what was recognized, read it again, and say what came of it."""
    line = write_line(found) if isinstance(found, Event) else write_item(found)
    raw = line if isinstance(line, bytes) else compact(line | {"position": 1, "version": 2})
    assert b"\n" not in raw
    return recognized(raw + b"\n")


@pytest.mark.parametrize("names", KINDS)
def test_a_written_definition_is_read_back_equal(names):
    for name in names:
        assert_round_trips(CORPUS[name])


def assert_round_trips(body):
    exact = {"body_base64": base64.b64encode(body).decode()}
    headers = {"date": DATE, "user-agent": "caf\u00e9\x00\u2028"}
    for kind, order_id in [
        ("callback", None),
        ("callback", "order-1"),
        ("poll", "order-1"),
        ("request", 7),
        ("response", []),
    ]:
        line = {"kind": kind, "order_id": order_id, "http_status": 200, "headers": headers} | exact
        found = recognized(line)
        again = round_trip(found)
        assert type(again) is type(found)
        assert again.body == body
        if isinstance(found, Event):
            assert again == found
        else:
            assert (again.reason, again.detail) == (found.reason, found.detail)


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(["request", "response", "callback", "poll"]),
    body=st.binary(max_size=40) | st.just(FLAT.encode()),
    order_id=st.none() | st.text(max_size=20) | st.integers(),
    attempt=st.integers(1, 1_000_000),
    exchange_id=st.none() | st.text(max_size=20),
    http_status=st.none() | st.integers(100, 599),
    received_at=st.datetimes(timezones=st.just(UTC)),
    headers=st.dictionaries(st.sampled_from(["date", "user-agent"]), st.text(max_size=20)),
)
def test_any_arrival_survives_the_way_out_and_in_again(body, **fields):
    line = {name: value for name, value in fields.items() if value is not None}
    found = recognized(line | {"body": body})
    again = round_trip(found)
    if isinstance(found, Event):
        assert again == found
        assert identity(again) == identity(found)
    else:
        assert again.reason == found.reason
        assert (again.body, again.received_at) == (found.body, found.received_at)
        assert again.arrival.order_id == found.arrival.order_id
        assert again.arrival.headers == found.arrival.headers


@pytest.mark.parametrize(
    "line", [b"no json", b'{"kind":"telegram"}', b"\xff", b"a\rb", b"a\nb", b"\n", b""]
)
def test_a_bad_line_is_written_as_it_came_or_as_another_bad_line_that_holds_it(line):
    found = read(line)._replace(body=line)
    written = write_item(found)
    if not line.strip() or b"\n" in line or b"\r" in line:
        assert written == {"kind": "bad_line", "body_text": line.decode()}
    else:
        assert written == line
    assert round_trip(found).reason == "bad_line"


# Against the oracle


def drawn(seed, count):
    """Yield lines whose fields are each at random absent, good, or odd."""
    chance = random.Random(seed)
    odd = [None, "", 0, 1, 7, True, 1.5, [], {}, "x", 10**30, "2022-06-04T10:00:00Z"]
    good = {
        "kind": ["request", "response", "callback", "poll"],
        "order_id": ["order-1", 7],
        "attempt": [1, 2, 1_000_000, 1_000_001],
        "exchange_id": ["e"],
        "received_at": ["2022-06-04T10:00:00Z", "2022-06-04T10:00:00"],
        "http_status": [100, 200, 404, 599, 600],
        "headers": [{"date": DATE}, {"Date": "no"}],
        "body": [json.loads(FLAT), {"error": "no"}],
        "body_text": [FLAT],
        "body_base64": ["//4="],
    }
    for _ in range(count):
        line = {
            name: chance.choice(values if chance.random() < 0.85 else odd)
            for name, values in good.items()
            if chance.random() < (0.95 if name == "kind" else 0.3)
        }
        if isinstance(line.get("headers", {}), dict | None):
            yield line


def test_lines_drawn_at_random_are_read_as_the_oracle_reads_them():
    reasons = set()
    for line in drawn(seed=3, count=3000):
        told, found = identify(line), recognized(json.dumps(line))
        if isinstance(told, str):
            reasons.add(told)
            assert isinstance(found, Unreadable), line
            assert found.reason == told, line
        else:
            assert (found.order_id, found.key, found.digest, found.name) == told[:4], line
            assert (found.attempt, found.http_status) == (told.attempt, told.http_status), line
    assert reasons >= {"bad_line", "not_json", "no_order", "order_mismatch"}
