"""The facade, as a service uses it: the creation dialogue, callbacks, changes, looking back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lifecycle import (
    InvalidArgumentError,
    Orders,
    OrderView,
    Outcome,
    StoreUrlError,
    UnknownOrderError,
    connect,
)
from lifecycle.core.recognizer import Recognizer
from lifecycle.providers.instacart.recordings import callback, error
from lifecycle.testing import FixedClock

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
BODY = b'{"order_id": "xyz", "first_name": "Kamal"}'
CLIENT_ERROR = error("Required parameter missing or invalid", 1001, "address")


@pytest.fixture(name="clock")
def a_clock() -> FixedClock:
    return FixedClock(NOON)


PARTED = pytest.param("nats", marks=pytest.mark.long)


@pytest.fixture(name="orders", params=["memory:", "sqlite", PARTED])
def some_orders(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock
) -> Iterator[Orders]:
    url = request.param if request.param == "memory:" else f"sqlite:///{tmp_path}/orders.db"
    if request.param == "nats":
        url = request.getfixturevalue("nats").new_url(partitions=4)
    with connect(url, clock=clock) as orders:
        yield orders


def enveloped(name: str, at: str, event_id: int | str = 1, **details: Any) -> bytes:
    told = callback(name, at=at, order_id="xyz", event_id=event_id, **details)
    return json.dumps(told["body"]).encode()


def statuses(view: OrderView | None) -> list[str]:
    assert view is not None
    return [step.status for step in view.path]


def test_the_creation_dialogue_of_a_rejected_and_a_corrected_request(orders: Orders) -> None:
    sent = orders.begin_request("xyz", BODY)
    assert (sent.attempt, sent.resumed) == (1, False)
    view = sent.answered(400, CLIENT_ERROR).view
    assert view is not None
    assert view.status == "validation_failed"
    assert view.awaiting == ("correction",)
    [error] = view.errors
    assert (error.code, error.key, error.http_status, error.correctable) == (
        1001,
        "address",
        400,
        True,
    )

    corrected = orders.begin_request("xyz", {"order_id": "xyz", "address": "50 Beale St"})
    assert corrected.attempt == 2
    receipt = corrected.answered(200, {"id": "xyz", "status": "created"})
    assert receipt.change == ("resubmitted", "created", receipt.event.key, False)  # type: ignore[union-attr]
    assert statuses(receipt.view) == ["requested", "validation_failed", "resubmitted", "created"]
    assert receipt.view is not None
    assert receipt.view.errors == ()


def test_a_request_that_got_no_answer_waits_for_the_callbacks(orders: Orders) -> None:
    view = orders.begin_request("xyz", BODY).unanswered().view
    assert view is not None
    assert (view.status, view.awaiting) == ("requested", ("brand_new", "canceled"))


def test_beginning_the_same_unanswered_request_again_takes_the_same_attempt(orders: Orders) -> None:
    first = orders.begin_request("xyz", BODY)
    again = orders.begin_request("xyz", b'{"first_name":"Kamal","order_id":"xyz"}')
    assert (again.attempt, again.resumed) == (1, True)
    assert again.exchange_id != first.exchange_id
    again.unanswered()
    assert orders.begin_request("xyz", BODY).attempt == 1
    assert orders.begin_request("xyz", b'{"order_id":"xyz"}').attempt == 2


@pytest.mark.parametrize(
    "body",
    [None, "", "text", b"\xff", "[]", b"7", '"text"', "null", '{"a":1,"a":2}', b"{", "1e400"],
)
def test_a_create_request_that_is_no_json_object_cannot_be_begun(
    orders: Orders, body: str | bytes | None
) -> None:
    with pytest.raises(InvalidArgumentError, match="expected a JSON object") as refused:
        orders.begin_request("xyz", body)
    assert refused.value.argument == "body"
    with pytest.raises(UnknownOrderError):
        orders.get("xyz")
    # What was sent is a fact, whatever it is: it is recorded.
    assert orders.record_request("xyz", body).outcome is Outcome.APPENDED


@pytest.mark.parametrize("body", ["{}", b' {"order_id": "xyz"}', bytearray(b"{}"), {}])
def test_a_create_request_may_come_in_any_form_of_a_json_object(orders: Orders, body: Any) -> None:
    assert orders.begin_request("xyz", body).attempt == 1


def test_an_answered_attempt_is_never_taken_again(orders: Orders) -> None:
    orders.begin_request("xyz", BODY).answered(503, b"down")
    assert orders.begin_request("xyz", BODY).attempt == 2


def test_attempts_kept_by_others_are_counted(orders: Orders) -> None:
    orders.record_response("xyz", 400, CLIENT_ERROR, attempt=7)
    assert orders.begin_request("xyz", BODY).attempt == 8


def test_threads_that_begin_the_same_request_at_once_share_one_attempt(orders: Orders) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(orders.begin_request("xyz", BODY).attempt))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
    assert orders.get("xyz").events == 1


def test_threads_that_begin_different_requests_at_once_take_different_attempts(
    orders: Orders,
) -> None:
    found: list[int] = []

    def begin(number: int) -> None:
        found.append(orders.begin_request("xyz", {"order_id": "xyz", "bags_count": number}).attempt)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("order_id", "body"),
    [
        ("x" * 256, BODY),
        ("xyz", {"order_id": "another"}),
        ("xyz", b"x" * (1024 * 1024 + 1)),
        ("a\x00", b"{}"),
    ],
)
def test_a_request_that_cannot_be_recorded_is_refused_before_it_is_sent(
    orders: Orders, order_id: str, body: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="the request cannot be used"):
        orders.begin_request(order_id, body)
    assert sum(part.last_position() for part in orders.log.partitions) == 0


def test_a_change_has_before_after_cause_and_whether_it_corrects(orders: Orders) -> None:
    first = orders.record_callback(enveloped("brand_new", "2026-07-07T12:00:00Z", 1))
    assert first.change == (None, "brand_new", "callback:fulfillment.brand_new:1", False)
    second = orders.record_callback(enveloped("at_store", "2026-07-07T14:00:00Z", 2))
    assert second.change == ("brand_new", "at_store", "callback:fulfillment.at_store:2", False)
    late = orders.record_callback(enveloped("acknowledged", "2026-07-07T13:00:00Z", 3))
    assert late.change == ("at_store", "at_store", "callback:fulfillment.acknowledged:3", True)
    assert statuses(late.view) == ["brand_new", "acknowledged", "at_store"]
    location = orders.record_callback(enveloped("order_location", "2026-07-07T14:01:00Z", 4))
    assert location.change is None


def test_a_receipt_shows_the_view_that_its_own_event_made(orders: Orders) -> None:
    receipts = [
        orders.record_callback(enveloped(name, f"2026-07-07T12:00:0{number}Z", number))
        for number, name in enumerate(["brand_new", "acknowledged", "at_store"])
    ]
    assert statuses(receipts[2].view) == ["brand_new", "acknowledged", "at_store"]
    assert statuses(receipts[0].view) == ["brand_new"]
    assert receipts[1].change == (
        "brand_new",
        "acknowledged",
        "callback:fulfillment.acknowledged:1",
        False,
    )


def test_a_duplicate_changes_nothing_and_says_where_the_first_copy_stands(orders: Orders) -> None:
    body = enveloped("brand_new", "2026-07-07T12:00:00Z")
    first = orders.record_callback(body)
    again = orders.record_callback(body)
    assert (first.outcome, again.outcome) == (Outcome.APPENDED, Outcome.DUPLICATE)
    assert again.change is None
    assert (again.position, again.version) == (first.position, first.version)
    assert again.view is not None
    assert again.view.events == 1


def test_a_known_key_with_another_content_is_stored_as_evidence(orders: Orders) -> None:
    orders.record_callback(enveloped("brand_new", "2026-07-07T12:00:00Z"))
    other = orders.record_callback(enveloped("rating_updated", "2026-07-07T13:00:00Z"))
    assert other.outcome is Outcome.APPENDED
    receipt = orders.record_callback(enveloped("brand_new", "2026-07-07T13:00:00Z"))
    assert receipt.outcome is Outcome.DIVERGENT
    assert receipt.view is not None
    assert receipt.view.status == "brand_new"
    assert [anomaly.code for anomaly in receipt.view.anomalies] == ["divergent"]


def test_an_unreadable_arrival_is_quarantined_and_redriven_once_it_is_readable(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = orders.record_callback(b"<html>", received_at=NOON)
    assert (receipt.outcome, receipt.view, receipt.change) == (Outcome.QUARANTINED, None, None)
    orders.record_many([b"", b"not a line", b"  "], first_line=5)
    items = list(orders.quarantine())
    assert [(item.item, item.reason, item.line_number) for item in items] == [
        (1, "not_json", None),
        (2, "bad_line", 6),
    ]
    assert [item.body for item in items] == [b"<html>", b"not a line"]
    assert list(orders.redrive()) == []

    fixed = enveloped("brand_new", "2026-07-07T12:00:00Z")
    recognize_all = Recognizer.recognize_all
    monkeypatch.setattr(
        Recognizer,
        "recognize_all",
        lambda self, arrival: recognize_all(
            self, arrival._replace(body=fixed) if arrival.body == b"<html>" else arrival
        ),
    )
    [redriven] = list(orders.redrive())
    assert redriven.outcome is Outcome.APPENDED
    assert redriven.event.redriven_from == 1  # type: ignore[union-attr]
    assert orders.get("xyz").status == "brand_new"
    assert [item.item for item in orders.quarantine()] == [2]
    assert [(item.item, item.redriven) for item in orders.quarantine(all=True)] == [
        (1, "callback:fulfillment.brand_new:1"),
        (2, None),
    ]
    assert list(orders.redrive()) == []


def test_looking_back_as_at_and_as_of(orders: Orders, clock: FixedClock) -> None:
    orders.record_callback(enveloped("brand_new", "2026-07-07T11:00:00Z", 1))
    clock.advance(timedelta(hours=3))
    orders.record_callback(enveloped("at_store", "2026-07-07T14:00:00Z", 3))
    clock.advance(timedelta(hours=2))
    orders.record_callback(enveloped("acknowledged", "2026-07-07T13:00:00Z", 2))

    def hour(number: int) -> datetime:
        return datetime(2026, 7, 7, number, tzinfo=UTC)

    assert statuses(orders.get("xyz", as_at=hour(15))) == ["brand_new", "at_store"]
    assert statuses(orders.get("xyz", as_of=hour(13))) == ["brand_new", "acknowledged"]
    assert statuses(orders.get("xyz", as_at=hour(15), as_of=hour(13))) == ["brand_new"]
    assert len(orders.history("xyz", as_at=hour(12))) == 1
    with pytest.raises(UnknownOrderError, match="before 2026-07-07T10:00:00Z"):
        orders.get("xyz", as_of=hour(10))
    with pytest.raises(InvalidArgumentError, match="as_at"):
        orders.get("xyz", as_at=datetime(2026, 7, 7))  # noqa: DTZ001


def test_an_unknown_order_is_an_error_that_names_it(orders: Orders) -> None:
    with pytest.raises(UnknownOrderError, match="'nobody'"):
        orders.get("nobody")
    with pytest.raises(UnknownOrderError):
        orders.history("nobody")


def test_finding_what_waits_too_long_and_what_is_odd(orders: Orders, clock: FixedClock) -> None:
    orders.record_response("stuck", 200, {"id": "stuck", "status": "created"})
    orders.record_callback({"id": "done", "status": "delivered"})
    clock.advance(timedelta(minutes=20))
    orders.record_callback({"id": "fresh", "status": "brand_new"})
    orders.record_callback({"id": "odd", "status": "no_such_status"})
    limit = timedelta(minutes=15)
    assert [view.order_id for view in orders.find(waiting_longer_than=limit)] == ["stuck"]
    assert [view.order_id for view in orders.find(status="brand_new")] == ["fresh"]
    assert [view.order_id for view in orders.find(anomalies=True)] == ["odd"]
    assert [view.order_id for view in orders.find()] == ["done", "fresh", "odd", "stuck"]


def test_invalid_arguments_raise_errors_that_name_them(orders: Orders) -> None:
    for call, argument in [
        (lambda: orders.record_request("a", b"{}", attempt=0), "attempt"),
        (lambda: orders.record_request("a", b"{}", attempt=True), "attempt"),
        (lambda: orders.record_response("a", 99, b""), "http_status"),
        (
            lambda: orders.record_poll("a", 200, b"", received_at=datetime(2026, 1, 1)),  # noqa: DTZ001
            "received_at",
        ),
        (lambda: orders.record_callback(5), "body"),  # type: ignore[arg-type]
        (lambda: orders.record_callback({"x": float("nan")}), "body"),
        (lambda: orders.record_callback(b"", order_id=1.5), "order_id"),  # type: ignore[arg-type]
        (lambda: orders.record_callback(b"", headers=7), "headers"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(InvalidArgumentError) as refused:
            call()
        assert refused.value.argument == argument
    assert sum(part.last_position() for part in orders.log.partitions) == 0


def test_a_url_that_no_store_answers_to_is_an_error() -> None:
    for url in ("", "orders.db", "sqlite://orders.db", "sqlite:///", "mysql://x", "memory:x"):
        with pytest.raises(StoreUrlError):
            connect(url)


def test_orders_that_are_no_longer_remembered_are_folded_from_the_log(orders: Orders) -> None:
    orders._service._fold_cache._kept = 2
    for number in range(6):
        orders.record_callback({"id": f"o{number}", "status": "brand_new"}).view  # noqa: B018
    receipt = orders.record_callback({"id": "o0", "status": "delivered"})
    assert receipt.change is not None
    assert (receipt.change.before, receipt.change.after) == ("brand_new", "delivered")
    assert len(orders._service._fold_cache._by_stream) == 2


def test_a_recording_that_is_neither_text_nor_an_object_is_a_bad_line(orders: Orders) -> None:
    receipts = orders.record_many([7, None, ["x"]])  # type: ignore[list-item]
    assert [receipt.event.reason for receipt in receipts] == ["bad_line"] * 3  # type: ignore[union-attr]


def test_an_answer_that_comes_while_a_request_is_begun_again_is_not_overlooked(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = orders.log.append

    def answered_meanwhile(entry: Any, *, expected_version: int | None = None) -> Any:
        monkeypatch.undo()
        orders.begin_request("xyz", BODY).answered(400, CLIENT_ERROR)
        return append(entry, expected_version=expected_version)

    monkeypatch.setattr(orders.log, "append", answered_meanwhile)
    sent = orders.begin_request("xyz", BODY)
    assert (sent.attempt, sent.resumed) == (2, False)


def test_conditions_and_times_that_can_never_hold_are_errors(orders: Orders) -> None:
    far = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
    for call, argument in [
        (lambda: list(orders.find(status="nope")), "status"),
        (lambda: list(orders.find(waiting_longer_than=900)), "waiting_longer_than"),  # type: ignore[arg-type]
        (lambda: orders.get("xyz", as_at="2026"), "as_at"),  # type: ignore[arg-type]
        (lambda: orders.get("xyz", as_of=far), "as_of"),
        (lambda: orders.get(10**5000), "order_id"),
        (lambda: orders.get(None), "order_id"),  # type: ignore[arg-type]
        (lambda: orders.record_callback(b"{}", received_at=far), "received_at"),
    ]:
        with pytest.raises(InvalidArgumentError) as refused:
            call()
        assert refused.value.argument == argument


def test_the_history_says_what_became_of_a_failed_exchange(orders: Orders) -> None:
    orders.record_response("xyz", 502, b"<html>")
    orders.record_response("xyz", 401, b"")
    orders.record_response("xyz", None)
    reasons = sorted(entry.reason for entry in orders.history("xyz"))
    assert [reason.partition(":")[0] for reason in reasons] == [
        "HTTP 401",
        "HTTP 502",
        "no answer came",
    ]
    assert "may be sent again" in reasons[0]
    assert "nobody knows" in reasons[1]


def test_what_is_kept_of_orders_is_bounded_in_bytes_and_holds_no_body():
    """A body of a megabyte says little of an order, and is let go once it was folded."""
    with connect("memory:") as orders:
        cache = orders._service._fold_cache
        cache._kept_bytes = 3 * 1024
        for number in range(9):
            body = {"id": f"o{number}", "status": "brand_new", "note": "x" * 100_000}
            assert orders.record_callback(body).view is not None
            assert cache._bytes == sum(kept.size for kept in cache._by_stream.values()) <= 3 * 1024
        assert [*cache._by_stream] == [f"order:instacart:o{number}" for number in (6, 7, 8)]
        assert not any(
            event.body for kept in cache._by_stream.values() for event in kept.folding.events
        )
        telling = {"id": "o0", "status": "staged", "cancellation_reason": "x" * 9000}
        view = orders.record_callback(telling).view
        assert view is not None
        assert view.details.cancellation_reason == "x" * 9000
        assert [*cache._by_stream] == ["order:instacart:o0"]
        assert orders.get("o8").status == "brand_new"
