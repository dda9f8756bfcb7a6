"""A service that is killed anywhere in the creation dialogue, and started again.

No order is made twice, none that was begun is forgotten, and the service itself keeps nothing:
what starts again knows the log and the provider, and no order's id. The provider is the
simulator at its least helpful: a repeated id makes a second order.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest

from lifecycle import connect, connect_async
from lifecycle.http.create_order import SETTLE_AFTER
from lifecycle.http.create_order.creation import OrderCreation
from lifecycle.http.flow import Flow, run, run_async
from lifecycle.providers.instacart.client import AsyncClient, Client
from lifecycle.providers.instacart.request import Address, CreateOrder
from lifecycle.testing import simulated
from tests.faults.children import Child
from tests.polling import wait_until

TOLD = {"client_id": "retailer", "client_secret": "retailer-secret", "user_id": "the-shop"}
FAST = {"timeout": 2.0, "tries": 1, "first_wait": 0.01, "longest_wait": 0.1}
WHERE = {"user_id": "ann"}
ALL_POINTS = 10
"""More than the dialogue has where all goes well: the last ones let it end."""


PASSES = tuple(timedelta(minutes=minutes) for minutes in (0, 5, 20))
"""When it resumes: at once, while requests may be on their way, and once they no longer can."""


def after(span: timedelta) -> datetime:
    return datetime.now(UTC) + span


def request(order_id: str, simulate: str = "delivered") -> CreateOrder:
    return CreateOrder(
        order_id=order_id,
        service_option_hold_id=1,
        location_code="1003",
        first_name="Kamal",
        last_name="Singh",
        user_phone="+18005550101",
        items_count=12,
        items_weight=15,
        locale="en-US",
        address=Address(address_line_1="50 Beale St", postal_code="94105"),
        special_instructions=f"simulate: {simulate}",
    )


def killing(flow: Flow[object], point: int) -> Flow[object]:
    """Yield the effects of a flow, and kill this process before the one at `point`."""
    result, failure = None, None
    for number in count():
        try:
            effect = flow.send(result) if failure is None else flow.throw(failure)
        except StopIteration as stopped:
            return stopped.value
        if number == point:
            os.kill(os.getpid(), signal.SIGKILL)
        result, failure = None, None
        try:
            result = yield effect
        except Exception as raised:  # noqa: BLE001 - the flow's to deal with
            failure = raised
    raise AssertionError


def create(log, url, wanted: CreateOrder, point: int, _pipe: int) -> None:
    with connect(log) as orders, Client(url, **TOLD, **FAST) as client:
        creation = OrderCreation.of(orders, client, wanted.order_id, WHERE, SETTLE_AFTER)
        run(killing(creation.create(wanted), point))


def create_async(log, url, wanted: CreateOrder, point: int, _pipe: int) -> None:
    async def created() -> None:
        async with (
            connect_async(log) as orders,
            AsyncClient(url, **TOLD, **FAST) as client,
        ):
            creation = OrderCreation.of(orders, client, wanted.order_id, WHERE, SETTLE_AFTER)
            await run_async(killing(creation.create(wanted), point))

    asyncio.run(created())


def start_again(log, url, _pipe: int) -> None:
    with Client(url, **TOLD, **FAST) as client:
        for span in PASSES:
            with connect(log, clock=partial(after, span)) as orders:
                assert orders.resume(client, now=after(span)).failed == 0


def start_again_async(log, url, _pipe: int) -> None:
    async def resumed() -> None:
        async with AsyncClient(url, **TOLD, **FAST) as client:
            for span in PASSES:
                async with connect_async(log, clock=partial(after, span)) as orders:
                    assert (await orders.resume(client, now=after(span))).failed == 0

    asyncio.run(resumed())


def send_anew(log, url, _pipe: int) -> None:
    """Broken on purpose: send again whatever has no recorded answer."""
    with connect(log) as orders, Client(url, **TOLD, **FAST) as client:
        for view in orders.find(status="requested"):
            client.create(orders.last_request(view.order_id).body)


def killed_everywhere(log, url, first, simulate="delivered") -> list[int]:
    """Create an order for each point to be killed at; return how these processes ended."""
    children = [
        Child(partial(first, log, url, request(f"o{point}", simulate), point))
        for point in range(ALL_POINTS)
    ]
    return [child.collect()[0] for child in children]


def ended(work: Callable[[int], None]) -> int:
    code, said = Child(work).collect()
    assert code in (0, -signal.SIGKILL), said.decode()
    return code


def begun_and_made(log, provider) -> dict[str, int]:
    """Return of each order that was begun how often it was made."""
    with connect(log, create=False) as orders:
        begun = [view.order_id for view in orders.find()]
    truth = provider.truth
    assert set(truth) <= set(begun), "nothing is made that the log does not know"
    return {order: truth[order].creates if order in truth else 0 for order in begun}


WAYS = pytest.mark.parametrize(
    ("first", "again"),
    [(create, start_again), (create_async, start_again_async)],
    ids=["sync", "async"],
)


@WAYS
@pytest.mark.parametrize(
    "simulate",
    [
        "delivered",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("dropped-after", "dropped-before", "error-429")
        ),
    ],
)
def test_killed_before_each_effect_and_started_again_every_begun_order_is_made_once(
    tmp_path, first, again, simulate
):
    log = f"sqlite:///{tmp_path}/orders.db"
    with simulated(on_repeat="create") as provider:
        codes = killed_everywhere(log, provider.url, first, simulate)
        assert ended(partial(again, log, provider.url)) == 0
        made = begun_and_made(log, provider)
    assert codes.count(-signal.SIGKILL) > 5
    assert set(made.values()) == {1}
    # The others were killed before anything was begun: their callers were told nothing.
    assert {f"o{point}" for point in range(4, ALL_POINTS)} <= made.keys()


@WAYS
def test_so_it_is_on_postgresql(postgres, first, again):
    log = postgres.new_url()
    with simulated(on_repeat="create") as provider:
        assert killed_everywhere(log, provider.url, first).count(-signal.SIGKILL) > 5
        assert ended(partial(again, log, provider.url)) == 0
        assert set(begun_and_made(log, provider).values()) == {1}


@WAYS
def test_killed_while_the_answer_is_on_its_way_and_started_again_it_is_made_once(
    tmp_path, first, again
):
    log = f"sqlite:///{tmp_path}/orders.db"
    with simulated(on_repeat="create", slow_seconds=1.0) as provider:
        child = Child(partial(first, log, provider.url, request("o1", "slow"), -1))
        wait_until(lambda: "o1" in provider.truth)
        child.kill()
        assert child.collect()[0] == -signal.SIGKILL
        assert ended(partial(again, log, provider.url)) == 0
        assert begun_and_made(log, provider) == {"o1": 1}


@pytest.mark.long
def test_several_that_start_again_at_once_make_one_order(tmp_path):
    log = f"sqlite:///{tmp_path}/orders.db"
    with simulated(on_repeat="create") as provider:
        killed_everywhere(log, provider.url, create)
        children = [Child(partial(start_again, log, provider.url)) for _ in range(4)]
        assert [child.collect()[0] for child in children] == [0] * 4
        assert set(begun_and_made(log, provider).values()) == {1}


def test_control_a_service_that_sends_again_what_has_no_answer_makes_some_twice(tmp_path):
    log = f"sqlite:///{tmp_path}/orders.db"
    with simulated(on_repeat="create") as provider:
        killed_everywhere(log, provider.url, create)
        assert ended(partial(send_anew, log, provider.url)) == 0
        assert 2 in begun_and_made(log, provider).values()


def test_control_a_service_that_only_looks_forgets_what_was_never_sent(tmp_path):
    log = f"sqlite:///{tmp_path}/orders.db"
    with simulated(on_repeat="create") as provider:
        killed_everywhere(log, provider.url, create)
        assert 0 in begun_and_made(log, provider).values()
