"""What a provider may say beside a name and an order: what only some providers have to say."""

from __future__ import annotations

import asyncio
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from lifecycle import (
    Arrival,
    Event,
    NoReading,
    Reading,
    Unreadable,
    connect,
    connect_async,
    fold,
    history,
)
from lifecycle.audit.export import export
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.composition import orders_on
from lifecycle.core.definition import Definition
from lifecycle.core.event import Fault
from lifecycle.core.recognizer import Recognizer
from lifecycle.errors import DefinitionError

AT = datetime(2026, 7, 7, 12, tzinfo=UTC)
PARTS: dict[str, Any] = {
    "states": ("requested", "refused", "taken", "confirmed", "brought", "lost"),
    "moves": [
        {"trigger": "taken", "source": ["requested", "refused"], "dest": "taken"},
        {"trigger": "refused", "source": "requested", "dest": "refused"},
        {"trigger": "confirmed", "source": "taken", "dest": "confirmed"},
        {"trigger": "brought", "source": "confirmed", "dest": "brought"},
        {"trigger": "lost", "source": ["taken", "confirmed"], "dest": "lost"},
    ],
    "terminal": ("brought", "lost"),
    "aborts": ("lost",),
    "birth": ("taken", "confirmed"),
    "informational": ("failed", "poll_failed"),
}
SWAPPED = "the parcel came under two numbers"
ERRAND = Definition.write(
    "errand", **PARTS, confirmed="confirmed", anomalies={"number_swapped": SWAPPED}
)


class Errands:
    """Reads `{"events": [{"order", "state", ...}]}`, and one such event by itself."""

    name = "errands"
    definition = ERRAND
    kept_headers = frozenset({"webhook-id"})
    takes_tests = False

    def read(self, arrival, body):
        if arrival.kind == "request":
            return Reading()
        if arrival.kind == "response":
            return self._answer(arrival, body or {})
        if body is None:
            return Reading("poll_failed")
        if "events" in body:
            return tuple(self._one(arrival, each) for each in body["events"])
        return self._one(arrival, body)

    def _one(self, arrival, told):
        if "state" not in told:
            return NoReading("no_name", "it says no state")
        return Reading(
            told["state"],
            order_id=told.get("order"),
            status=told["state"],
            event_id=told.get("id") or arrival.headers.get("webhook-id"),
            problems=("number_swapped",) if told.get("swapped") else (),
            details={},
            sequence=told.get("number"),
            is_test=told.get("live") is False,
            links=tuple(told.get("links", ())),
            refers_to=told.get("delivery"),
        )

    def _answer(self, arrival, body):
        if arrival.http_status == 200:
            return Reading("accepted", "taken")
        fault = Fault(body.get("message"), body.get("code"), None)
        return Reading("rejected", "refused", faults=(fault,))


def arrival(body, kind="callback", **fields):
    return Arrival(kind, json.dumps(body).encode(), AT, **fields)


def recognized(body, kind="callback", provider=None, **fields):
    return Recognizer(provider or Errands()).recognize_all(arrival(body, kind, **fields))


def one(body, kind="callback", **fields):
    (found,) = recognized(body, kind, **fields)
    return found


def test_an_anomaly_of_the_providers_own_shows_with_its_code_and_sentence():
    with connect("memory:", provider=Errands()) as orders:
        orders.record_callback({"order": "o-1", "state": "taken", "swapped": True})
        view = orders.get("o-1")
        assert [(each.code, each.detail) for each in view.anomalies] == [
            ("number_swapped", SWAPPED)
        ]
        assert [each.order_id for each in orders.find(anomalies=True)] == ["o-1"]
        assert replay(orders.log, {"errands": Errands()}).ok


def test_an_anomaly_that_the_definition_has_no_sentence_for_any_more_still_shows():
    event = one({"order": "o-1", "state": "taken", "swapped": True})
    (anomaly,) = fold(Definition.write("errand", **PARTS), [event]).anomalies
    assert (anomaly.code, anomaly.detail) == ("number_swapped", "the provider found it odd")


@pytest.mark.parametrize(
    "anomalies",
    [
        ["number_swapped"],
        {"Number": SWAPPED},
        {"": SWAPPED},
        {7: SWAPPED},
        {"refused": SWAPPED},
        {"bad_time": SWAPPED},
        {"odd": ""},
        {"odd": None},
        {"odd": "\ud800"},
        {"odd": "x" * 256},
        {None: None},
    ],
)
def test_anomalies_that_are_no_codes_with_sentences_are_refused(anomalies):
    with pytest.raises(DefinitionError):
        Definition.write("errand", **PARTS, anomalies=anomalies)


@pytest.mark.parametrize("confirmed", ["nowhere", 7, "", ["taken"], object()])
def test_a_confirmed_state_that_is_none_is_refused(confirmed):
    with pytest.raises(DefinitionError):
        Definition.write("errand", **PARTS, confirmed=confirmed)


def test_what_changes_no_view_changes_no_fingerprint():
    assert ERRAND.fingerprint == Definition.write("errand", **PARTS).fingerprint
    numbered = Definition.write("errand", **PARTS, numbered=True)
    assert numbered.fingerprint != ERRAND.fingerprint, "the control: what does, does"


@pytest.mark.parametrize("code", [1001, "validation_error", None])
def test_the_code_of_an_error_is_an_integer_or_a_text(code):
    with connect("memory:", provider=Errands()) as orders:
        orders.record_request("o-1", {})
        orders.record_response("o-1", 422, {"message": "no", "code": code})
        assert [error.code for error in orders.get("o-1").errors] == [code]


def test_a_kept_header_can_be_the_event_id():
    body = {"order": "o-1", "state": "taken"}
    events = [one(body, headers={"webhook-id": number}) for number in ("m-1", "m-2", "m-1")]
    assert [event.key for event in events] == [
        "callback:taken:m-1",
        "callback:taken:m-2",
        "callback:taken:m-1",
    ]
    with connect("memory:", provider=Errands()) as orders:
        for number in ("m-1", "m-2", "m-1"):
            orders.record_callback(body, headers={"webhook-id": number})
        assert orders.get("o-1").events == 2
        assert replay(orders.log, {"errands": Errands()}).ok, "it is stored, and read again"


def test_the_order_id_of_a_route_counts_where_the_body_names_none():
    assert one({"state": "taken"}, order_id="o-7").order_id == "o-7"
    refused = one({"state": "taken", "order": "o-8"}, order_id="o-7")
    assert (type(refused), refused.reason) == (Unreadable, "order_mismatch")
    assert one({"state": "taken"}).reason == "no_order", "the control: without it there is none"


def test_a_test_event_is_quarantined_unless_the_provider_is_configured_for_tests():
    body = {"order": "o-1", "state": "taken", "live": False}
    assert one(body).reason == "test_event"
    assert one(body | {"live": True}).order_id == "o-1", "the control"
    provider = Errands()
    with connect("memory:", provider=provider) as orders:
        assert orders.record_callback(body).outcome == "quarantined"
    provider.takes_tests = True
    with connect("memory:", provider=provider) as orders:
        assert orders.record_callback(body).outcome == "appended"
        assert replay(orders.log, {"errands": Errands()}).ok, "replay never asks that again"


@pytest.mark.parametrize("takes_tests", [1, "yes", None, ["errands"]])
def test_nothing_but_true_configures_a_provider_for_tests(takes_tests):
    provider = Errands()
    provider.takes_tests = takes_tests
    body = {"order": "o-1", "state": "taken", "live": False}
    assert one(body, provider=provider).reason == "test_event"


SEVERAL = [
    {"order": "o-1", "state": "taken"},
    {"order": "o-2", "state": "taken", "id": "e-2"},
    {"order": "o-1", "state": "confirmed", "id": "e-3"},
]


def test_several_readings_of_one_body_are_events_that_count_their_place():
    first, second, third = recognized({"events": SEVERAL})
    assert [event.order_id for event in (first, second, third)] == ["o-1", "o-2", "o-1"]
    assert [event.part for event in (first, second, third)] == [None, 2, 3]
    assert first.key == f"snapshot:{first.digest}"
    assert (second.key, third.key) == ("callback#2:taken:e-2", "callback#3:confirmed:e-3")
    assert {event.digest for event in (first, second, third)} == {first.digest}


def test_a_snapshot_and_a_poll_that_are_not_the_first_have_their_place_in_the_key():
    _, second = recognized({"events": SEVERAL[:1] * 2})
    assert second.key == f"snapshot#2:{second.digest}"
    _, polled = recognized({"events": SEVERAL[:1] * 2}, "poll", order_id="o-1", http_status=200)
    assert polled.key == f"poll#2:{polled.digest}"


def test_a_line_that_names_an_order_takes_that_orders_readings():
    taken = recognized({"events": SEVERAL}, order_id="o-1")
    assert [(event.order_id, event.part) for event in taken] == [("o-1", None), ("o-1", 3)]
    (refused,) = recognized({"events": SEVERAL}, order_id="o-9")
    assert refused.reason == "order_mismatch"


def test_a_reading_that_is_none_leaves_the_others_as_they_are():
    *events, refused = recognized({"events": [*SEVERAL[:1], {"odd": 1}, *SEVERAL[2:]]})
    assert [event.key.partition(":")[0] for event in events] == ["snapshot", "callback#3"]
    assert (refused.reason, len(refused.body) > 0) == ("no_name", True)


@pytest.mark.parametrize("kind", ["request", "response"])
def test_several_readings_of_our_own_exchange_are_a_fault(kind):
    class Several(Errands):
        def read(self, _arrival, _body):
            return (Reading("accepted"), Reading("accepted"))

    refused = one({}, kind, order_id="o-1", http_status=200, provider=Several())
    assert (refused.reason, "several readings" in refused.detail) == ("provider_fault", True)


def test_each_of_several_events_is_read_again_as_what_it_was():
    class Detailed(Errands):
        definition = ERRAND

        def _one(self, arrival, told):
            return structs.replace(super()._one(arrival, told), details={"word": told["state"]})

    reader = Recognizer(Detailed())
    for event in recognized({"events": SEVERAL}, provider=Detailed()):
        assert reader.recall(event, event.body).details == {"word": event.name}
        again = reader.rederive(event, event.body)
        assert (again.key, again.part, again.order_id) == (event.key, event.part, event.order_id)


def test_the_request_of_an_operation_is_noted_and_takes_no_attempt():
    asked = one({"why": "late"}, "request", order_id="o-1", operation="cancel", number=2)
    assert (asked.name, asked.key) == ("cancel_requested", "operation:cancel:2")
    assert (asked.operation, asked.attempt, asked.trigger) == ("cancel", None, None)
    begun = one({}, "request", order_id="o-1")
    taken = one({"order": "o-1", "state": "taken"})
    view = fold(ERRAND, [asked, taken, begun])
    assert (view.status, view.attempt, view.anomalies) == ("taken", 1, ())
    entries = history(ERRAND, [asked, taken, begun])
    assert [(each.name, each.verdict) for each in entries][-1] == ("cancel_requested", "noted")
    assert "cancel" in entries[-1].reason
    assert Recognizer(Errands()).rederive(asked, asked.body).key == asked.key


def test_an_operation_alone_leaves_an_order_before_its_start():
    asked = one({}, "request", order_id="o-1", operation="quote", number=1)
    view = fold(ERRAND, [asked])
    assert (view.status, view.path, view.attempt) == ("requested", (), 0)


def test_the_answer_of_an_operation_is_a_poll_that_says_which():
    answer = one(
        {"state": "lost", "order": "o-1"},
        "poll",
        order_id="o-1",
        http_status=200,
        operation="cancel",
        exchange_id="x-1",
    )
    assert (answer.name, answer.operation, answer.exchange_id) == ("lost", "cancel", "x-1")
    assert answer.key == f"poll:{answer.digest}"


@pytest.mark.parametrize(
    ("operation", "number"),
    [("Cancel", 1), ("a b", 1), ("", 1), ("x" * 41, 1), ("cancel", None), ("cancel", 0), (7, 1)],
)
def test_an_operation_without_a_usable_name_or_number_is_quarantined(operation, number):
    refused = one({}, "request", order_id="o-1", operation=operation, number=number)
    assert refused.reason == "bad_operation"


def test_an_event_that_names_only_the_providers_own_id_is_resolved_by_its_link():
    body = {"delivery": "d-9", "state": "taken"}
    assert one(body).reason == "unlinked"
    (event,) = Recognizer(Errands()).recognize_all(arrival(body), {"d-9": ["o-1"]}.__getitem__)
    assert (type(event), event.order_id) == (Event, "o-1")
    assert Recognizer(Errands()).rederive(event, event.body).order_id == "o-1"
    told = one({"order": "o-1", "state": "taken", "links": ["d-9", "d-9"]})
    assert told.links == ("d-9",)


def test_a_number_of_the_providers_is_kept_with_the_event():
    assert one({"order": "o-1", "state": "taken", "number": 7}).sequence == 7


class Slippery(Errands):
    """A provider whose marks cannot even be looked at."""

    @property
    def takes_tests(self):
        raise SystemExit

    @property
    def read_details(self):
        raise ValueError


def test_marks_that_raise_when_they_are_looked_at_say_nothing():
    body = {"order": "o-1", "state": "taken", "live": False}
    assert one(body, provider=Slippery()).reason == "test_event"


def test_a_class_is_no_provider():
    with pytest.raises(ValueError, match="no class"):
        Recognizer(Errands)


def test_a_receipt_has_the_others_of_its_body_and_each_counts_for_its_order():
    with connect("memory:", provider=Errands()) as orders:
        receipt = orders.record_callback({"events": SEVERAL})
        assert [each.event.part for each in (receipt, *receipt.others)] == [None, 2, 3]
        assert [each.outcome for each in (receipt, *receipt.others)] == ["appended"] * 3
        assert [each.view.order_id for each in receipt.others] == ["o-2", "o-1"]
        assert (orders.get("o-1").status, orders.get("o-2").status) == ("confirmed", "taken")
        again = orders.record_callback({"events": SEVERAL})
        assert [each.outcome for each in (again, *again.others)] == ["duplicate"] * 3
        assert pickle.loads(pickle.dumps(receipt)).others[0].view == receipt.others[0].view
        assert replay(orders.log, {"errands": Errands()}).ok
        assert verify(orders.log).ok


def test_a_line_of_a_batch_has_one_receipt_whatever_its_body_holds():
    lines = [{"kind": "callback", "body": {"events": SEVERAL}}, {"kind": "pigeon"}]
    with connect("memory:", provider=Errands()) as orders:
        first, second = orders.record_many(lines)
        assert (len(first.others), first.outcome, second.outcome) == (2, "appended", "quarantined")


def test_what_one_reading_lacks_waits_and_the_others_of_its_body_count():
    provider = Errands()
    body = {"events": [*SEVERAL[:1], {"order": "o-3", "state": "taken", "live": False}]}
    with connect("memory:", provider=provider) as orders:
        receipt = orders.record_callback(body)
        assert [each.outcome for each in (receipt, *receipt.others)] == ["appended", "quarantined"]
        assert orders.get("o-1").status == "taken"
        assert list(orders.redrive()) == [], "nothing more can be read of it yet"
        assert [item.reason for item in orders.quarantine()] == ["test_event"]
        exported = [json.loads(line) for line in export(orders.log)]
    provider.takes_tests = True
    with connect("memory:", provider=provider) as orders:
        orders.record_many(exported)
        assert orders.get("o-1").events == 1, "an export has each of several events"


def test_once_all_of_a_body_can_be_read_it_waits_no_longer():
    provider = Errands()
    body = {"events": [*SEVERAL[:1], {"order": "o-3", "state": "taken", "live": False}]}
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(body)
        mended = Errands()
        mended.takes_tests = True
        again = orders_on(orders.log, mended)
        (receipt,) = again.redrive()
        assert [each.event.order_id for each in (receipt, *receipt.others)] == ["o-1", "o-3"]
        assert list(again.quarantine()) == []
        assert list(again.redrive()) == []
        assert again.get("o-3").status == "taken"


def test_coroutines_get_the_others_of_a_body_too():
    async def main():
        async with connect_async("memory:", provider=Errands()) as orders:
            receipt = await orders.record_callback({"events": SEVERAL})
            (line,) = await orders.record_many(
                [{"kind": "callback", "body": {"events": SEVERAL[1:]}}]
            )
            await receipt.others[0].folded()
            return [len(receipt.others), len(line.others), receipt.others[0].view.order_id]

    assert asyncio.run(main()) == [2, 1, "o-2"]
