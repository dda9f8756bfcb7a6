"""Recognizing callbacks: two shapes, words in any spelling, and what is put in the quarantine."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from lifecycle.core.event import MAX_BODY_BYTES, Arrival, Event, Unreadable
from lifecycle.core.recognizer import Recognizer
from lifecycle.log.codec import prepare
from lifecycle.providers.instacart import INSTACART
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import FulfillmentDetails, OrderDetails
from tests.hostile_corpus import ENVELOPED, FLAT
from tests.recalled import recalled

RECOGNIZER = Recognizer(INSTACART)

NOW = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)


def recognize(body, order_id=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = RECOGNIZER.recognize(Arrival("callback", raw, NOW, order_id))
    assert found.body == raw
    assert found.received_at == NOW
    return found


def event(body, order_id=None):
    found = recognize(body, order_id)
    assert isinstance(found, Event), found.reason
    return found


def reason(body, order_id=None):
    found = recognize(body, order_id)
    assert isinstance(found, Unreadable)
    assert found.arrival.body == found.body
    return found.reason


def enveloped(**fields):
    body = {"event_name": "delivered", "event_metadata": {"order_id": "order-1"}}
    return body | fields


TOLD = {"order_id": "order-1", "locale": "en_US"}


def compacted(body):
    content = json.loads(body)
    content["event_metadata"] = content.pop("event_metadata")
    return json.dumps(content, separators=(",", ":")).encode()


def flat(**fields):
    return {"id": "order-1", "status": "delivered"} | fields


def test_an_enveloped_callback_says_what_happened_when_to_which_order():
    found = event(ENVELOPED.encode())
    assert found.provider == "instacart"
    assert found.order_id == "order-1"
    assert found.stream == "order:instacart:order-1"
    assert found.kind == "callback"
    assert found.name == found.trigger == "brand_new"
    assert found.status == "fulfillment.brand_new"
    assert found.event_id == "1201895966044343904"
    assert found.occurred_at == datetime(2020, 7, 7, 16, 35, 22, tzinfo=UTC)
    assert found.details == {"fulfillment_details": {"store_location": "1003"}}
    assert (found.attempt, found.exchange_id, found.http_status) == (None, None, None)
    assert (found.faults, found.problems, found.fate) == ((), (), None)


def test_a_flat_callback_is_a_snapshot_without_id_and_time():
    found = event(FLAT.encode())
    assert (found.order_id, found.name, found.trigger) == ("order-1", "brand_new", "brand_new")
    assert (found.event_id, found.occurred_at) == (None, None)
    assert found.details == {
        "order_url": "https://shop.example/s/1",
        "created_at": "2021-06-22T20:57:22Z",
        "locale": "en_US",
        "is_express": True,
        "is_instacartplus": True,
        "is_fallback_window": False,
        "fulfillment_details": {
            "store_location": "1003",
            "window_starts_at": "2021-06-22T20:57:21Z",
            "window_ends_at": "2021-06-23T01:57:21Z",
        },
    }


def test_a_flat_body_has_no_event_id_and_no_event_time_whatever_fields_it_has():
    found = event(flat(event_id=7, event_timestamp="noon"))
    assert (found.event_id, found.occurred_at, found.problems) == (None, None, ())


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("delivered", "delivered"),
        ("fulfillment.delivered", "delivered"),
        ("  FULFILLMENT.Delivered\n", "delivered"),
        ("DELIVERING", "delivering"),
        ("order_created", "brand_new"),
        ("fulfillment.order_created", "brand_new"),
        ("staging", "staged"),
        ("staged_for_delivery", "staged"),
        ("customer_mia", "customer_missing"),
        ("cancelled", "canceled"),
        ("Fulfillment.Cancelled", "canceled"),
        ("fulfillment.fulfillment.delivered", "fulfillment.delivered"),
        ("picking", "picking"),
        ("\u00fcberbracht", "\u00fcberbracht"),
        ("created", "created"),
    ],
)
def test_event_names_and_statuses_are_spelled_our_way_and_kept_verbatim(word, name):
    for found in (event(enveloped(event_name=word)), event(flat(status=word))):
        assert (found.name, found.trigger, found.status) == (name, name, word)


@pytest.mark.parametrize(
    "word",
    [
        *("requested", "validation_failed", "resubmitted"),
        *("accepted", "rejected", "failed", "poll_failed"),
    ],
)
def test_our_own_words_in_the_providers_mouth_name_nothing(word):
    for found in (event(enveloped(event_name=f"fulfillment.{word}")), event(flat(status=word))):
        assert (found.name, found.trigger) == (word, None)


def test_every_state_from_created_on_is_the_providers_to_name():
    named = {state: event(flat(status=state)).trigger for state in LAST_MILE.states}
    own = {"requested", "validation_failed", "resubmitted"}
    assert named == {state: None if state in own else state for state in LAST_MILE.states}


@pytest.mark.parametrize(
    "word", ["", " ", "\t\n", "\u00a0", "fulfillment.", " Fulfillment. ", None, 5, True, []]
)
def test_a_word_that_says_nothing_leaves_a_callback_without_a_name(word):
    assert reason(enveloped(event_name=word)) == "no_name"
    assert reason(flat(status=word)) == "no_name"


@pytest.mark.parametrize(
    "word",
    [
        *("x" * 255, "\u00e9" * 127 + "x", "fulfillment." + "x" * 243, "\u1e9e" * 127),
        *("\u212a" * 255, "\u023a" * 85, "\u0130" * 85, "\u0000" * 255),
    ],
)
def test_a_word_of_255_bytes_once_in_lower_case_is_kept(word):
    for found in (event(enveloped(event_name=f" {word}\n")), event(flat(status=word))):
        assert found.name == word.lower().removeprefix("fulfillment.")
        assert found.status.strip() == word


@pytest.mark.parametrize(
    "word",
    [
        *("x" * 256, "\u00e9" * 128, "fulfillment." + "x" * 244, "\u1e9e" * 128),
        *("\u212a" * 256, "\u023a" * 86, "\u0130" * 86, "\u0000" * 256, "\u00e9" * 100_000),
    ],
)
def test_a_longer_word_says_nothing(word):
    assert reason(enveloped(event_name=word)) == "no_name"
    assert reason(flat(status=word)) == "no_name"


def test_white_space_around_a_word_is_kept_as_long_as_it_is_no_longer_than_a_word():
    assert event(flat(status=" " * 246 + "delivered")).status == " " * 246 + "delivered"
    for word in (" " * 247 + "delivered", "delivered".ljust(1_000_000)):
        found = event(enveloped(event_name=word))
        assert (found.name, found.status) == ("delivered", "delivered")


def test_the_stored_form_of_a_callback_adds_little_to_its_body():
    """Whoever may send callbacks must not make the log grow faster than by what they send."""
    worst = "\u0000" * 255
    body = enveloped(event_name=worst, event_id=worst, event_metadata={"order_id": "\u0080" * 127})
    assert len(prepare(event(body)).opening) < 10_000
    assert len(prepare(event(flat(status="delivered".ljust(1_000_000)))).opening) < 1000


@pytest.mark.parametrize(
    "body",
    [
        flat(event_name="canceled"),
        flat(event_name="canceled", event_metadata={}),
        flat(event_name="canceled", event_metadata=None),
        flat(event_name="canceled", event_metadata=["order-1"]),
    ],
)
def test_an_event_name_makes_it_an_envelope_and_the_flat_fields_are_not_asked(body):
    assert reason(body) == "no_order"
    assert event(body, "order-1").name == "canceled"
    assert event(body | {"order_id": "order-1"}).order_id == "order-1"


def test_metadata_without_an_event_name_is_an_envelope_without_a_name():
    assert reason(flat(event_metadata={"order_id": "order-1"})) == "no_name"
    assert reason(flat(event_metadata="x")) == "no_name"
    assert event(flat(event_metadata=None, event_name=None)).name == "delivered"


@pytest.mark.parametrize("absent", [None, "", True, 1.5, ["order-1"], {"id": "order-1"}])
def test_an_order_id_that_says_nothing_in_the_metadata_is_looked_for_at_the_root(absent):
    body = enveloped(event_metadata={"order_id": absent}, order_id="root")
    assert event(body).order_id == "root"
    assert reason(enveloped(event_metadata={"order_id": absent}, order_id=absent)) == "no_order"
    assert reason(flat(id=absent)) == "no_order"
    assert event(flat(id=absent), "order-1").order_id == "order-1"


def test_the_metadata_names_the_order_before_the_root_does():
    assert event(enveloped(order_id="other")).order_id == "order-1"


def test_an_integer_names_an_order_by_its_digits():
    assert event(flat(id=1201895966044343904)).order_id == "1201895966044343904"
    assert event(flat(id=-7)).order_id == "-7"
    assert event(flat(id=7), "7").order_id == "7"


@pytest.mark.parametrize("unusable", ["a\x00", "\n", "\x7f", "x" * 256, "\u20ac" * 86, 10**255])
def test_an_unusable_order_id_in_the_body_says_nothing_if_the_line_names_the_order(unusable):
    assert reason(flat(id=unusable)) == "bad_order_id"
    assert event(flat(id=unusable), "order-1").order_id == "order-1"
    body = enveloped(event_metadata={"order_id": unusable}, order_id="order-1")
    assert reason(body) == "bad_order_id"


@pytest.mark.parametrize("unusable", ["a\x00", "x" * 256, "\ud83d", 1.5, True, ["order-1"], {}])
def test_an_unusable_order_id_in_the_line_is_never_mended_from_the_body(unusable):
    found = recognize(flat(), unusable)
    assert found.reason == "bad_order_id"
    again = RECOGNIZER.recognize(found.arrival)
    assert again == found
    assert found.arrival.order_id.encode()


def test_a_line_that_names_another_order_is_a_mismatch():
    assert reason(flat(), "order-2") == "order_mismatch"
    assert reason(enveloped(), "order-2") == "order_mismatch"
    assert reason(flat(), "order-1 ") == "order_mismatch"
    assert event(flat(), "order-1").order_id == "order-1"


def test_an_order_id_is_neither_trimmed_nor_normalized():
    for order_id in (" order-1 ", "cafe\u0301", "caf\u00e9", "ORDER-1"):
        assert event(flat(id=order_id)).order_id == order_id


@pytest.mark.parametrize("time", [None, ""])
def test_an_event_time_that_is_absent_is_no_problem(time):
    found = event(enveloped(event_timestamp=time))
    assert (found.occurred_at, found.problems) == (None, ())


@pytest.mark.parametrize(
    "time",
    [
        *(" ", "noon", "2020-07-07T16:35:22", "2020-07-07T16:35:60Z", 0, 1.5, True, False, [], {}),
        *("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z"),
        *("2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2000-01-01T00:59:59+01:00"),
    ],
)
def test_an_event_time_that_cannot_be_read_is_a_problem_and_no_obstacle(time):
    found = event(enveloped(event_timestamp=time))
    assert (found.name, found.occurred_at, found.problems) == ("delivered", None, ("bad_time",))


def test_an_event_time_is_read_in_any_zone_to_the_microsecond():
    found = event(enveloped(event_timestamp="2020-07-07T18:35:22.1234567+02:00"))
    assert found.occurred_at == datetime(2020, 7, 7, 16, 35, 22, 123456, tzinfo=UTC)


@pytest.mark.parametrize("event_id", [1.0, True, [], {}, "", "x" * 256, None])
def test_an_invalid_event_id_counts_as_none_and_the_content_is_the_key(event_id):
    found = event(enveloped(event_id=event_id))
    assert found.event_id is None
    assert found.key == f"snapshot:{found.digest}"


@pytest.mark.parametrize("event_id", [0, -1, 2**63, 2**64, "a b", "\u0000", "\U0001f6f5"])
def test_an_event_id_is_opaque(event_id):
    found = event(enveloped(event_id=event_id))
    assert found.key == f"callback:delivered:{event_id}"


def test_details_come_from_the_metadata_the_store_and_window_first_from_its_inner_object():
    metadata = {
        "order_id": "order-1",
        "order_url": "https://shop.example/s/1",
        "store_location": "outer",
        "window_starts_at": "outer",
        "fulfillment_details": {"store_location": "inner", "window_starts_at": "", "other": 1},
    }
    found = event(enveloped(event_metadata=metadata, locale="en_US", cancellation_reason="other"))
    assert found.details == {
        "order_url": "https://shop.example/s/1",
        "fulfillment_details": {"store_location": "inner", "window_starts_at": "outer"},
    }


@pytest.mark.parametrize("nothing", [None, "", 0, 1, 1.0, [], {}, ["x"]])
def test_a_detail_of_a_wrong_type_says_nothing_and_harms_no_other(nothing):
    found = event(
        flat(
            order_url=nothing,
            is_express=nothing,
            locale="en_US",
            store_location="1003",
            fulfillment_details={"store_location": nothing, "window_ends_at": "then"},
        )
    )
    assert found.details == {
        "locale": "en_US",
        "fulfillment_details": {"store_location": "1003", "window_ends_at": "then"},
    }
    assert event(flat(fulfillment_details=nothing)).details == {}


def test_a_text_where_a_boolean_belongs_and_the_reverse_say_nothing():
    assert event(flat(is_express="true", locale=True, is_instacartplus=False)).details == {
        "is_instacartplus": False
    }


@pytest.mark.parametrize("metadata", [{}, {"event_metadata": None}, {"event_metadata": "none"}])
def test_an_envelope_without_metadata_has_no_details_whatever_is_at_its_root(metadata):
    body = {"event_name": "delivered", "order_id": "order-1", "order_url": "u", "locale": "en_US"}
    found = event(body | metadata)
    assert found.details == {}
    assert recalled(RECOGNIZER, found._replace(details={"locale": "stored otherwise"})) == found
    assert event({"id": "order-1", "status": "delivered", "order_url": "u"}).details == {
        "order_url": "u"
    }


def test_texts_are_kept_verbatim():
    odd = {"order_url": " javascript:alert(1) ", "created_at": "yesterday", "locale": "\u202e"}
    assert event(flat(**odd)).details == odd


def test_details_are_what_the_model_of_details_takes():
    details = event(FLAT.encode()).details
    model = LAST_MILE.details.model_validate(dict(details), strict=True)
    assert model.model_dump(exclude_none=True) == details


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not_json"),
        (b"id=order-1", "not_json"),
        (b"\xff", "not_json"),
        (FLAT.encode() + b"x", "not_json"),
        (b'{"id":"order-1","status":"x","status":"y"}', "not_json"),
        (b"[" * 65 + b"]" * 65, "not_json"),
        (b'{"id":"order-1","status":"x","n":1e400}', "not_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"order-1"', "not_an_object"),
        (b"7", "not_an_object"),
        (b"{}", "no_name"),
        (b'{"id":"order-1"}', "no_name"),
        (b'{"status":"delivered"}', "no_order"),
    ],
)
def test_a_body_that_is_no_callback_is_quarantined_with_its_reason(body, expected):
    assert reason(body) == expected


def test_the_first_reason_that_fits_counts():
    big = b"x" * (MAX_BODY_BYTES + 1)
    assert reason(big, "a\x00") == "too_big"
    assert reason(b"x", "a\x00") == "bad_order_id"
    assert reason(b"x", "order-1") == "not_json"
    assert reason(b"[]", "order-1") == "not_an_object"
    assert reason({"id": "order-2"}, "order-1") == "no_name"


@pytest.mark.parametrize(
    ("body", "order_id", "detail"),
    [
        (b"x" * (MAX_BODY_BYTES + 1), None, "the body is larger than 1048576 bytes"),
        (b"[]", None, "the body is JSON, but no object"),
        (b"{}", None, "the body says no event name or status, or too long a one"),
        (b'{"status":"x"}', None, "neither the caller nor the body names an order"),
        (flat(), "order-2", "the body names another order than the caller"),
        *(
            (
                flat(id="\n"),
                order_id,
                "the order id is not a text of 1 to 255 bytes without control characters",
            )
            for order_id in (None, "\n")
        ),
    ],
)
def test_a_refusal_is_one_sentence(body, order_id, detail):
    assert recognize(body, order_id).detail == detail


def test_a_body_of_one_mebibyte_is_read_and_one_byte_more_is_too_big():
    padded = FLAT.encode().ljust(MAX_BODY_BYTES)
    assert event(padded).name == "brand_new"
    assert reason(padded + b" ") == "too_big"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\xff", "encoding"),
        (b'{"a":1,"a":1}', "duplicate key"),
        (b"[NaN]", "number"),
        (b"[" * 65 + b"]" * 65, "depth"),
    ],
)
def test_not_json_says_why(body, why):
    assert why in recognize(body).detail


def test_no_refusal_and_no_repr_quotes_the_body():
    secret = "8005550101"
    for body in (
        b'{"%s":1,"%s":2}' % (secret.encode(), secret.encode()),
        secret.encode() + b"x",
        json.dumps(flat(id=secret * 30, phone=secret)).encode(),
        json.dumps({"id": secret}).encode(),
    ):
        found = recognize(body)
        assert secret not in found.detail
        assert secret not in repr(found)
        assert secret not in repr(found.arrival)
    assert secret not in repr(event(flat(user_phone=secret)))


def test_recall_fills_in_what_the_body_says_and_touches_nothing_else():
    for body in (FLAT.encode(), ENVELOPED.encode()):
        found = event(body)
        stored = found._replace(details={}, name="as_stored", trigger=None, position=7, version=3)
        assert recalled(RECOGNIZER, stored) == stored._replace(details=found.details)
        assert recalled(RECOGNIZER, found) == found


METADATA = '"event_metadata":{"order_id":"order-1","locale":"en_US"}'


@pytest.mark.parametrize(
    "body",
    [
        '{"event_name":"delivered",METADATA}',
        '{"event_name":"delivered",METADATA}\n',
        '{"event_name": "delivered", METADATA }',
        '{METADATA,"event_name":"delivered"}',
        '{"event_name":"delivered",METADATA,"more":{"locale":"fr_CA"}}',
        '{"event_name":"delivered",METADATA,"more":{}}',
        '{"event_name":"delivered","order_id":"order-1","more":{"x":1,METADATA}}',
        '{"event_metadata":{"locale":"fr_CA","x":1,METADATA},"event_name":"delivered","id":"1"}',
        '{"event_name":"delivered","order_id":"order-1","x\\",\\"event_metadata":{"locale":"en_US"}}',
        '{"id":"order-1","status":"delivered","locale":"fr_CA","x\\",\\"event_metadata":{"locale":"x"}}',
        '{"id":"order-1","status":"delivered","locale":"fr_CA","event_metadata":null}',
        '{"id":"order-1","event_name":"delivered","locale":"fr_CA","event_metadata":[{}]}',
        '{"id":"order-1","event_name":"delivered","note":",\\"event_metadata\\":{}}","locale":"fr_CA"}',
    ],
)
def test_recall_finds_the_metadata_wherever_it_stands(body):
    found = event(body.replace("METADATA", METADATA).encode(), "order-1")
    assert recalled(RECOGNIZER, found._replace(details={})) == found


def test_recall_of_a_body_that_can_no_longer_be_read_says_nothing():
    found = event(FLAT.encode())
    gone = found._replace(body=b"\x00", details={})
    assert recalled(RECOGNIZER, gone) == gone


def test_details_show_which_fields_are_known_and_nothing_that_they_say():
    details = OrderDetails(order_url="https://orders.example/ann-lee", is_express=False)
    assert repr(details) == "<OrderDetails of order_url, is_express, fulfillment_details>"
    assert str(details) == repr(details)
    assert repr(FulfillmentDetails()) == "<FulfillmentDetails of nothing>"


def test_details_do_not_change_once_they_are_known():
    details = OrderDetails(locale="en_US")
    for told, field in ((details, "locale"), (details.fulfillment_details, "store_location")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(told, field, "x")
