"""Given, when, then: what passes, what fails, and what a failure tells its reader."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lifecycle.core.definition import Definition
from lifecycle.core.view import Verdict
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Outcome
from lifecycle.providers.instacart.recordings import (
    accepted,
    callback,
    flat,
    rejected,
    request,
    unanswered,
)
from lifecycle.testing import HandMade, event, given

KITCHEN = Definition.write(
    "kitchen",
    states=["ordered", "cooking", "served"],
    moves=[
        {"trigger": "cooking", "source": "ordered", "dest": "cooking"},
        {"trigger": "served", "source": "cooking", "dest": "served"},
    ],
    terminal=["served"],
)


def test_an_expectation_that_is_met_passes():
    given(request(), accepted()).when(callback("brand_new", at=9)).then(
        status="brand_new",
        path=["requested", "created", "brand_new"],
        change=("created", "brand_new"),
        verdict=Verdict.APPLIED,
        outcome=Outcome.APPENDED,
        quarantined=None,
        anomalies=[],
        terminal=False,
    )


def test_a_change_may_be_expected_in_part_in_full_or_not_at_all():
    cause = callback("brand_new", at=9, event_id=7)
    born = given(request(), accepted()).when(cause)
    born.then(change=("created", "brand_new", "callback:fulfillment.brand_new:7", False))
    born.then(change={"after": "brand_new"})
    born.then(change=born.receipt.change)
    born.when(cause).then(change=None, outcome="duplicate")
    with pytest.raises(AssertionError, match="change: expected None, found"):
        born.then(change=None)


def test_objects_are_compared_in_the_fields_that_are_named_and_lists_item_by_item():
    corrected = given(request()).when(rejected(key="address", code=1001))
    corrected.then(errors=[{"key": "address", "code": 1001, "correctable": True}])
    with pytest.raises(AssertionError, match=r"errors\[0\].key: expected 'phone', found 'address'"):
        corrected.then(errors=[{"key": "phone"}])
    with pytest.raises(AssertionError, match="errors: expected a list of 2, found one of 1"):
        corrected.then(errors=[{}, {}])
    with pytest.raises(AssertionError, match=r"errors\[0\].kee: expected 'x', found no such field"):
        corrected.then(errors=[{"kee": "x"}])


def test_an_instant_may_be_expected_as_a_datetime():
    born = given().when(callback("brand_new", at=9))
    born.then(path=[{"at": datetime(2022, 6, 4, 10, 0, 9, tzinfo=UTC)}])
    born.then(path=[{"at": "2022-06-04T10:00:09Z"}])


def test_one_and_true_are_not_the_same():
    with pytest.raises(AssertionError, match="attempt: expected True, found 1"):
        given().when(request()).then(attempt=True)


def test_the_failure_says_what_arrived_what_differs_and_the_whole_history():
    story = given(request(), accepted(), callback("delivered", at=90, event_id=1))
    with pytest.raises(AssertionError) as failed:
        story.when(callback("at_store", at=99, event_id=2)).then(
            status="at_store", verdict="applied", outcome="appended"
        )
    told = str(failed.value).splitlines()
    opening = (
        "after 3 recorded, callback 'at_store' (callback:fulfillment.at_store:2) did something"
    )
    assert told[0] == f"{opening} else:"
    assert told[1:3] == [
        "  status: expected 'at_store', found 'delivered'",
        "  verdict: expected 'applied', found 'refused'",
    ]
    assert told[3] == "the order's history:"
    assert [line.split()[:2] for line in told[4:]] == [
        ["applied", "requested"],
        ["applied", "accepted"],
        ["skipped_ahead", "delivered"],
        ["refused", "at_store"],
    ]


def test_the_failure_carries_nothing_of_the_bodies():
    secret = request(first_name="Zacharias", user_phone="800-555-0199")
    with pytest.raises(AssertionError) as failed:
        given(secret).when(callback("at_store", at=1, locale="Zacharias")).then(status="x")
    assert "Zacharias" not in str(failed.value)
    assert "0199" not in str(failed.value)


def test_a_hostile_name_is_shown_harmless():
    with pytest.raises(AssertionError) as failed:
        given().when(callback("\x1b[31m\u202ex", at=1)).then(status="x")
    assert str(failed.value).replace("\n", "").isprintable()


def test_a_misspelled_field_is_an_error_and_never_passes():
    with pytest.raises(InvalidArgumentError, match=r"'staus'.*status"):
        given().when(request()).then(staus="requested")


def test_a_quarantined_item_has_a_reason_and_no_view():
    broken = given(request()).when({"kind": "callback", "body_text": "<html>"})
    broken.then(quarantined="not_json", outcome="quarantined", change=None, verdict=None)
    assert (broken.view, broken.history) == (None, ())
    with pytest.raises(AssertionError, match="status: expected 'requested', found no such field"):
        broken.then(status="requested")
    given().when("no line").then(quarantined="bad_line")


def test_a_scenario_is_a_value_that_can_go_on_in_many_ways():
    sent = given(request())
    lost, taken = sent.when(unanswered()), sent.when(accepted())
    lost.then(awaiting=["brand_new", "canceled"])
    taken.then(status="created")
    taken.when(flat("canceled")).then(status="canceled").when(flat("at_store")).then(
        status="canceled", verdict="skipped_ahead", change=("canceled", "canceled")
    )
    taken.then(status="created")
    assert len(sent.recorded) == 1


def test_recordings_lines_events_and_lists_of_them_may_be_given_and_blank_lines_say_nothing():
    line = b'{"kind":"callback","body":{"id":"xyz123456","status":"brand_new"}}'
    story = given([request(), [accepted(), line], ""], event("at_store", 60))
    story.when(event("bags_verified", 61)).then(events=5, status="bags_verified")
    for nothing in ((), ([],), ("  ",)):
        with pytest.raises(InvalidArgumentError, match="when cannot be used"):
            given(request()).when(*nothing)


def test_hand_made_events_keep_what_they_were_made_to_say():
    told = event("brand_new", 9, details={"locale": "en_US"}, problems=("bad_time",))
    given(told).when(event("at_store", 10)).then(locale="en_US", anomalies=["bad_time"])


def test_the_verdict_is_that_of_the_content_that_arrived():
    one, another = event("brand_new", 1, key="k"), event("at_store", 2, key="k")
    given(one).when(another).then(outcome="divergent", verdict="divergent", status="brand_new")
    given(another).when(one).then(outcome="divergent", verdict="skipped_ahead")


def test_a_definition_can_be_tested_before_anybody_reads_its_bodies():
    kitchen = HandMade("kitchen", KITCHEN)
    cooking = given(event("ordered", 1), provider=kitchen).when(event("cooking", 2))
    cooking.then(status="cooking", provider="kitchen", awaiting=["served"])
    given(provider=kitchen).when({"kind": "callback", "body": {}}).then(quarantined="not_json")


def test_the_same_event_made_twice_is_a_duplicate():
    given(event("brand_new", 9)).when(event("brand_new", 9)).then(outcome="duplicate", events=1)
