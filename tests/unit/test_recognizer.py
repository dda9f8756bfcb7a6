"""The frame around a provider's reading: each field of an event, each refusal in its words."""

import hashlib
import logging
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

from lifecycle import Arrival, Event, NoReading, Reading, Unreadable
from lifecycle.core.event import NO_CONTENT, NOTHING, Fault
from lifecycle.core.recognizer import Recognizer
from lifecycle.errors import ProviderFaultError
from tests.unit.test_provider_port import ERRAND, arrival, one, recognized

AT = datetime(2026, 7, 7, 12, tzinfo=UTC)
SAID = datetime(2026, 7, 7, 11, 59, 30, tzinfo=UTC)


class Scripted:
    """A provider that says what it is told to."""

    name = "scripted"
    definition = ERRAND
    kept_headers = frozenset()

    def __init__(self, *said):
        self.said = said

    def read(self, _arrival, _body):
        found = self.said[0] if len(self.said) == 1 else self.said
        if isinstance(found, BaseException):
            raise found
        return found


WHOLE = Reading(
    "taken",
    "taken",
    "o-1",
    " Taken ",
    "e-1",
    SAID,
    {"a": 1},
    problems=("unrecognized",),
    sequence=5,
    links=("d-1",),
)


def event_of(said, kind="callback", body=b"{}", **fields):
    (found,) = Recognizer(Scripted(said)).recognize_all(Arrival(kind, body, AT, **fields))
    assert isinstance(found, Event), found
    return found


def test_an_event_of_a_callback_has_what_was_read_and_how_it_came():
    body = b'{"a":1}'
    event = event_of(
        WHOLE,
        body=body,
        headers={"webhook-id": "m-1"},
        client="c-1",
        context={"store": "s"},
        replayed=True,
        http_status=200,
        exchange_id="x-1",
        attempt=3,
    )
    assert {
        field: getattr(event, field)
        for field in event.__struct_fields__
        if field not in {"digest", "version", "position", "body"}
    } == {
        "provider": "scripted",
        "order_id": "o-1",
        "kind": "callback",
        "name": "taken",
        "trigger": "taken",
        "key": "callback:taken:e-1",
        "received_at": AT,
        "sha256": hashlib.sha256(body).hexdigest(),
        "event_id": "e-1",
        "attempt": None,
        "exchange_id": None,
        "status": " Taken ",
        "occurred_at": SAID,
        "http_status": None,
        "headers": {"webhook-id": "m-1"},
        "details": {"a": 1},
        "faults": (),
        "problems": ("unrecognized",),
        "fate": None,
        "client": "c-1",
        "operation": None,
        "sequence": 5,
        "part": None,
        "links": ("d-1",),
        "replayed": True,
        "context": {"store": "s"},
        "erased": False,
        "recorded_at": None,
        "redriven_from": None,
    }


def test_an_event_of_a_response_has_its_exchange_its_faults_and_its_fate():
    faults = (Fault("why", 7),)
    said = Reading("failed", "failed", faults=faults, fate="unknown", details={"a": 1})
    fields = {"order_id": "o-1", "exchange_id": "x-1", "http_status": 503, "attempt": 2}
    event = event_of(said, "response", **fields)
    assert (event.attempt, event.exchange_id, event.http_status) == (2, "x-1", 503)
    assert (event.faults, event.fate, event.details) == (faults, "unknown", NOTHING)
    rejected = event_of(said.replace(name="rejected"), "response", **fields)
    assert (rejected.faults, rejected.fate, rejected.details) == (faults, None, NOTHING)
    silent = event_of(Reading("rejected", "refused"), "response", **fields)
    assert silent.faults == (Fault(),)
    accepted = event_of(said.replace(name="accepted"), "response", **fields)
    assert (accepted.faults, accepted.fate, accepted.details) == ((), None, {"a": 1})


def test_a_poll_is_timed_by_its_date_and_a_callback_never():
    date = {"date": "Tue, 07 Jul 2026 11:00:00 GMT"}
    polled = event_of(WHOLE, "poll", order_id="o-1", headers=date, http_status=200)
    assert polled.occurred_at == datetime(2026, 7, 7, 11, tzinfo=UTC)
    assert (polled.faults, polled.fate, polled.http_status) == ((), None, 200)
    assert event_of(WHOLE, "poll", order_id="o-1").occurred_at is None
    assert event_of(WHOLE, headers=date).occurred_at == SAID


def test_a_reading_without_a_status_is_known_by_its_name():
    event = event_of(Reading("taken", order_id="o-1", event_id="e-1"))
    assert (event.status, event.key) == (None, "callback:taken:e-1")
    assert event_of(WHOLE.replace(status="Left")).key == "callback:left:e-1"
    odd = event_of(WHOLE.replace(status=" "))
    assert (odd.status, odd.key) == (None, "callback:taken:e-1")


def test_a_request_is_named_by_its_attempt():
    names = [
        (event.name, event.trigger)
        for event in (
            event_of(Reading(), "request", order_id="o-1", attempt=number) for number in (1, 2, 3)
        )
    ]
    assert names == [("requested",) * 2, ("resubmitted",) * 2, ("resubmitted",) * 2]


def test_a_name_that_only_we_give_names_no_state_in_a_callback():
    for name in ("requested", "accepted", "poll_failed", "refused"):
        assert event_of(Reading(name, order_id="o-1")).trigger is None, name
    assert event_of(Reading("taken", order_id="o-1")).trigger == "taken"
    assert event_of(Reading("odd", order_id="o-1")).trigger == "odd"


REFUSALS = [
    (
        WHOLE.replace(order_id=None),
        {},
        "no_order",
        "neither the caller nor the body names an order",
    ),
    (WHOLE, {"order_id": "o-2"}, "order_mismatch", "the body names another order than the caller"),
    (
        WHOLE.replace(order_id="o\n1"),
        {},
        "bad_order_id",
        "the order id is not a text of 1 to 255 bytes without control characters",
    ),
    (
        WHOLE,
        {"order_id": "o\n1"},
        "bad_order_id",
        "the order id is not a text of 1 to 255 bytes without control characters",
    ),
    (
        WHOLE.replace(is_test=True),
        {},
        "test_event",
        "the provider marks it as a test, and is not configured for tests here",
    ),
    (
        WHOLE.replace(order_id=None, refers_to="d-1"),
        {},
        "unlinked",
        "it names an order by an id of the provider's own that no order is linked to",
    ),
    (NoReading("no_state", "it says no state"), {}, "no_state", "it says no state"),
    (
        None,
        {},
        "provider_fault",
        "the provider's code returned NoneType, neither a Reading nor a NoReading",
    ),
    (ValueError("o-1"), {}, "provider_fault", "the provider's code raised ValueError"),
]


@pytest.mark.parametrize(("said", "fields", "reason", "detail"), REFUSALS)
def test_what_cannot_be_read_says_why_and_keeps_what_came(said, fields, reason, detail):
    came = Arrival("callback", b' {"a":1} ', AT, **fields)
    (found,) = Recognizer(Scripted(said)).recognize_all(came)
    assert isinstance(found, Unreadable)
    assert (found.provider, found.reason, found.detail) == ("scripted", reason, detail)
    assert (found.body, found.received_at) == (came.body, AT)


@pytest.mark.parametrize(
    ("body", "reason", "detail"),
    [
        (b"[1]", "not_an_object", "the body is JSON, but no object"),
        (b"{", "not_json", None),
        (b" " * ((1 << 20) + 1), "too_big", "the body is larger than 1048576 bytes"),
    ],
)
def test_a_callback_that_is_no_object_of_json_is_refused_before_it_is_read(body, reason, detail):
    reading = AssertionError("it must not be read")
    (found,) = Recognizer(Scripted(reading)).recognize_all(Arrival("callback", body, AT))
    assert (found.reason, found.detail if detail else None) == (reason, detail)


def test_an_operation_that_cannot_be_is_refused_in_its_words():
    refused = one({}, "request", order_id="o-1", operation="Cancel", number=1)
    assert (refused.reason, refused.detail) == (
        "bad_operation",
        "the operation is no short word in lower case, or has no number",
    )
    (alone,) = Recognizer(Scripted(WHOLE)).recognize_all(
        Arrival("request", b"{}", AT, None, operation="Cancel", number=1)
    )
    assert alone.reason == "bad_operation"


def test_a_callback_is_never_refused_for_its_operation():
    assert event_of(Reading("taken", order_id="o-1"), operation="No Word").operation is None


def test_an_operation_of_a_callback_says_nothing():
    event = event_of(WHOLE, operation="cancel", number=1)
    assert (event.operation, event.key) == (None, "callback:taken:e-1")


def test_an_id_of_several_orders_or_of_none_is_refused():
    said = WHOLE.replace(order_id=None, refers_to="d-1")
    asked = []

    def linked(found):
        def ask(link):
            asked.append(link)
            return found

        return Recognizer(Scripted(said)).recognize_all(Arrival("callback", b"{}", AT), ask)[0]

    assert linked(["o-7"]).order_id == "o-7"
    assert (linked([]).reason, linked(["o-7", "o-8"]).reason) == ("unlinked", "linked_twice")
    assert linked(["o-7", "o-8"]).detail == (
        "several orders are linked to the id by which it names its order"
    )
    assert set(asked) == {"d-1"}


def test_of_several_faults_that_which_a_link_can_mend_is_told():
    faults = (NoReading("no_state", "why"), WHOLE.replace(order_id=None, refers_to="d-1"))
    found = Recognizer(Scripted(*faults)).recognize_all(Arrival("callback", b"{}", AT))
    assert [each.reason for each in found] == ["unlinked"]
    told = Recognizer(Scripted(WHOLE, *faults[:1])).recognize_all(Arrival("callback", b"{}", AT))
    assert [type(each) for each in told] == [Event, Unreadable]
    assert told[1].reason == "no_state"


def test_an_anomaly_of_the_definition_is_known_in_each_of_several_readings():
    odd = WHOLE.replace(problems=("number_swapped",), event_id="e-2")
    found = Recognizer(Scripted(WHOLE, odd)).recognize_all(Arrival("callback", b"{}", AT))
    assert [event.problems for event in found] == [("unrecognized",), ("number_swapped",)]


def test_of_two_readings_that_of_the_order_that_is_stated_counts():
    reader = Recognizer(Scripted(WHOLE, WHOLE.replace(order_id="o-2")))
    found = reader.recognize_all(Arrival("callback", b"{}", AT, "o-1"))
    assert (type(found), [each.order_id for each in found]) == (tuple, ["o-1"])
    both = reader.recognize_all(Arrival("callback", b"{}", AT))
    assert (type(both), [each.order_id for each in both]) == (tuple, ["o-1", "o-2"])


def test_an_order_that_is_stated_wins_over_a_body_that_names_no_usable_one():
    for named in (None, "o-1", "o\n1", ""):
        assert event_of(WHOLE.replace(order_id=named), order_id="o-1").order_id == "o-1"
    assert event_of(WHOLE).order_id == "o-1"


def test_a_test_event_counts_where_it_is_stored_already_and_in_our_own_exchanges():
    said = WHOLE.replace(is_test=True)
    assert event_of(said, "poll", order_id="o-1").name == "taken"
    stored = event_of(WHOLE)
    again = Recognizer(Scripted(said)).rederive(stored, stored.body)
    assert isinstance(again, Event)


def test_a_hash_that_is_known_is_not_computed_again():
    stored = event_of(WHOLE)
    again = Recognizer(Scripted(WHOLE)).rederive(stored, stored.body, "ab" * 32)
    assert again.sha256 == "ab" * 32
    assert Recognizer(Scripted(WHOLE)).rederive(stored, stored.body).sha256 == (stored.sha256)


def test_an_event_whose_part_is_gone_is_the_last_thing_that_is_found():
    several = Recognizer(Scripted(WHOLE, WHOLE.replace(event_id="e-2")))
    first, second = several.recognize_all(Arrival("callback", b"{}", AT))
    assert (several.rederive(first, b"{}").key, several.rederive(second, b"{}").key) == (
        first.key,
        second.key,
    )
    one_only = Recognizer(Scripted(WHOLE))
    assert one_only.rederive(second, b"{}").part is None
    for stored in (first, second):
        refused = Recognizer(Scripted(NoReading("no_state", "why"))).rederive(stored, b"{}")
        assert (type(refused), refused.reason) == (Unreadable, "no_state")


def test_what_a_body_says_is_recalled_of_the_part_that_it_was():
    several = Recognizer(Scripted(WHOLE, WHOLE.replace(details={"a": 2}, event_id="e-2")))
    first, second = several.recognize_all(Arrival("callback", b"{}", AT))
    assert several.recall(first, b"{}").details == {"a": 1}
    assert several.recall(second, b"{}").details == {"a": 2}
    assert Recognizer(Scripted(WHOLE)).recall(second, b"{}").details == {"a": 1}
    assert Recognizer(Scripted(NoReading("no_state", "why"))).recall(first, b"{}") == NO_CONTENT


def test_a_request_and_a_callback_that_is_no_object_recall_nothing():
    request = event_of(Reading(), "request", order_id="o-1")
    reads_none = Recognizer(Scripted(AssertionError("it must not be read")))
    assert reads_none.recall(request, b"{}") == NO_CONTENT
    assert reads_none.recall(event_of(WHOLE), b"[]") == NO_CONTENT
    response = event_of(Reading("accepted", "taken"), "response", order_id="o-1")
    assert Recognizer(Scripted(Reading("accepted", details={"a": 1}))).recall(
        response, b"no JSON"
    ).details == {"a": 1}


READ = WHOLE.replace(details={"by": "read"})


class Detailed(Scripted):
    """Reads details alone too, and says how it was asked."""

    def read(self, _arrival, _body):
        return self.said[0]

    def read_details(self, kind, body):
        return {"by": f"read_details of a {kind} of {len(body)}"}


def test_details_alone_are_read_of_what_has_some():
    reader = Recognizer(Detailed(READ))
    callback = reader.recognize(arrival({"state": "taken"}))
    assert callback.details == {"by": "read"}
    assert reader.recall(callback, b'{"a":1}').details == {"by": "read_details of a callback of 1"}
    polled = event_of(Reading("taken"), "poll", order_id="o-1", http_status=200)
    assert reader.recall(polled, b'{"a":1}').details == {"by": "read_details of a poll of 1"}
    for body in (b"no JSON", b'{"a":1,"a":2}'):
        assert reader.recall(polled, body).details == {"by": "read"}, "it is no strict JSON"
    failed = event_of(Reading("poll_failed", "poll_failed"), "poll", order_id="o-1")
    assert reader.recall(failed, b'{"a":1}').details == {"by": "read"}
    accepted = event_of(Reading("accepted", "taken"), "response", order_id="o-1")
    assert reader.recall(accepted, b"{}").details == {"by": "read_details of a response of 0"}
    rejected = event_of(Reading("rejected", "refused"), "response", order_id="o-1")
    refuses = Recognizer(Detailed(Reading("rejected", "refused")))
    assert refuses.recall(rejected, b"{}").faults == (Fault(),)
    _, second = recognized({"events": [{"order": "o-1", "state": "taken"}] * 2})
    assert reader.recall(second, b'{"a":1}').details == {"by": "read"}, "it is not the first"


def test_a_provider_that_fails_while_its_details_are_recalled_is_named():
    class Broken(Scripted):
        def read(self, _arrival, _body):
            return READ

        def read_details(self, _kind, _body):
            raise ValueError("o-1")

    event = event_of(WHOLE)
    for provider in (Broken(READ), Scripted(ValueError("o-1"))):
        with pytest.raises(ProviderFaultError) as caught:
            Recognizer(provider).recall(event, b"{}")
        assert (caught.value.provider, caught.value.order_id) == (provider.name, "o-1")
        assert "raised ValueError" in str(caught.value)


def test_a_fault_is_logged_with_its_place_and_without_what_came(caplog):
    with caplog.at_level(logging.ERROR, "lifecycle.provider"):
        Recognizer(Scripted(None)).recognize(Arrival("callback", b'{"name":"Ann"}', AT))
        Recognizer(Scripted(ValueError("Ann"))).recognize(Arrival("callback", b"{}", AT))
    returned, raised = (record.getMessage() for record in caplog.records)
    assert returned == (
        "the code of provider scripted returned NoneType, neither a Reading nor a NoReading"
    )
    before, _, place = raised.partition(" at ")
    assert before == "the code of provider scripted raised ValueError"
    assert "test_recognizer.py" in place
    assert "Ann" not in caplog.text.replace("test_recognizer", "")
    assert {record.name for record in caplog.records} == {"lifecycle.provider"}


def test_a_recognizer_shows_whose_it_is():
    assert repr(Recognizer(Scripted(WHOLE))) == "<Recognizer of scripted>"


def test_headers_reach_the_provider_as_a_mapping_that_it_cannot_change():
    seen = []

    class Looking(Scripted):
        def read(self, arrived, _body):
            seen.append(arrived.headers)
            return WHOLE

    Recognizer(Looking()).recognize(Arrival("callback", b"{}", AT, headers={"a": "b"}))
    assert type(seen[0]) is MappingProxyType
