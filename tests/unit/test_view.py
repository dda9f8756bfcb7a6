"""The view as a value: what it prints, what its `repr` keeps to itself, and that it stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from lifecycle.core.definition import Definition
from lifecycle.core.event import Fault
from lifecycle.core.fold import fold, history
from lifecycle.core.view import OrderError
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.testing import STARTS_AT, event

TOLD = [
    event("brand_new", 1, version=1, details={"locale": "en_US"}),
    event("at_store", 2, version=2),
    event("weird", 3, version=3),
]


def test_details_are_printed_at_the_top_level_and_arrival_comes_last() -> None:
    printed = fold(LAST_MILE, TOLD).model_dump(mode="json")
    assert printed["locale"] == "en_US"
    assert "details" not in printed
    assert [*printed][:2] == ["order_id", "provider"]
    assert [*printed][-1] == "arrival"
    assert "arrival" not in fold(LAST_MILE, TOLD).model_dump(exclude={"arrival"})
    assert printed["path"][0] == {
        "status": "brand_new",
        "at": "2022-06-04T10:00:01Z",
        "event": TOLD[0].key,
    }


def test_a_line_of_history_is_printed_with_from_and_to() -> None:
    printed = history(LAST_MILE, TOLD)[1].model_dump(mode="json")
    assert (printed["from"], printed["to"]) == ("brand_new", "at_store")
    assert printed["occurred_at"] == printed["received_at"] == "2022-06-04T10:00:02Z"


def test_reprs_name_the_order_and_the_codes_and_no_text_of_the_providers() -> None:
    view = fold(LAST_MILE, TOLD)
    assert repr(view) == str(view) == "<OrderView instacart:xyz123456 at_store>"
    error = OrderError(message="Ann Lee", code=7, key="k", http_status=400, correctable=True)
    assert repr(error) == str(error) == "<OrderError code=7 http_status=400 correctable=True>"
    assert repr(Fault("Ann Lee", 7, "k")) == "<Fault code=7>"


def test_a_view_and_what_is_in_it_cannot_be_changed() -> None:
    view = fold(LAST_MILE, TOLD)
    for value in (view, view.path[0], view.anomalies[0], view.arrival, *history(LAST_MILE, TOLD)):
        with pytest.raises(ValidationError):
            setattr(value, next(iter(type(value).model_fields)), None)


@pytest.mark.parametrize(
    ("anomalies", "detail"),
    [({"odd": "it came twice"}, "it came twice"), ({}, "the provider found it odd")],
)
def test_what_a_provider_found_odd_has_the_sentence_of_its_definition(
    anomalies: dict[str, str], detail: str
) -> None:
    moves = [{"trigger": "left", "source": "made", "dest": "left"}]
    definition = Definition.write(
        "test.odd",
        states=("made", "left"),
        moves=moves,
        terminal=("left",),
        birth=("made",),
        anomalies=anomalies,
    )
    view = fold(definition, [event("made", 1), event("left", 2, problems=("odd",))])
    assert [(each.code, each.detail) for each in view.anomalies] == [("odd", detail)]


def test_an_order_is_erased_where_only_evidence_of_it_was() -> None:
    rival = event("at_store", 2, key=TOLD[0].key, erased=True)
    view = fold(LAST_MILE, [TOLD[0], rival])
    assert (view.erased, view.events) == (True, 2)
    assert "en_US" not in view.model_dump_json()


def test_a_rejection_is_an_error_only_until_the_order_is_born() -> None:
    rejected = event("rejected", kind="response", trigger="validation_failed", attempt=1)
    rejected = rejected._replace(faults=(Fault("no such store", 7, "store"),))
    later = {name: fold(LAST_MILE, [rejected, event(name, 1)]) for name in ("created", "at_store")}
    assert [each.code for each in fold(LAST_MILE, [rejected]).errors] == [7]
    assert {name: view.errors for name, view in later.items()} == {"created": (), "at_store": ()}


def test_an_order_that_nothing_has_placed_waits_since_its_first_event_came() -> None:
    came = [event("order_location", n, received_at=STARTS_AT + timedelta(days=n)) for n in (1, 2)]
    assert fold(LAST_MILE, came).arrival.waiting_since == STARTS_AT + timedelta(days=1)


def test_events_that_came_late_into_the_log_and_from_a_recording_are_counted_apart() -> None:
    delayed = [each._replace(recorded_at=STARTS_AT + timedelta(days=9)) for each in TOLD[:2]]
    arrival = fold(LAST_MILE, [*delayed, TOLD[2]._replace(replayed=True)]).arrival
    assert (arrival.delayed, arrival.replayed) == (2, 1)
