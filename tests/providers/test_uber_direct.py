"""Uber Direct: its callbacks, errors, returns, refunds and test deliveries."""

from __future__ import annotations

import json

import pytest

from lifecycle import connect
from lifecycle.providers.uber_direct import TESTING
from lifecycle.testing import assert_any_order

ORDER = "order-7"
UBERS = "del_G8eeo4Q5"


@pytest.fixture
def orders():
    with connect("memory:", provider="uber_direct") as orders:
        yield orders


def delivery(status, **fields):
    return {
        "id": UBERS,
        "external_id": ORDER,
        "quote_id": "dqt_1",
        "status": status,
        "complete": status in {"delivered", "returned", "canceled"},
        "kind": "delivery",
        "live_mode": True,
        "courier_imminent": False,
        "fee": 750,
        "currency": "usd",
        "tracking_url": "https://uber.example/track/1",
        "courier": {"name": "Kim P.", "phone_number": "+15555550101", "vehicle_type": "car"},
        **fields,
    }


def changed(status, second, *, number=None, live_mode=True, **fields):
    data = delivery(status, **fields)
    return {
        "kind": "event.delivery_status",
        "id": f"evt_{status}_{second if number is None else number}",
        "status": status,
        "created": f"2022-04-14T17:39:{second:02}.287Z",
        "live_mode": live_mode,
        "delivery_id": data["id"],
        "data": data,
    }


def about(kind, second, data, **fields):
    at = f"2022-04-14T17:39:{second:02}.287Z"
    named = {"delivery_id": UBERS, "external_id": ORDER, "live_mode": True}
    return {
        "kind": kind,
        "id": f"evt_{kind}_{second}",
        "created": at,
        **named,
        "data": data,
    } | fields


def path(orders):
    return [step.status for step in orders.get(ORDER).path]


def create(orders, status, body, attempt=1):
    orders.record_request(ORDER, {"external_id": ORDER}, attempt=attempt)
    return orders.record_response(ORDER, status, body, attempt=attempt)


def test_the_whole_way_is_followed_and_no_person_is_kept_in_the_details(orders):
    create(orders, 200, delivery("pending"))
    for second, status in enumerate(("pickup", "pickup_complete", "dropoff", "delivered")):
        view = orders.record_callback(changed(status, second)).view
    assert path(orders) == [
        *("requested", "pending", "pickup", "pickup_complete", "dropoff", "delivered")
    ]
    assert (view.missing, view.anomalies) == ((), ())
    assert view.details.model_dump(exclude_none=True) == {
        "delivery_id": UBERS,
        "quote_id": "dqt_1",
        "tracking_url": "https://uber.example/track/1",
        "courier_imminent": False,
        "currency": "usd",
        "fee": 750,
    }


def test_an_event_is_known_by_its_id_and_happened_at_the_providers_time(orders):
    orders.record_callback(changed("pickup", 18))
    (entry,) = orders.history(ORDER)
    assert entry.key == "callback:pickup:evt_pickup_18"
    assert entry.occurred_at.isoformat() == "2022-04-14T17:39:18.287000+00:00"


def test_a_status_comes_again_when_the_courier_is_near_and_that_is_news(orders):
    orders.record_callback(changed("pickup", 1))
    near = orders.record_callback(changed("pickup", 2, courier_imminent=True))
    assert (near.outcome, near.change, near.view.details.courier_imminent) == (
        *("appended", None),
        True,
    )
    assert [entry.verdict for entry in orders.history(ORDER)][1] == "repeated"


def test_a_return_ends_the_delivery_and_its_own_events_move_nothing():
    back = {"id": "ret_9", "status": "pickup"}
    recordings = [
        {"kind": "callback", "body": body}
        for body in (
            changed("dropoff", 1),
            changed("returned", 2, **{"return": back}),
            about("event.delivery_return", 3, {**back, "external_id": ORDER}, status="pickup"),
            changed("delivered", 4, id="ret_9"),
        )
    ]
    expected = {"status": "returned", "return_id": "ret_9", "delivery_id": UBERS, "anomalies": []}
    assert_any_order(recordings, expected, provider="uber_direct")


def test_a_courier_on_the_way_and_a_refund_move_nothing(orders):
    orders.record_callback(changed("delivered", 1))
    courier = {"courier": {"vehicle_type": "car", "location": {"lat": 1.5, "lng": 2.5}}}
    orders.record_callback(about("event.courier_update", 2, courier))
    refund = {
        "id": "6817a070",
        "currency_code": "GBP",
        "refund_order_items": [{"reason": "UBER_DAMAGED_ITEM"}],
        "total_partner_refund": 4000,
        "total_uber_refund": 11500,
    }
    view = orders.record_callback(about("event.refund_request", 3, refund)).view
    assert (view.status, view.anomalies) == ("delivered", ())
    noted = [(entry.name, entry.verdict) for entry in orders.history(ORDER)[1:]]
    assert noted == [("courier_update", "noted"), ("refund_request", "noted")]
    details = view.details
    assert (details.delivery_id, details.total_uber_refund, details.total_partner_refund) == (
        *(UBERS, 11500),
        4000,
    )


def test_a_test_delivery_never_touches_a_live_order(orders):
    orders.record_callback(changed("pickup", 1))
    assert orders.record_callback(changed("canceled", 2, live_mode=False)).outcome == "quarantined"
    assert orders.get(ORDER).status == "pickup"
    assert [item.reason for item in orders.quarantine()] == ["test_event"]


def test_an_account_in_test_mode_takes_test_deliveries():
    with connect("memory:", provider=TESTING) as orders:
        assert orders.record_callback(changed("pickup", 1, live_mode=False)).view.status == "pickup"


def test_every_field_with_a_reason_is_a_fault_with_a_text_code(orders):
    body = {
        "kind": "error",
        "code": "invalid_params",
        "message": "The parameters of your request were invalid.",
        "metadata": {"dropoff_phone_number": "It is no phone number", "tip": "Too large"},
    }
    view = create(orders, 400, body).view
    assert (view.status, view.awaiting) == ("validation_failed", ("correction",))
    assert [(one.code, one.key, one.message) for one in view.errors] == [
        ("invalid_params", "dropoff_phone_number", "It is no phone number"),
        ("invalid_params", "tip", "Too large"),
    ]


def test_an_error_without_fields_is_one_fault(orders):
    body = {"kind": "error", "code": "address_undeliverable", "message": "Not in the area."}
    (error,) = create(orders, 400, body).view.errors
    assert (error.code, error.key, error.message) == (body["code"], None, body["message"])


def test_a_delivery_that_is_there_already_leaves_it_open_what_became_of_the_request(orders):
    body = {
        "kind": "error",
        "code": "duplicate_delivery",
        "message": "An active delivery like this already exists.",
        "metadata": {"delivery_id": UBERS},
    }
    view = create(orders, 409, body).view
    assert (view.status, view.awaiting) == ("requested", ("pending", "canceled"))


def test_an_own_word_of_ours_in_the_providers_mouth_names_nothing(orders):
    view = orders.record_callback(changed("validation_failed", 1)).view
    assert (view.path, [one.code for one in view.anomalies]) == ((), ["unrecognized"])


def test_a_callback_that_names_only_the_providers_own_id_waits_for_its_order(orders):
    refund = about("event.refund_request", 3, {"total_uber_refund": 650}, external_id="")
    assert orders.record_callback(refund).outcome == "quarantined"
    assert [item.reason for item in orders.quarantine()] == ["unlinked"]


def test_what_names_an_order_links_the_providers_ids_to_it(orders):
    receipt = create(orders, 200, delivery("pending"))
    assert receipt.event.links == (UBERS,)
    receipt = orders.record_callback(changed("returned", 2, **{"return": {"id": "ret_9"}}))
    assert receipt.event.links == (UBERS, "ret_9")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"data": {"external_id": ORDER}}, "no_name"),
        ({"kind": "event.delivery_status", "data": {"external_id": ORDER}}, "no_name"),
        ({"kind": "event.", "data": {"external_id": ORDER}}, "no_name"),
        ([], "not_an_object"),
    ],
)
def test_what_says_nothing_is_quarantined_with_the_reason(orders, body, reason):
    assert orders.record_callback(json.dumps(body).encode()).outcome == "quarantined"
    assert [item.reason for item in orders.quarantine()] == [reason]


@pytest.mark.parametrize("data", [None, [], "text", 7, {"return": [], "id": 5, "fee": "much"}])
def test_a_field_of_a_wrong_type_says_nothing_and_harms_no_other(orders, data):
    body = about("event.delivery_status", 1, data, status="pickup")
    view = orders.record_callback(body).view
    assert (view.status, view.details.delivery_id, view.details.fee) == ("pickup", UBERS, None)


def test_a_list_is_no_look_at_one_delivery(orders):
    orders.record_callback(changed("pickup", 1))
    receipt = orders.record_poll(ORDER, 200, {"object": "list", "data": [], "url": "/"})
    assert (receipt.event.name, receipt.change) == ("poll_failed", None)


@pytest.mark.parametrize("time", [[], {}, 7, True, "0001-01-01T00:00:00Z"])
def test_a_time_of_a_wrong_type_is_an_anomaly_and_no_fault_of_ours(orders, time):
    receipt = orders.record_callback(changed("pickup", 1) | {"created": time})
    assert [one.code for one in receipt.view.anomalies] == ["bad_time"]
