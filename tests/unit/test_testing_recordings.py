"""Recordings for tests: built, loaded, received in turn; and the clock they go by."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart import recordings as instacart
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.sample_orders import STARTS_AT as STORIES_START
from lifecycle.testing import (
    STARTS_AT,
    FixedClock,
    event,
    given,
    load_recordings,
    memory_orders,
    received_in_order,
)
from tests import oracle


def test_the_clock_stands_still_until_it_is_moved():
    clock = FixedClock()
    assert clock() == clock() == STARTS_AT
    assert clock.tick() == STARTS_AT + timedelta(seconds=1)
    clock.advance(59)
    clock.advance(timedelta(hours=1))
    assert clock() == clock.now == STARTS_AT + timedelta(hours=1, minutes=1)
    assert clock.set("2022-06-04T10:00:00Z") == STARTS_AT
    assert repr(clock) == "<FixedClock at 2022-06-04T10:00:00Z>"


def test_a_time_is_a_datetime_a_text_or_seconds_and_has_a_zone():
    east = datetime(2022, 6, 4, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    for same in (STARTS_AT, east, "2022-06-04T12:00:00+02:00", 0, 0.0):
        assert FixedClock(same).now == STARTS_AT
        assert FixedClock(same).now.tzinfo is UTC
    for none in (datetime(2022, 6, 4), "2022-06-04", "noon", True, None):  # noqa: DTZ001
        with pytest.raises(InvalidArgumentError, match="the time cannot be used"):
            FixedClock(none)


def test_orders_in_memory_go_by_the_clock():
    clock = FixedClock(60)
    with memory_orders(clock=clock) as orders:
        orders.record_callback({"id": "x", "status": "brand_new"})
        assert orders.get("x").arrival.first_received_at == clock.now


def test_both_sides_start_at_the_same_time():
    assert STORIES_START == STARTS_AT


def test_every_builder_gives_a_recording_that_says_what_it_is_called():
    said = {
        "requested": instacart.request(),
        "resubmitted": instacart.request(attempt=2),
        "accepted": instacart.accepted(),
        "rejected": instacart.rejected(),
        "failed": instacart.unanswered(),
        "brand_new": instacart.flat("brand_new"),
        "at_store": instacart.callback("at_store", at=60),
        "canceled": instacart.poll("canceled", at=60),
        "poll_failed": instacart.poll(None, http_status=404),
        "order_location": instacart.callback("order_location", at=None),
    }
    for name, recording in said.items():
        assert oracle.identify(recording).name == name
        with memory_orders() as orders:
            [receipt] = orders.record_many([recording])
            assert receipt.event.name == name


def test_every_name_of_the_definition_has_a_recording():
    names = [*LAST_MILE.states, *sorted(LAST_MILE.informational)]
    with memory_orders() as orders:
        told = [receipt.event for receipt in orders.record_many(instacart.recordings_for(names))]
    assert [event.trigger for event in told] == names
    assert [event.attempt for event in told[:4]] == [1, 1, 2, 2]


def test_the_same_call_gives_the_same_recording_and_another_time_another_event():
    once, again = (instacart.callback("at_store", at=60) for _ in range(2))
    assert once == again
    given(once).when(again).then(outcome="duplicate")
    given(once).when(instacart.callback("at_store", at=61)).then(outcome="appended")
    given(once).when(instacart.callback("at_store", at=60, order_id="other")).then(events=1)


def test_times_are_the_provider_s_and_receipt_follows_by_default():
    given().when(instacart.callback("at_store", at=60)).then(
        path=[{"at": "2022-06-04T10:01:00Z"}],
        arrival={"first_received_at": "2022-06-04T10:01:00Z"},
    )
    given().when(instacart.poll("at_store", at=60, received_at=99)).then(
        path=[{"at": "2022-06-04T10:01:00Z"}],
        arrival={"first_received_at": "2022-06-04T10:01:39Z"},
    )
    given().when(instacart.callback("at_store", at="yesterday")).then(anomalies=["bad_time"])


def test_an_error_body_may_hold_others():
    inside = instacart.error("can't be blank", 1001, "phone")
    body = instacart.error("several", 9999, None, inside, inside)
    given().when(instacart.response(422, body)).then(
        errors=[{"code": 1001, "key": "phone"}] * 2, status="validation_failed"
    )


def test_a_file_of_recordings_is_loaded_line_by_line(tmp_path):
    told = [instacart.request(), instacart.accepted()]
    path = tmp_path / "happy.jsonl"
    path.write_text("\n\n".join(json.dumps(line) for line in told) + "\n")
    assert load_recordings(path) == told
    given(load_recordings(path)).when(instacart.callback("brand_new", at=9)).then(events=3)


def test_a_file_that_holds_something_else_is_refused_with_its_line(tmp_path):
    path = tmp_path / "bad.jsonl"
    for bad, why in (("[1]", "JSON object"), ('{"a":1,"a":2}', "duplicate key"), ("{", "syntax")):
        path.write_text(f"{{}}\n{bad}\n")
        with pytest.raises(InvalidArgumentError, match=f"line 2 .*{why}"):
            load_recordings(path)


def test_recordings_are_received_in_the_order_they_come_whatever_form_they_have():
    line = json.dumps(instacart.accepted())
    turned = received_in_order([instacart.flat("brand_new"), line, line.encode(), "no line", b"{"])
    assert [one["received_at"] for one in turned[:3]] == [
        "2022-06-04T10:00:00Z",
        "2022-06-04T10:00:01Z",
        "2022-06-04T10:00:02Z",
    ]
    assert turned[3:] == ["no line", b"{"]


def test_an_event_made_by_hand_has_an_identity_that_its_name_and_time_decide():
    assert event("at_store", 1) == event("at_store", 1)
    assert event("at_store", 1).key != event("at_store", 2).key
    assert event("at_store", 1).digest != event("at_store").digest
    one, two = event("at_store", key="k"), event("canceled", key="k")
    assert one.key == two.key
    assert one.digest != two.digest
