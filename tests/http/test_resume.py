"""Resuming against a real server: what a process began is finished or looked up, and made once."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta

import pytest

from lifecycle import InvalidArgumentError, Resumed, connect, connect_async
from lifecycle.http.create_order import Created
from lifecycle.http.receiver import BearerTokens, Receiver, Service
from lifecycle.http.reconcile import reconcile, reconcile_async
from lifecycle.http.resume import keep_resumed
from lifecycle.providers.instacart.client import AsyncClient, Client
from lifecycle.providers.instacart.request import CreateOrder
from tests.http.scripted import REJECTED, Scripted, answer, drop
from tests.http.sync_and_async import settings
from tests.http.test_dialogue import Clock, Shop
from tests.polling import wait_until

SECRET = "kamala-5-main-street"
KEPT = {"user_id": SECRET, "basket": 7}
BODY = {
    "service_option_hold_id": 17,
    "location_code": "1003",
    "first_name": "Kamal",
    "last_name": "Singh",
    "user_phone": "+18005550101",
    "items_count": 12,
    "items_weight": 15,
}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shop(way, server, clock):
    return Shop(way, server, clock)


def begin(shop, order_id="o1", **more):
    """Begin a request as a process that died before it sent it."""
    call = shop.orders.begin_request
    return shop.way.call(call, order_id, BODY | {"order_id": order_id}, **{"context": KEPT} | more)


def resume(shop, clock, **more):
    return shop.way.call(shop.orders.resume, shop.client, now=clock(), **more)


def test_a_request_that_was_never_sent_is_sent_under_its_customer_once_it_cannot_be_on_its_way(
    shop, server, clock
):
    begin(shop)

    assert resume(shop, clock) == Resumed(begun=1, unknown=1)
    assert (server.count("get"), server.count("create")) == (1, 0)
    clock.pass_by(MINUTE)
    assert resume(shop, clock) == Resumed(begun=1, created=1)

    assert server.orders == {"o1": 1}
    assert shop.view("o1").status == "created"
    asked = [each for each in server.asked if each.operation != "token"]
    assert {SECRET in each.target for each in asked} == {True}
    assert SECRET not in str([each.body for each in server.asked])
    assert resume(shop, clock) == Resumed()


def test_an_order_whose_answer_was_lost_is_found_at_once_and_nothing_is_sent(shop, server, clock):
    begin(shop)
    server.orders["o1"] = 1

    assert resume(shop, clock) == Resumed(begun=1, created=1)

    assert server.count("create") == 0


def test_what_create_order_was_told_of_the_customer_is_kept_and_a_context_beside_it(
    shop, server, clock
):
    server.on("create", drop())
    shop.create(CreateOrder(order_id="o1", **BODY), user_id=SECRET, context={"basket": 7})

    begun = shop.way.call(shop.orders.last_request, "o1")
    assert (begun.context, begun.attempt) == ({"basket": 7, "user_id": SECRET}, 1)
    assert json.loads(begun.body) == BODY | {"order_id": "o1"}
    assert SECRET not in repr(begun)
    clock.pass_by(MINUTE)
    assert resume(shop, clock) == Resumed(begun=1, created=1)
    assert SECRET in server.asked[-1].target


def test_without_a_request_nothing_is_kept(shop):
    assert shop.way.call(shop.orders.last_request, "nobody") is None


def test_a_later_attempt_without_a_context_has_the_earlier_one_s(shop):
    shop.way.call(begin(shop).answered, 400, json.dumps(REJECTED))
    begin(shop, context=None)
    begun = shop.way.call(shop.orders.last_request, "o1")
    assert (begun.attempt, begun.context) == (2, KEPT)


@pytest.mark.parametrize("context", [b"\xff", "7", "plain"])
def test_a_context_that_is_no_object_is_stored_and_offers_nothing(shop, context):
    begin(shop, context=context)
    assert shop.way.call(shop.orders.last_request, "o1").context == {}


def test_a_rejected_request_is_left_to_the_customer(shop, server, clock):
    server.on("create", answer(400, REJECTED))
    shop.create(CreateOrder(order_id="o1", **BODY))
    clock.pass_by(MINUTE)

    assert resume(shop, clock) == Resumed()

    assert server.count("create") == 1


def test_a_request_that_the_provider_rejects_now_is_told_and_not_sent_again(shop, server, clock):
    begin(shop)
    server.always("create", answer(400, REJECTED))
    clock.pass_by(MINUTE)
    told = []

    found = resume(shop, clock, on_result=lambda *each: told.append(each))

    assert found == Resumed(begun=1, correctable=1)
    [(order_id, outcome)] = told
    assert (order_id, outcome.errors[0].key) == ("o1", "address")
    clock.pass_by(MINUTE)
    assert resume(shop, clock) == Resumed()


def test_a_refused_request_is_tried_again_less_and_less_often(shop, server, clock):
    """Whoever resumes every ten seconds for an hour adds few events, and remembers nothing."""
    begin(shop)
    server.always("create", answer(403))
    sent = []
    for _ in range(360):
        clock.pass_by(timedelta(seconds=10))
        resume(shop, clock)
        sent.append(server.count("create"))
    assert sent[-1] <= 8
    assert len(shop.way.call(shop.orders.history, "o1")) < 40
    assert resume(shop, clock).waiting == 1


def test_what_was_begun_long_ago_is_looked_up_and_never_sent(shop, server, clock):
    begin(shop)
    clock.pass_by(timedelta(hours=2))
    assert resume(shop, clock) == Resumed(begun=1, unknown=1)
    assert (server.count("get"), server.count("create")) == (1, 0)
    clock.pass_by(timedelta(hours=3))
    assert resume(shop, clock, begun_within=timedelta(days=1)) == Resumed(begun=1, created=1)


def test_an_answer_without_its_request_is_looked_up(shop, server, clock):
    shop.way.call(shop.orders.record_response, "o1", None)
    server.orders["o1"] = 1
    assert resume(shop, clock) == Resumed(begun=1, created=1)


@pytest.mark.parametrize("wrong", [{"at_once": 0}, {"begun_within": 5}, {"settle_after": "1m"}])
def test_invalid_limits_are_refused(shop, clock, wrong):
    with pytest.raises(InvalidArgumentError):
        resume(shop, clock, **wrong)


def raising(*_):
    raise KeyError(SECRET)


def test_one_order_s_trouble_stops_no_other_and_says_nothing_personal(shop, clock, caplog):
    begin(shop, "o1")
    begin(shop, "o2", context='{"user_id": ""}')
    begin(shop, "o3")
    clock.pass_by(MINUTE)

    found = resume(shop, clock, on_result=raising)

    assert (found.begun, found.created, found.failed) == (3, 2, 1)
    assert SECRET not in caplog.text
    assert "a request could not be resumed: unexpected" in caplog.text
    assert caplog.text.count("on_result failed with KeyError") == 2


def test_reconciliation_reads_the_customer_s_id_of_each_order(shop, server, clock):
    for name in ("ann", "bob"):
        begin(shop, f"o-{name}", context={"user_id": name})
        server.orders[f"o-{name}"] = 1
    call = reconcile_async if shop.way.name == "async" else reconcile
    clock.pass_by(timedelta(hours=1))

    found = shop.way.call(call, shop.orders, shop.client, now=clock())

    assert found.moved == 2
    asked = {each.target.rpartition("/")[2]: each.target for each in server.asked[1:]}
    assert all(f"/{name}/" in asked[f"o-{name}"] for name in ("ann", "bob"))


def test_a_user_of_that_is_given_is_asked_instead(server, clock):
    with Client(**settings(server)) as client, connect("memory:", clock=clock) as orders:
        orders.begin_request("o1", BODY, context=KEPT)
        server.orders["o1"] = 1
        clock.pass_by(timedelta(hours=1))
        reconcile(orders, client, now=clock(), user_of=lambda _: "carol")
        assert "/carol/" in server.asked[-1].target


def test_the_background_task_finishes_what_was_begun_and_ends_with_the_service(caplog):
    """One order's trouble is there at every pass, and the task goes on."""
    passes = []
    caplog.set_level(logging.INFO, "lifecycle.resuming")

    def passed(found):
        passes.append(found)
        raise KeyError(SECRET)

    async def served():
        with Scripted() as server:
            server.orders["there"] = 1
            async with AsyncClient(**settings(server)) as client:
                run = keep_resumed(
                    client, every=timedelta(milliseconds=10), on_pass=passed, on_result=raising
                )
                receiver = Receiver(
                    connect_async("memory:"), BearerTokens({"a": "b" * 32}, ["k" * 32])
                )
                async with Service(receiver, background={"resuming": run}):
                    for name in ("there", "not-there"):
                        await receiver.orders.begin_request(name, BODY, context=KEPT)
                    await asyncio.to_thread(wait_until, lambda: len(passes) > 3)
                    assert (await receiver.orders.get("there")).status == "brand_new"
                    return receiver.health.ended

    assert asyncio.run(served()) == []
    assert "begun requests stay unknown" in caplog.text
    assert SECRET not in caplog.text


def test_a_pause_of_nothing_is_refused():
    with pytest.raises(InvalidArgumentError):
        keep_resumed(None, every=timedelta(0))


def test_the_outcome_is_told_as_create_order_tells_it(shop, server, clock):
    begin(shop)
    clock.pass_by(MINUTE)
    told = []
    resume(shop, clock, on_result=lambda *each: told.append(each))
    assert [type(outcome) for _, outcome in told] == [Created]
