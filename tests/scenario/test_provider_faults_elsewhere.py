"""A provider whose code is wrong where an order is known from elsewhere than the body alone.

By a link, by an operation of ours, by a route: in every way of `test_provider_faults`, what came
is kept as it came, others go on, and once the provider is mended it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lifecycle import InvalidArgumentError, Orders, Outcome, connect
from lifecycle.audit.replay import replay
from lifecycle.audit.verify import verify
from lifecycle.http.receiver import Request, Routes, StaticToken, SyncReceiver
from tests.scenario.test_order_links import Parcels
from tests.scenario.test_order_links import body as parcel
from tests.scenario.test_provider_faults import RAISES, RETURNS, SECRET, WAYS, Wrong, changed, ways

TOKEN = "a token of thirty-two characters"
NAMED = {**WAYS, "another's order": changed(order_id="good")}
"""Where the order is known besides, a reading may also name the order of another."""


class Misreading(Parcels):
    """Parcels' provider, but for what it does with the bodies that say `bad`, in a `way`."""

    def __init__(self) -> None:
        self.way: Any = None

    def read(self, arrival: Any, body: Any) -> Any:
        said = super().read(arrival, body)
        return said if self.way is None or "bad" not in body else self.way(said, arrival, body)


def sound(orders: Orders) -> bool:
    providers = {orders.provider.name: orders.provider}
    return verify(orders.log, providers=providers).ok and replay(orders.log, providers).ok


# What waits for a link


@pytest.fixture
def parcels() -> Iterator[Orders]:
    """Orders of which two items wait for the same link, and the provider misreads one."""
    with connect("memory:", provider=Misreading()) as orders:
        orders.record_callback(parcel("brought", 1, parcel="p1", bad=SECRET))
        orders.record_callback(parcel("taken", 2, parcel="p1"))
        assert [item.reason for item in orders.quarantine()] == ["unlinked", "unlinked"]
        yield orders


@ways(RAISES | RETURNS)
def test_what_waits_for_a_link_and_cannot_be_read_stays_and_holds_up_nobody(way, parcels, caplog):
    parcels.provider.way = way
    receipt = parcels.record_callback(parcel("taken", 3, order="o1", links=["p1"]))

    assert receipt.outcome is Outcome.APPENDED
    assert parcels.get("o1").events == 2
    (item,) = parcels.quarantine()
    assert json.loads(item.body)["bad"] == SECRET
    assert SECRET not in caplog.text
    assert list(parcels.redrive()) == []

    parcels.provider.way = None
    (mended,) = parcels.redrive()
    assert (mended.outcome, mended.event.body) == (Outcome.APPENDED, item.body)
    assert parcels.get("o1").status == "brought"
    assert list(parcels.quarantine()) == []
    assert sound(parcels)


@ways(RAISES | RETURNS)
def test_who_opens_a_log_in_which_a_waiting_item_cannot_be_read_is_not_stopped(way, tmp_path):
    url, provider = f"sqlite:///{tmp_path}/o.db", Misreading()
    with connect(url, provider=provider) as orders:
        orders.record_callback(parcel("brought", 1, parcel="p1", bad=SECRET))
        provider.way = way
        orders.record_callback(parcel("taken", 2, order="o1", links=["p1"]))
    with connect(url, provider=provider) as orders:
        assert orders.get("o1").events == 1
        assert len(list(orders.quarantine())) == 1
    provider.way = None
    with connect(url, provider=provider) as orders:
        assert orders.get("o1").status == "brought"
        assert list(orders.quarantine()) == []


class Others(Parcels):
    """Another provider, whose ids may be the same."""

    name = "others"


@pytest.mark.parametrize("first", ["item", "link"])
def test_the_same_id_of_another_provider_is_no_link_of_this_one(first, tmp_path):
    url = f"sqlite:///{tmp_path}/o.db"

    def told(provider: Parcels, body: bytes) -> None:
        with connect(url, provider=provider) as orders:
            orders.record_callback(body)

    item = Parcels(), parcel("brought", 1, parcel="p1")
    link = Others(), parcel("taken", 2, order="o1", links=["p1"])
    for provider, body in (item, link) if first == "item" else (link, item):
        told(provider, body)
    with connect(url, provider=Others()) as orders:
        assert orders.get("o1").events == 1
        assert list(orders.redrive()) == []
        assert [(each.provider, each.reason) for each in orders.quarantine()] == [
            ("parcels", "unlinked")
        ]
    told(Parcels(), parcel("taken", 3, order="o1", links=["p1"]))
    with connect(url, provider=Parcels()) as orders:
        assert orders.get("o1").status == "brought"
        assert list(orders.quarantine()) == []


# What answers an operation


@ways(NAMED)
def test_the_answer_to_an_operation_is_kept_and_can_be_redriven(way, caplog):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.begin_request("bad", {"order_id": "bad"}).answered(
            200, {"id": "bad", "status": "created"}
        )
        sent = orders.begin_operation("bad", "cancel", {"secret": SECRET})
        provider.way = way
        receipt = sent.answered(200, {"id": "bad", "status": "canceled"})

        provider.way = None
        if receipt.outcome is Outcome.QUARANTINED:
            (mended,) = orders.redrive()
            event = mended.event
        else:  # what is wrong with a callback may say nothing in an answer
            event = receipt.event
        assert (event.operation, event.exchange_id) == ("cancel", sent.exchange_id)
        assert orders.get("bad").status == "canceled"
        assert list(orders.quarantine()) == []
        assert SECRET not in caplog.text
        assert sound(orders)


@ways(RAISES)
def test_an_operation_with_which_the_provider_fails_is_refused_before_it_is_sent(way):
    provider = Wrong()
    with connect("memory:", provider=provider) as orders:
        orders.record_callback(b'{"id":"bad","status":"brand_new"}')
        provider.way = way
        before = orders.log.last_position()
        with pytest.raises(InvalidArgumentError, match="provider_fault") as refused:
            orders.begin_operation("bad", "cancel", {"id": "bad"})
        assert SECRET not in str(refused.value)
        assert orders.log.last_position() == before


# What a route names


@ways(NAMED)
def test_a_callback_whose_route_names_its_order_is_acknowledged_and_kept_with_that(way, caplog):
    body, provider = b'{"id":"bad","status":"brand_new"}', Wrong(way)
    routes = Routes(callbacks="/orders/{order_id}/events")
    with connect("memory:", provider=provider) as orders:
        receiver = SyncReceiver(orders, StaticToken({"shop": TOKEN}), routes=routes)
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = receiver.handle(Request("POST", "/orders/bad/events", headers, body))

        (item,) = orders.quarantine()
        assert (answer.status, answer.receipt.outcome) == (200, Outcome.QUARANTINED)
        assert (item.order_id, item.body) == ("bad", body)
        assert item.reason in {"provider_fault", "order_mismatch"}
        assert SECRET not in caplog.text

        provider.way = None
        (mended,) = orders.redrive()
        assert (mended.event.order_id, mended.event.client) == ("bad", "shop")
        assert list(orders.quarantine()) == []
        assert sound(orders)


def test_an_order_id_of_the_route_is_no_excuse_for_a_body_of_another():
    with connect("memory:", provider=Wrong()) as orders:
        told = orders.record_callback(b'{"id":"other","status":"brand_new"}', order_id="bad")
        assert (told.outcome, told.event.reason) == (Outcome.QUARANTINED, "order_mismatch")


def test_a_provider_that_is_right_has_none_of_this():
    """The positive control of the tables: the frame around the ways is not what fails."""
    with connect("memory:", provider=Wrong(lambda said, *_: said)) as orders:
        orders.record_callback(b'{"id":"bad","status":"brand_new"}', order_id="bad")
        sent = orders.begin_operation("bad", "cancel")
        assert sent.answered(200, {"id": "bad", "status": "canceled"}).outcome is Outcome.APPENDED
        assert list(orders.quarantine()) == []
