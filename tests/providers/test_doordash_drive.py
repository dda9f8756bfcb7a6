"""DoorDash Drive: its events, errors, unassigned Dashers and returns."""

from __future__ import annotations

import itertools

import pytest

from lifecycle import connect
from lifecycle.testing import assert_any_order

ORDER = "D-12345"
REFERENCE = {
    "created_at": "2022-02-01T23:18:22.791883Z",
    "event_name": "DASHER_DROPPED_OFF",
    "external_delivery_id": ORDER,
    "dasher_id": 123212,
    "dasher_name": "John D.",
    "dasher_dropoff_phone_number": "+16505550100",
    "dasher_location": {"lat": 43.333333333, "lng": -79.333333333},
    "pickup_address": "1000 4th Avenue, Seattle, WA 98104",
    "dropoff_address": "1201 3rd Avenue, Seattle, WA 98101",
    "order_value": 5555,
    "currency": "USD",
    "fee": 975,
    "tip": 230,
    "tracking_url": "https://doordash.example/drive/portal/track/53904a0b",
    "contactless": False,
}
"""The shape of the provider's webhook reference: it has no status."""


@pytest.fixture
def orders():
    with connect("memory:", provider="doordash_drive") as orders:
        yield orders


def event(name, second, **fields):
    at = f"2022-02-01T23:00:{second:02}.5Z"
    return {"event_name": name, "created_at": at, "external_delivery_id": ORDER, **fields}


def recordings(*events):
    return [{"kind": "callback", "body": body} for body in events]


def path(orders):
    return [step.status for step in orders.get(ORDER).path]


def create(orders, status, body, attempt=1):
    orders.record_request(ORDER, {"external_delivery_id": ORDER}, attempt=attempt)
    return orders.record_response(ORDER, status, body, attempt=attempt)


def test_an_event_is_read_whole_and_no_person_is_kept_in_the_details(orders):
    view = orders.record_callback(REFERENCE).view
    assert (view.order_id, view.status, view.terminal) == (ORDER, "delivered", True)
    assert view.details.model_dump(exclude_none=True) == {
        "tracking_url": REFERENCE["tracking_url"],
        "currency": "USD",
        "fee": 975,
        "tip": 230,
        "dasher_id": 123212,
    }
    (entry,) = orders.history(ORDER)
    assert entry.occurred_at.isoformat() == "2022-02-01T23:18:22.791883+00:00"
    assert entry.key.startswith("snapshot:"), "it has no event id"


def test_every_event_of_the_way_leads_to_the_status_that_the_provider_names(orders):
    names = [
        "DASHER_CONFIRMED",
        "dasher_enroute_to_pickup",
        "DASHER_CONFIRMED_PICKUP_ARRIVAL",
        "DASHER_PICKED_UP",
        "dasher_enroute_to_dropoff",
        "DASHER_CONFIRMED_DROPOFF_ARRIVAL",
        "DASHER_DROPPED_OFF",
    ]
    create(orders, 200, {"external_delivery_id": ORDER, "delivery_status": "created", "fee": 975})
    for second, name in enumerate(names):
        orders.record_callback(event(name, second))
    assert path(orders) == [
        "requested",
        "created",
        "confirmed",
        "enroute_to_pickup",
        "arrived_at_pickup",
        "picked_up",
        "enroute_to_dropoff",
        "arrived_at_dropoff",
        "delivered",
    ]
    assert (orders.get(ORDER).missing, orders.get(ORDER).anomalies) == ((), ())


def test_a_dasher_who_unassigns_brings_the_delivery_back_to_created(orders):
    create(orders, 200, {"external_delivery_id": ORDER, "delivery_status": "created"})
    orders.record_callback(event("DASHER_CONFIRMED", 1, dasher_id=1))
    orders.record_callback(event("DASHER_CONFIRMED_PICKUP_ARRIVAL", 5, dasher_id=1))
    date = {"date": "Tue, 01 Feb 2022 23:00:09 GMT"}
    seen = {"external_delivery_id": ORDER, "delivery_status": "created"}
    receipt = orders.record_poll(ORDER, 200, seen, headers=date)
    assert receipt.change.after == "created"
    orders.record_callback(event("DASHER_CONFIRMED", 20, dasher_id=2))
    steps = ["requested", "created", "confirmed", "arrived_at_pickup", "created", "confirmed"]
    assert path(orders) == steps
    assert orders.get(ORDER).anomalies == ()


def test_the_next_dasher_confirms_where_no_callback_said_that_the_first_one_unassigned():
    events = (
        event("DASHER_CONFIRMED", 1, dasher_id=1),
        event("DASHER_CONFIRMED_PICKUP_ARRIVAL", 5, dasher_id=1),
        event("DASHER_CONFIRMED", 9, dasher_id=2),
    )
    assert_any_order(
        recordings(*events), {"status": "confirmed", "dasher_id": 2}, provider="doordash_drive"
    )


def test_the_same_status_again_is_news_and_the_same_body_again_is_none(orders):
    orders.record_callback(event("DASHER_CONFIRMED", 1, dasher_id=1))
    again = orders.record_callback(event("DASHER_CONFIRMED", 2, dasher_id=2))
    assert (again.outcome, again.view.details.dasher_id, again.view.events) == ("appended", 2, 2)
    assert orders.record_callback(event("DASHER_CONFIRMED", 2, dasher_id=2)).outcome == "duplicate"


def test_a_delivery_that_could_not_be_dropped_off_comes_back_to_the_pickup():
    events = [
        event("DASHER_PICKED_UP", 1),
        event("DELIVERY_RETURN_INITIALIZED", 2),
        event("dasher_enroute_to_return", 3),
        event("DASHER_CONFIRMED_RETURN_ARRIVAL", 4),
        event("DELIVERY_RETURNED", 5),
    ]
    for one in itertools.permutations(recordings(*events)):
        with connect("memory:", provider="doordash_drive") as orders:
            for recording in one:
                orders.record_callback(recording["body"])
            view = orders.get(ORDER)
            assert [step.status for step in view.path] == [
                *("picked_up", "enroute_to_return", "arrived_at_return", "returned")
            ]
            assert (view.terminal, view.awaiting) == (True, ())


def test_a_return_that_fails_is_cancelled_with_its_reason(orders):
    orders.record_callback(event("DASHER_PICKED_UP", 1))
    orders.record_callback(event("DELIVERY_RETURN_INITIALIZED", 2))
    assert orders.get(ORDER).awaiting == ("arrived_at_return", "cancelled")
    view = orders.record_callback(event("DELIVERY_CANCELLED", 3, reason="failed_to_return")).view
    assert (view.status, view.details.cancellation_reason) == ("cancelled", "failed_to_return")
    late = orders.record_callback(event("DASHER_DROPPED_OFF", 4)).view
    assert (late.status, [one.code for one in late.anomalies]) == ("cancelled", ["refused"])


def test_each_field_error_is_a_fault_with_the_code_of_the_request(orders):
    body = {
        "code": "validation_error",
        "message": "One or more request values couldn't be validated.",
        "field_errors": [
            {"field": "dropoff_address", "error": "Invalid address"},
            {"field": "order_value", "error": "Must be greater than 0"},
        ],
    }
    view = create(orders, 400, body).view
    assert (view.status, view.awaiting) == ("validation_failed", ("correction",))
    assert [(one.code, one.key, one.message) for one in view.errors] == [
        ("validation_error", "dropoff_address", "Invalid address"),
        ("validation_error", "order_value", "Must be greater than 0"),
    ]


def test_an_error_without_fields_is_one_fault(orders):
    body = {"code": "unserviceable", "message": "Outside of the area", "reason": "distance"}
    (error,) = create(orders, 422, body).view.errors
    assert (error.code, error.key, error.message) == ("unserviceable", None, "Outside of the area")


def test_a_delivery_id_that_is_taken_leaves_it_open_what_became_of_the_request(orders):
    view = create(orders, 409, {"code": "duplicate_delivery_id", "message": "Duplicate"}).view
    assert (view.status, view.awaiting) == ("requested", ("confirmed", "cancelled"))
    assert view.errors[0].correctable is False


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_request_that_was_not_let_in_may_be_sent_again(orders, status):
    view = create(orders, status, {"code": "authentication_error", "message": "no"}).view
    assert (view.status, view.awaiting) == ("requested", ("resend",))


def test_an_event_that_the_provider_does_not_document_is_kept_and_marked(orders):
    view = orders.record_callback(event("DASHER_TURNED_AROUND", 1)).view
    assert [one.code for one in view.anomalies] == ["unrecognized"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"external_delivery_id": ORDER}, "no_name"),
        ({"event_name": 7, "external_delivery_id": ORDER}, "no_name"),
        ({"event_name": "DASHER_CONFIRMED"}, "no_order"),
        (b"<html>", "not_json"),
    ],
)
def test_what_says_nothing_is_quarantined_with_the_reason(orders, body, reason):
    assert orders.record_callback(body).outcome == "quarantined"
    assert [item.reason for item in orders.quarantine()] == [reason]


def test_an_unreadable_time_is_an_anomaly_and_orders_nothing(orders):
    odd = event("DASHER_CONFIRMED", 1) | {"created_at": "yesterday"}
    assert [one.code for one in orders.record_callback(odd).view.anomalies] == ["bad_time"]


@pytest.mark.parametrize("body", [{"code": "unknown_delivery", "message": "no"}, {}, b"<html>"])
def test_a_look_that_shows_no_delivery_changes_nothing(orders, body):
    orders.record_callback(event("DASHER_CONFIRMED", 1))
    receipt = orders.record_poll(ORDER, 404, body)
    assert (receipt.event.name, receipt.change) == ("poll_failed", None)


@pytest.mark.parametrize("time", [[], {}, 7, True, "0001-01-01T00:00:00Z"])
def test_a_time_of_a_wrong_type_is_an_anomaly_and_no_fault_of_ours(orders, time):
    receipt = orders.record_callback(event("DASHER_CONFIRMED", 1) | {"created_at": time})
    assert [one.code for one in receipt.view.anomalies] == ["bad_time"]
