"""Recognizing requests, responses and polls: the HTTP status decides, and what errors say."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from lifecycle.core.event import Arrival, Event, Fault, Unreadable
from lifecycle.core.exchange_event import exchange_event
from lifecycle.core.provider import Reading
from lifecycle.core.recognizer import Recognizer
from lifecycle.providers.instacart import INSTACART
from tests.hostile_corpus import ERROR, FLAT
from tests.recalled import recalled

RECOGNIZER = Recognizer(INSTACART)

NOW = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
ORDER = {"id": "order-1", "status": "created"}
DETAILS = {"fulfillment_details": {"store_location": "1003"}}
NOTHING_SAID = (Fault(None, None, None),)


def recognize(kind, body, http_status=None, order_id="order-1", **fields):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    arrival = Arrival(kind, raw, NOW, order_id, http_status=http_status, **fields)
    found = RECOGNIZER.recognize(arrival)
    assert found.body == raw
    return found


def response(body, http_status=200, order_id="order-1", **fields):
    found = recognize("response", body, http_status, order_id, **fields)
    assert isinstance(found, Event), found.reason
    assert recalled(RECOGNIZER, found._replace(details={}, faults=(), fate=None)) == found
    return found


def poll(body, http_status=200, order_id="order-1", **fields):
    found = recognize("poll", body, http_status, order_id, **fields)
    assert isinstance(found, Event), found.reason
    assert recalled(RECOGNIZER, found._replace(details={}, faults=(), fate=None)) == found
    return found


def reason(*arguments, **fields):
    found = recognize(*arguments, **fields)
    assert isinstance(found, Unreadable)
    return found.reason


# Requests


@pytest.mark.parametrize(
    ("attempt", "name"), [(1, "requested"), (2, "resubmitted"), (1_000_000, "resubmitted")]
)
def test_a_request_is_named_by_its_attempt(attempt, name):
    found = recognize("request", {"order_id": "order-1"}, attempt=attempt)
    assert (found.name, found.trigger, found.key) == (name, name, f"request:{attempt}")
    assert (found.attempt, found.status, found.occurred_at) == (attempt, None, None)


def test_details_never_come_from_our_request():
    body = json.loads(FLAT) | {"order_id": "order-1"}
    found = recognize("request", body)
    assert found.details == {}
    assert recalled(RECOGNIZER, found) == found


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"null", b"<xml/>", b'{"order_id":["x"]}', b'{"order_id":"\\n"}']
)
def test_a_request_whose_line_names_the_order_is_kept_whatever_its_body(body):
    assert recognize("request", body).name == "requested"


def test_a_request_about_another_order_is_a_mismatch():
    assert reason("request", {"order_id": "order-2"}) == "order_mismatch"
    assert recognize("request", {"id": "order-2"}).name == "requested"


def test_a_request_may_name_its_order_itself():
    assert recognize("request", {"order_id": 7}, order_id=None).order_id == "7"
    assert reason("request", {"id": "order-1"}, order_id=None) == "no_order"
    assert reason("request", b"", order_id=None) == "no_order"
    assert reason("request", {"order_id": "\n"}, order_id=None) == "bad_order_id"


# Responses: the HTTP status decides


@pytest.mark.parametrize("http_status", [200, 201, 202, 204, 299])
def test_a_success_that_is_no_error_is_accepted(http_status):
    found = response(ORDER | DETAILS, http_status)
    assert (found.name, found.trigger, found.status) == ("accepted", "created", "created")
    assert (found.attempt, found.http_status, found.occurred_at) == (1, http_status, None)
    assert found.details == DETAILS
    assert (found.faults, found.problems, found.fate) == ((), (), None)


@pytest.mark.parametrize(
    "http_status", [200, 400, 404, 409, 410, 422, 402, 405, 407, 428, 431, 451, 499]
)
def test_an_error_with_a_success_and_most_client_errors_reject_the_request(http_status):
    found = response(ERROR.encode(), http_status)
    assert (found.name, found.trigger, found.status) == ("rejected", "validation_failed", None)
    assert found.faults == (Fault("Invalid", 1001, "address"),)
    assert found.fate is None


@pytest.mark.parametrize(
    ("http_status", "fate"),
    [
        (401, "not_reached"),
        (403, "not_reached"),
        (429, "not_reached"),
        (300, "not_reached"),
        (302, "not_reached"),
        (399, "not_reached"),
        (408, "unknown"),
        (500, "unknown"),
        (503, "unknown"),
        (599, "unknown"),
        (100, None),
        (103, None),
    ],
)
@pytest.mark.parametrize("body", [ERROR.encode(), b"", b"<html>", json.dumps(ORDER).encode()])
def test_all_other_statuses_are_failures_whatever_the_body(http_status, fate, body):
    found = response(body, http_status)
    assert (found.name, found.trigger, found.status) == ("failed", "failed", None)
    assert found.fate == fate
    assert found.details == {}
    assert found.faults == (
        (Fault("Invalid", 1001, "address"),) if body == ERROR.encode() else NOTHING_SAID
    )


def test_without_a_status_the_body_decides():
    rejected = response(ERROR.encode(), None)
    assert (rejected.name, rejected.fate) == ("rejected", None)
    assert response(ORDER, None).name == "accepted"
    for nothing in (
        b"",
        b"[]",
        b"{}",
        b'{"status":""}',
        b'{"status":7}',
        b'{"id":"order-1"}',
        b"<html>",
    ):
        found = response(nothing, None)
        assert (found.name, found.fate, found.faults) == ("failed", "unknown", NOTHING_SAID)


# Accepted responses


@pytest.mark.parametrize(
    ("status", "trigger", "problems"),
    [
        ("created", "created", ()),
        ("Fulfillment.Brand_New", "brand_new", ()),
        ("cancelled", "canceled", ()),
        ("delivered", "delivered", ()),
        ("late_delivery", "created", ()),
        ("customer_mia", "created", ()),
        ("picking", "created", ("unrecognized",)),
        ("requested", "created", ("unrecognized",)),
        ("validation_failed", "created", ("unrecognized",)),
        ("accepted", "created", ("unrecognized",)),
        ("failed", "created", ("unrecognized",)),
        ("poll_failed", "created", ("unrecognized",)),
    ],
)
def test_an_accepted_order_stands_at_its_own_status_if_that_is_created_or_beyond(
    status, trigger, problems
):
    found = response(ORDER | {"status": status})
    assert (found.name, found.trigger, found.status) == ("accepted", trigger, status)
    assert found.problems == problems


@pytest.mark.parametrize("status", [None, "", "  ", 7, True, []])
def test_an_accepted_order_without_a_status_is_just_created(status):
    found = response({"id": "order-1", "status": status})
    assert (found.trigger, found.status, found.problems) == ("created", None, ())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>", b"\xff", b'{"a":1,"a":1}', b"[NaN]"]
)
def test_an_accepted_response_that_is_no_object_is_created_and_unreadable(body):
    found = response(body, 201)
    assert (found.trigger, found.status, found.problems) == ("created", None, ("unreadable_body",))
    assert found.details == {}


# Errors


@pytest.mark.parametrize("error", [None, "", {}, [], ["no"], 0, 7, True, 1.5])
def test_an_error_that_is_no_object_or_text_or_is_empty_is_none(error):
    assert response(ORDER | {"error": error}).name == "accepted"
    assert response({"error": error}, 400).faults == NOTHING_SAID


def test_an_error_beside_an_order_rejects_it():
    found = response(ORDER | DETAILS | {"error": {"code": 1}})
    assert (found.name, found.details) == ("rejected", {})


def test_an_error_text_is_its_message():
    assert response({"error": "no", "meta": {"key": "k"}, "status": 7}, 400).faults == (
        Fault("no", None, "k"),
    )


@pytest.mark.parametrize("nothing", [None, "", 0.5, True, [], {}])
def test_fields_of_an_error_with_a_wrong_type_are_ignored(nothing):
    found = response(
        {"error": {"message": nothing, "code": nothing, "x": 1}, "meta": {"key": nothing}}, 422
    )
    assert found.faults == NOTHING_SAID
    assert response({"error": {"message": "m"}, "meta": nothing}, 422).faults == (
        Fault("m", None, None),
    )


@pytest.mark.parametrize("code", [0, -1, 1001, 2003, 9999, 10**30])
def test_any_integer_is_a_code(code):
    assert response({"error": {"code": code}}, 422).faults == (Fault(None, code, None),)


def wrapper(*errors, **fields):
    return {
        "error": {"message": "There were issues", "code": 9999, "errors": list(errors)} | fields,
        "meta": {"key": "outer"},
    }


def leaf(code, key=None):
    return {"error": {"message": f"error {code}", "code": code}, "meta": {"key": key}}


def test_the_innermost_errors_count_in_the_order_they_have():
    body = wrapper(leaf(1, "a"), wrapper(leaf(2), wrapper(leaf(3, "c"))), {"error": "text"})
    assert response(body, 400).faults == (
        Fault("error 1", 1, "a"),
        Fault("error 2", 2, None),
        Fault("error 3", 3, "c"),
        Fault("text", None, None),
    )


@pytest.mark.parametrize(
    "errors", [[], [None], [7, "x", []], [{}], [{"error": {}}, {"error": ""}], None, {}, "x"]
)
def test_a_wrapper_without_a_readable_error_counts_itself(errors):
    body = wrapper(errors=errors)
    assert response(body, 400).faults == (Fault("There were issues", 9999, "outer"),)


def test_only_the_readable_errors_of_a_body_count():
    assert response(wrapper(None, leaf(1), {"error": {}}), 400).faults == (
        Fault("error 1", 1, None),
    )


def test_a_rejection_without_a_readable_error_is_one_that_says_nothing():
    for body in (b"", b"<html>", b"[]", b"{}", b'{"message":"no"}'):
        assert response(body, 400).faults == NOTHING_SAID


# Polls


def test_a_poll_is_a_snapshot_timed_by_the_date_header():
    found = poll(FLAT.encode(), headers={"date": "Tue, 07 Jul 2026 16:05:00 GMT"})
    assert (found.name, found.trigger, found.status) == ("brand_new", "brand_new", "brand_new")
    assert found.occurred_at == datetime(2026, 7, 7, 16, 5, tzinfo=UTC)
    assert found.details["locale"] == "en_US"
    assert (found.attempt, found.event_id, found.fate) == (None, None, None)


@pytest.mark.parametrize(
    "date",
    [
        "Tue, 07 Jul 2026 16:05:00 GMT",
        "Tuesday, 07-Jul-26 16:05:00 GMT",
        "Tue Jul  7 16:05:00 2026",
    ],
)
def test_the_three_forms_of_a_date_are_one_poll(date):
    found = poll(FLAT.encode(), headers={"date": date})
    first = poll(FLAT.encode(), headers={"date": "Tue, 07 Jul 2026 16:05:00 GMT"})
    assert found.occurred_at == datetime(2026, 7, 7, 16, 5, tzinfo=UTC)
    assert (found.key, found.digest) == (first.key, first.digest)


@pytest.mark.parametrize(
    "date",
    [
        *("", "noon", "2026-07-07T16:05:00Z", "Tue, 07-Jul-26 16:05:00 GMT"),
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon Jan  1 00:00:00 0001",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ],
)
def test_an_unreadable_date_counts_as_absent(date):
    found = poll(FLAT.encode(), headers={"date": date})
    assert (found.occurred_at, found.problems) == (None, ())
    assert found.key == poll(FLAT.encode()).key


@pytest.mark.parametrize("length", [255, 256])
def test_a_status_of_more_than_255_bytes_says_nothing(length):
    word = "x" * length
    is_word = length == 255
    body = ORDER | DETAILS | {"status": f" {word.upper()} "}
    assert poll(body).name == (word if is_word else "poll_failed")
    assert response(body, None).name == ("accepted" if is_word else "failed")
    accepted = response(body, 200)
    assert (accepted.trigger, accepted.details) == ("created", DETAILS)
    assert accepted.problems == (("unrecognized",) if is_word else ())
    assert accepted.status == (f" {word.upper()} ".strip() if is_word else None)
    assert recalled(RECOGNIZER, accepted._replace(details={})) == accepted


@pytest.mark.parametrize(
    ("body", "http_status"),
    [
        (ORDER | DETAILS, 404),
        (ORDER | DETAILS, 500),
        (ORDER | DETAILS, 302),
        (ORDER | DETAILS, 100),
        (ORDER | {"error": "no"}, 200),
        (json.loads(ERROR), 200),
        ({"id": "order-1"}, 200),
        (ORDER | {"status": ""}, 200),
        (ORDER | {"status": 7}, 200),
        (b"", 200),
        (b"[]", 200),
        (b"<html>", 502),
        (b"", None),
        (json.loads(ERROR), None),
    ],
)
def test_a_poll_that_shows_no_order_failed(body, http_status):
    found = poll(body, http_status, headers={"date": "Tue, 07 Jul 2026 16:05:00 GMT"})
    assert (found.name, found.trigger, found.status) == ("poll_failed", "poll_failed", None)
    assert found.occurred_at == datetime(2026, 7, 7, 16, 5, tzinfo=UTC)
    assert (found.details, found.faults, found.fate, found.attempt) == ({}, (), None, None)


def test_a_poll_and_a_response_are_never_read_as_an_envelope():
    body = ORDER | DETAILS | {"event_name": "canceled", "event_metadata": {"locale": "en_US"}}
    assert (poll(body).name, poll(body).details) == ("created", DETAILS)
    assert (response(body).trigger, response(body).details) == ("created", DETAILS)


def test_a_poll_without_a_status_is_judged_by_its_body():
    assert poll(ORDER, None).name == "created"


def test_our_own_word_in_a_poll_names_nothing_and_its_details_are_read():
    found = poll(ORDER | DETAILS | {"status": "poll_failed"})
    assert (found.name, found.trigger, found.status) == ("poll_failed", None, "poll_failed")
    assert found.details == DETAILS


# Whose order it is


def test_an_order_object_about_another_order_is_a_mismatch():
    other = ORDER | {"id": "order-2"}
    assert reason("response", other, 200) == "order_mismatch"
    assert reason("response", other, None) == "order_mismatch"
    assert reason("poll", other, 200) == "order_mismatch"


def test_errors_and_failed_exchanges_are_not_asked_which_order_they_are_about():
    other = {"id": "order-2", "status": "created", "error": "no"}
    assert response(other, 200).order_id == "order-1"
    assert response(other, 422).order_id == "order-1"
    assert response({"id": "order-2"}, 503).order_id == "order-1"
    assert poll(other, 200).order_id == "order-1"
    assert poll({"id": "order-2", "status": "created"}, 404).order_id == "order-1"


@pytest.mark.parametrize("unusable", ["\n", "x" * 256, 1.5, True, [], None, ""])
def test_an_unusable_id_in_an_order_object_says_nothing_if_the_line_names_the_order(unusable):
    assert response(ORDER | {"id": unusable}).order_id == "order-1"
    assert poll(ORDER | {"id": unusable}).order_id == "order-1"


def test_a_line_without_an_order_takes_it_from_the_body():
    assert response(ORDER, order_id=None).order_id == "order-1"
    assert poll(ORDER, order_id=None).order_id == "order-1"
    assert response({"id": "order-1"}, 500, order_id="").order_id == "order-1"
    assert reason("response", b"<html>", 502, order_id=None) == "no_order"
    assert reason("poll", {"status": "created"}, 200, order_id=None) == "no_order"
    assert reason("poll", {"id": "\n", "status": "created"}, 200, order_id=None) == "bad_order_id"


@pytest.mark.parametrize("kind", ["request", "response", "poll"])
def test_size_and_a_bad_order_id_count_for_every_kind(kind):
    assert reason(kind, b" " * (1024 * 1024 + 1), 200) == "too_big"
    assert reason(kind, ORDER, 200, order_id="a\x00") == "bad_order_id"
    assert recognize(kind, b" " * (1024 * 1024), 200).order_id == "order-1"


@pytest.mark.parametrize("kind", ["request", "response", "poll"])
def test_an_exchange_id_is_kept_and_an_invalid_one_counts_as_none(kind):
    assert (
        recognize(kind, ORDER | {"order_id": "order-1"}, 200, exchange_id="e-1").exchange_id
        == "e-1"
    )
    assert recognize(kind, b"", 200, exchange_id="x" * 256).exchange_id is None


def test_a_poll_keeps_its_http_status_and_one_that_failed_is_about_the_order_that_it_shows():
    shown = {"id": "order-2", "status": "at_store"}
    assert poll(shown, 203, order_id="order-2").http_status == 203
    failed = poll(shown, 503, order_id=None)
    assert (failed.name, failed.order_id, failed.http_status) == ("poll_failed", "order-2", 503)
    assert poll(shown, 503, order_id="order-1").order_id == "order-1"


SAID = Reading(
    "failed",
    order_id="of the body",
    status=" Taken ",
    event_id="event-1",
    occurred_at=datetime(2022, 6, 4, 9, 0, tzinfo=UTC),
    details={"pin": "1"},
    faults=(Fault("why", 7, "field"),),
    problems=("bad_time",),
    fate="unknown",
    sequence=5,
    links=("other",),
)
DATE = datetime(2022, 6, 4, 9, 30, tzinfo=UTC)


def event_of(kind, said=SAID, part=2, **fields):
    fields = {"http_status": 202, "exchange_id": "x-1", "attempt": 3} | fields
    fields |= {"headers": {"date": "now"}, "client": "ours", "replayed": True, "context": b"note"}
    arrival = Arrival(kind, b"{}", NOW, "stated", **fields)
    seen = ("d" * 64, "e" * 64, DATE, part)
    return exchange_event(("shop", "o-1"), arrival, said, "taken", seen)


WHAT_A_RESPONSE_KEEPS = Event(
    "shop",
    "o-1",
    "response",
    "failed",
    "taken",
    f"response:3:x-1:{'d' * 64}",
    "d" * 64,
    NOW,
    b"{}",
    "e" * 64,
    event_id="event-1",
    attempt=3,
    exchange_id="x-1",
    status=" Taken ",
    occurred_at=SAID.occurred_at,
    http_status=202,
    headers={"date": "now"},
    faults=SAID.faults,
    problems=("bad_time",),
    fate="unknown",
    client="ours",
    sequence=5,
    part=2,
    links=("other",),
    replayed=True,
    context=b"note",
)


def test_an_event_keeps_all_that_came_and_all_that_was_said():
    assert event_of("response") == WHAT_A_RESPONSE_KEEPS


def test_an_accepted_response_has_details_and_neither_faults_nor_fate():
    assert event_of("response", SAID.replace(name="accepted")) == WHAT_A_RESPONSE_KEEPS._replace(
        name="accepted", details={"pin": "1"}, faults=(), fate=None
    )


def test_only_a_response_that_failed_has_a_fate():
    assert event_of("response", SAID.replace(name="rejected")) == WHAT_A_RESPONSE_KEEPS._replace(
        name="rejected", fate=None
    )


def test_a_poll_has_the_date_of_its_header_and_no_attempt():
    assert event_of("poll", SAID.replace(name="left")) == WHAT_A_RESPONSE_KEEPS._replace(
        kind="poll",
        name="left",
        key=f"poll#2:{'d' * 64}",
        attempt=None,
        occurred_at=DATE,
        details={"pin": "1"},
        faults=(),
        fate=None,
    )


def test_a_request_has_a_name_of_ours_and_no_http_status():
    expected = WHAT_A_RESPONSE_KEEPS._replace(
        kind="request",
        name="resubmitted",
        trigger="resubmitted",
        key="request:3",
        http_status=None,
        details={"pin": "1"},
        faults=(),
        fate=None,
    )
    assert event_of("request") == expected
    assert event_of("request", attempt=1) == expected._replace(
        name="requested", trigger="requested", key="request:1", attempt=1
    )
    assert event_of("request", operation="cancel", number=4) == expected._replace(
        name="cancel_requested",
        trigger=None,
        key="operation:cancel:4",
        attempt=None,
        operation="cancel",
    )
