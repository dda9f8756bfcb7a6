"""Identity: keys and digests, which decide for ever what is a duplicate of what.

The expected digests are made from text written out by hand and `hashlib`, never from the
code under test; the vectors are those of the page on canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.core.event import Arrival, Event
from lifecycle.core.fold import fold
from lifecycle.core.identity import (
    as_kept,
    callback_key,
    id_text,
    is_operation,
    is_order_id,
    number_in,
    opaque_id,
    plain_text,
    spoken_word,
    stated_order_id,
    verbatim_word,
)
from lifecycle.core.recognizer import Recognizer
from lifecycle.log.jsonl import read_line
from lifecycle.providers.instacart import INSTACART
from tests.cyclic_values import BOTTOMLESS, CIRCULAR
from tests.docs.fences import ROOT, blocks_of
from tests.hostile_corpus import ENVELOPED, FLAT

RECOGNIZER = Recognizer(INSTACART)

HUGE = pytest.param(10**5000, id="an integer that Python does not print")
NOW = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)


def recognized(recording):
    read = read_line(
        recording, received_at=NOW, providers={"instacart": INSTACART}, provider="instacart"
    )
    event = RECOGNIZER.recognize(read[1])
    assert isinstance(event, Event)
    return event


def callback(body):
    return RECOGNIZER.recognize(Arrival("callback", body, NOW))


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def vectors():
    page = (ROOT / "docs" / "contributors" / "canonical-json.md").read_text()
    block = [block for block in blocks_of(page) if block.language == "jsonl"][1]
    return [json.loads(line) for line in block.text.splitlines()]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["key"][:20])
def test_the_page_shows_the_key_and_the_digest(vector):
    event = recognized(vector["recording"])
    assert (event.key, event.digest) == (vector["key"], vector["digest"])
    assert event.digest == sha256(vector["content"])


def test_the_page_has_a_vector_for_every_kind_of_key():
    kinds = {vector["key"].partition(":")[0] for vector in vectors()}
    assert kinds == {"request", "response", "callback", "snapshot", "poll"}


def test_a_callback_with_an_event_id_is_known_by_it():
    event = callback(ENVELOPED.encode())
    assert event.key == "callback:fulfillment.brand_new:1201895966044343904"
    assert event.event_id == "1201895966044343904"


@pytest.mark.parametrize(
    ("word", "in_the_key"),
    [
        ("brand_new", "brand_new"),
        ("fulfillment.brand_new", "fulfillment.brand_new"),
        ("\t Fulfillment.BRAND_NEW \u00a0", "fulfillment.brand_new"),
        ("order_created", "order_created"),
        ("cancelled", "cancelled"),
        ("a:b", "a%3Ab"),
        ("a%3ab", "a%253ab"),
        ("%", "%25"),
        ("\u00dcberBracht", "\u00fcberbracht"),
        ("\u0130", "i\u0307"),
        ("\u212a", "k"),
        ("\u1e9e", "\u00df"),
        ("\u0000", "\u0000"),
    ],
)
def test_the_providers_word_is_a_part_of_the_key_before_prefix_and_aliases(word, in_the_key):
    body = {"event_id": "e:%", "event_name": word, "event_metadata": {"order_id": "order-1"}}
    assert callback(json.dumps(body).encode()).key == f"callback:{in_the_key}:e:%"


def test_no_word_and_id_have_the_key_of_another_word_and_id():
    pieces = ("a", ":", "%", "%3A", "%25", "b")
    spoken = [(one + other, event_id) for one in pieces for other in pieces for event_id in pieces]
    keys = {
        callback(
            json.dumps({"event_id": event_id, "event_name": word, "order_id": "order-1"}).encode()
        ).key
        for word, event_id in spoken
    }
    assert len(keys) == len(set(spoken))


def test_events_that_share_one_id_are_events_of_their_own():
    told = [
        callback(json.dumps({"event_id": 0, "event_name": word, "order_id": "order-1"}).encode())
        for word in ("brand_new", "at_store", "delivered")
    ]
    assert len({event.key for event in told}) == 3
    view = fold(INSTACART.definition, told)
    assert (view.status, view.anomalies) == ("delivered", ())


def test_a_word_that_comes_again_under_its_id_with_other_content_diverges():
    one, other = (
        callback(
            json.dumps({"event_id": 0, "event_name": word, "order_id": "order-1", "n": n}).encode()
        )
        for n, word in enumerate((" at_store", "AT_STORE"))
    )
    assert one.key == other.key == "callback:at_store:0"
    view = fold(INSTACART.definition, [one, other])
    assert [(odd.code, odd.events) for odd in view.anomalies] == [("divergent", (one.key,))]


def test_a_callback_without_an_event_id_is_known_by_its_content():
    event = callback(b'{"status":"brand_new","id":"order-1"}')
    assert event.digest == sha256('[{"id":"order-1","status":"brand_new"}]')
    assert event.key == f"snapshot:{event.digest}"


def test_spacing_and_the_order_of_keys_make_no_other_event():
    spaced = json.dumps(dict(reversed(json.loads(FLAT).items())), indent=3).encode()
    one, other = callback(FLAT.encode()), callback(spaced)
    assert (one.key, one.digest) == (other.key, other.digest)
    assert one.sha256 != other.sha256
    assert other.body == spaced


@pytest.mark.parametrize("changed", ["1003", "true"])
def test_another_value_makes_another_event(changed):
    assert callback(FLAT.replace(changed, "null", 1).encode()).key != callback(FLAT.encode()).key


def test_one_and_one_point_naught_are_different_content():
    one, other = (callback(b'{"id":"a","status":"x","n":%s}' % n) for n in (b"1", b"1.0"))
    assert one.digest != other.digest


def test_an_event_id_as_text_and_as_integer_is_one_key_with_two_digests():
    as_text = ENVELOPED.replace("1201895966044343904", '"1201895966044343904"')
    one, other = callback(ENVELOPED.encode()), callback(as_text.encode())
    assert one.key == other.key
    assert one.digest != other.digest


def test_a_request_is_known_by_its_attempt():
    first, again, other, second = (
        RECOGNIZER.recognize(Arrival("request", body, NOW, "order-1", attempt))
        for attempt, body in [(1, b'{"a":1}'), (1, b'{ "a": 1 }'), (1, b'{"a":2}'), (2, b'{"a":1}')]
    )
    assert (first.key, first.name) == ("request:1", "requested")
    assert (second.key, second.name) == ("request:2", "resubmitted")
    assert first.digest == again.digest == second.digest == sha256('[{"a":1}]')
    assert other.key == first.key
    assert other.digest != first.digest


def test_a_response_is_known_by_attempt_exchange_and_content():
    def key(**fields):
        arrival = Arrival("response", b'{"id":"order-1"}', NOW, "order-1", **fields)
        return RECOGNIZER.recognize(arrival).key

    digest = sha256('[200,{"id":"order-1"}]')
    assert key(http_status=200) == f"response:1::{digest}"
    assert key(http_status=200, attempt=2, exchange_id="e:7") == f"response:2:e:7:{digest}"
    created = sha256('[201,{"id":"order-1"}]')
    assert key(http_status=201) == f"response:1::{created}"


def test_bytes_that_are_no_object_count_in_padded_base64():
    event = RECOGNIZER.recognize(Arrival("response", b"\xff\xfe", NOW, "order-1", http_status=502))
    assert event.digest == sha256('[502,"//4="]')
    listed = RECOGNIZER.recognize(Arrival("poll", b"[]", NOW, "order-1", http_status=200))
    assert listed.digest == sha256('[200,null,"W10="]')


def test_a_poll_is_known_by_status_date_and_content():
    def digest(date):
        headers = {"date": date} if date else {}
        arrival = Arrival("poll", b"{}", NOW, "order-1", http_status=200, headers=headers)
        return RECOGNIZER.recognize(arrival).digest

    assert digest("Tue, 07 Jul 2026 16:05:00 GMT") == sha256('[200,"2026-07-07T16:05:00Z",{}]')
    assert digest(None) == digest("yesterday") == sha256("[200,null,{}]")


def test_identity_does_not_depend_on_when_or_with_which_headers_it_came():
    later = datetime(2030, 1, 1, tzinfo=UTC)
    one = RECOGNIZER.recognize(Arrival("callback", FLAT.encode(), NOW))
    other = RECOGNIZER.recognize(
        Arrival("callback", FLAT.encode(), later, order_id="order-1", headers={"user-agent": "x"})
    )
    assert (one.key, one.digest, one.order_id) == (other.key, other.digest, other.order_id)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        " ",
        "x" * 255,
        "\u20ac" * 85,
        "caf\u00e9",
        "\u0085",
        "\u202e",
        "\U0001f6f5",
        "a/b?c#d:e",
    ],
)
def test_these_are_valid_order_ids(text):
    assert is_order_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 256,
        "\u20ac" * 86,
        "\U0001f6f5" * 64,
        "\x00",
        "a\nb",
        "\x1f",
        "\x7f",
        "\ud83d",
        "a\udef5",
    ],
)
def test_these_are_invalid_order_ids(text):
    assert not is_order_id(text)


@given(st.text(max_size=300))
def test_an_order_id_is_what_the_rule_says(text):
    plain = not any(ord(char) < 32 or ord(char) == 127 for char in text)
    assert is_order_id(text) == (plain and 1 <= len(text.encode()) <= 255)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (" a ", " a "),
        (7, "7"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        ("", None),
        (None, None),
        (True, None),
        (7.0, None),
        ([7], None),
        ({}, None),
    ],
)
def test_a_body_names_an_order_by_text_or_integer(value, text):
    assert id_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("e", "e"), (0, "0"), (-1, "-1"), (2**63, str(2**63)), ("\n", "\n"), ("x" * 255, "x" * 255)],
)
def test_an_event_id_is_opaque_text_or_an_integer(value, text):
    assert opaque_id(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x" * 256,
        "\u20ac" * 86,
        10**255,
        HUGE,
        None,
        True,
        False,
        1.0,
        [],
        {},
        "\ud83d",
        b"e",
    ],
)
def test_anything_else_is_no_event_id(value):
    assert opaque_id(value) is None


@pytest.mark.parametrize("value", [1.5, True, [], {"a": 1}, "\ud83d", HUGE, {1, 2}, b"a", object()])
def test_an_invalid_order_id_is_kept_as_text_that_can_be_stored_and_names_no_order(value):
    stated = stated_order_id(value)
    assert stated.encode()
    assert not is_order_id(stated)
    assert stated_order_id(stated) == stated


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("order-1", "order-1"),
        (7, "7"),
        (1.5, "\x001.5"),
        (True, "\x00true"),
        ([], "\x00[]"),
        ({"a": 1}, '\x00{"a": 1}'),
        ("\ud83d", '\x00"\\ud83d"'),
        (10**5000, "\x00null"),
        ([10**5000], "\x00"),
        ({1, 2}, "\x00"),
        (CIRCULAR, "\x00"),
        (BOTTOMLESS, "\x00"),
    ],
    ids=lambda value: str(type(value)),
)
def test_a_stated_order_id_is_kept_verbatim(value, kept):
    assert stated_order_id(value) == kept


@pytest.mark.parametrize("value", [None, ""])
def test_an_empty_order_id_is_absent(value):
    assert stated_order_id(value) is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (" Picked_Up\n", "picked_up"),
        ("x" * 255, "x" * 255),
        (" " + "x" * 255, "x" * 255),
        ("\u20ac" * 85, "\u20ac" * 85),
        ("x" * 256, None),
        ("\u20ac" * 86, None),
        (" \t", None),
        ("", None),
        (7, None),
        (None, None),
    ],
)
def test_a_word_is_trimmed_and_in_lower_case_and_of_1_to_255_bytes(value, word):
    assert spoken_word(value) == word


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (" Taken ", " Taken "),
        (" " + "x" * 254, " " + "x" * 254),
        (" " + "x" * 255, "x" * 255),
        ("x" * 256, None),
        (" ", None),
        (7, None),
    ],
)
def test_a_word_is_kept_with_its_white_space_where_that_is_not_too_much(value, word):
    assert verbatim_word(value) == word
    assert word is None or as_kept(value) == word


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("operation:cancel:1", 1),
        ("operation:cancel:12", 12),
        ("operation:cancel:", None),
        ("operation:cancel:x", None),
        ("request:3", None),
        ("callback:operation:3", None),
    ],
)
def test_only_the_request_of_an_operation_has_a_number_in_its_key(key, number):
    assert number_in(key) == number


@pytest.mark.parametrize("name", ["cancel", "c", "x" * 40, "add_tip_2"])
def test_a_short_word_in_lower_case_names_an_operation(name):
    assert is_operation(name)


@pytest.mark.parametrize("name", ["", "Cancel", "2nd", "_x", "x" * 41, "a b", "cancel\n", 7, None])
def test_anything_else_names_no_operation(name):
    assert not is_operation(name)


@pytest.mark.parametrize(("value", "text"), [("a", "a"), (" ", " "), ("", None), (7, None)])
def test_a_plain_text_says_something(value, text):
    assert plain_text(value) == text


@pytest.mark.parametrize("value", [2**64 - 1, 2**64, 2**64 + 1, 10**254, -(10**253)])
def test_an_event_id_may_be_any_integer_of_up_to_255_digits(value):
    assert opaque_id(value) == str(value)


def test_an_event_id_of_a_class_of_its_own_is_the_text_or_integer_that_it_is():
    class Text(str):
        """A text of a class of its own."""

        __slots__ = ()

    class Number(int):
        """An integer of a class of its own."""

    assert opaque_id(Text("e")) == "e"
    assert opaque_id(Number(7)) == "7"


@pytest.mark.parametrize(
    ("event_id", "part", "key"),
    [
        ("e-1", None, "callback:left:e-1"),
        ("e-1", 2, "callback#2:left:e-1"),
        (None, None, "snapshot:digest"),
        (None, 2, "snapshot#2:digest"),
    ],
)
def test_later_readings_of_a_body_have_their_number_in_the_key(event_id, part, key):
    assert callback_key("left", event_id, "digest", part) == key
