"""Nothing that async orders offer asks the database in the event loop's thread.

Every use of a connection is noted with the thread that made it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from lifecycle import AsyncOrders, NotFoldedError, Outcome
from lifecycle.http.create_order import Created, create_order_async
from lifecycle.http.receiver import BearerTokens, Receiver, Request, Service
from lifecycle.http.reconcile import Reconciled, reconcile_async
from lifecycle.log.stores.postgres import connection as postgres_connection
from lifecycle.log.stores.sqlite import connection as sqlite_connection
from lifecycle.providers.instacart.client import AsyncClient
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.testing import simulated
from tests.polling import wait_until
from tests.receiving import SETUP
from tests.without_rules import connect, connect_async

ORDER = "xyz123456"
FIELDS: dict[str, Any] = {
    "order_id": ORDER,
    "service_option_hold_id": 42,
    "location_code": "1003",
    "locale": "en-US",
    "first_name": "Kamal",
    "last_name": "Singh",
    "user_phone": "+18005550101",
    "items_count": 12,
    "items_weight": 15,
    "address": {"address_line_1": "50 Beale St", "postal_code": "94105"},
}


class Used(list[int]):
    """The threads that used a connection."""

    def in_this_thread(self) -> int:
        return self.count(threading.get_ident())


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    threads = Used()
    for pool, name in (
        (sqlite_connection.LogConnectionPool, "get_connection"),
        (postgres_connection.LogConnectionPool, "take"),
    ):
        taken = getattr(pool, name)

        def noted(self: Any, taken: Callable[[Any], Any] = taken) -> Any:
            threads.append(threading.get_ident())
            return taken(self)

        monkeypatch.setattr(pool, name, noted)
    return threads


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """A database with the order's first two events, which nobody has folded yet."""
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres").new_url())
    else:
        url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        orders.begin_request(ORDER, FIELDS).answered(200, told("created"))
        orders.record_callback(b"<html>")
    return url


def told(status: str) -> dict[str, str]:
    return {"id": ORDER, "status": status}


async def recording(orders: AsyncOrders) -> None:
    receipt = await orders.record_callback(told("brand_new"))
    done = await receipt.folded()
    assert done is receipt
    assert (receipt.change.before, receipt.change.after) == ("created", "brand_new")
    assert receipt.view.status == "brand_new"


async def polling(orders: AsyncOrders) -> None:
    receipt = await orders.record_poll(ORDER, 200, told("delivered"))
    assert (await receipt.folded()).change.after == "delivered"


async def beginning(orders: AsyncOrders) -> None:
    sent = await orders.begin_request("other", {"order_id": "other"})
    answered = await sent.answered(200, {"id": "other", "status": "created"})
    assert (await answered.folded()).view.status == "created"
    unanswered = await (await orders.begin_request("third", {"order_id": "third"})).unanswered()
    assert (await unanswered.folded()).view.status == "requested"


async def recording_many(orders: AsyncOrders) -> None:
    lines = [{"kind": "callback", "body": told("brand_new")}] * 2
    first, second = await orders.record_many(lines)
    assert (await second.folded()).change is None
    assert (await first.folded()).change.after == "brand_new"


async def recording_what_is_large(orders: AsyncOrders) -> None:
    receipt = await orders.record_callback({**told("brand_new"), "more": ["x"] * 60_000})
    assert (await receipt.folded()).change.after == "brand_new"


async def asking(orders: AsyncOrders) -> None:
    assert (await orders.get(ORDER)).status == "created"
    assert len(await orders.history(ORDER)) == 2
    assert [view.order_id async for view in orders.find(anomalies=False)] == [ORDER]
    assert (await orders.stats()).orders == 1
    assert [change.after async for change in orders.changes()] == ["requested", "created"]
    assert (await anext(orders.subscribe())).after == "requested"


async def quarantined(orders: AsyncOrders) -> None:
    assert [item.reason async for item in orders.quarantine(all=True)] == ["not_json"]
    assert [receipt async for receipt in orders.redrive()] == []


async def subscribed(orders: AsyncOrders) -> None:
    seen: list[str] = []

    async def take(change: Any) -> None:
        seen.append(change.after)
        if change.after == "created":
            raise RuntimeError

    reader = orders.subscription("reader", take, attempts=1)
    assert await reader.catch_up() == 1
    assert len(await reader.letters()) == 1
    assert await reader.redrive() == 0
    assert seen == ["requested", "created", "created"]


async def received(orders: AsyncOrders) -> None:
    seen: list[tuple[str, str]] = []

    async def on_change(receipt: Any) -> None:
        seen.append((receipt.change.after, receipt.view.status))

    receiver = Receiver(orders, BearerTokens(**SETUP), on_change=on_change)
    async with receiver:
        headers = {"authorization": f"Bearer {receiver.gate.tokens.issue('instacart')}"}
        body = json.dumps(told("brand_new")).encode()
        answer = await receiver.handle(Request("POST", "/callbacks", headers, body))
        health = await receiver.handle(Request("GET", "/health", {}, b""))
        await receiver.settled()
        assert (answer.status, health.status, seen) == (200, 200, [("brand_new", "brand_new")])


async def created_and_reconciled(orders: AsyncOrders) -> None:
    credentials = {
        "client_id": "retailer",
        "client_secret": "retailer-secret",
        "user_id": "kamal",
    }
    with simulated() as provider:
        async with AsyncClient(provider.url, tries=1, **credentials) as client:
            request = CreateOrder(**FIELDS | {"order_id": "made"})
            assert isinstance(await create_order_async(orders, client, request), Created)
            await asyncio.to_thread(provider.settle)
            found = await reconcile_async(
                orders, client, longer_than=timedelta(0), interval=timedelta(0)
            )
            assert found == Reconciled(overdue=2, moved=1, missing=1)


async def backgrounded(orders: AsyncOrders) -> None:
    ran = asyncio.Event()

    async def look(inner: AsyncOrders) -> None:
        await inner.get(ORDER)
        ran.set()
        await asyncio.Event().wait()

    async with Service(Receiver(orders, BearerTokens(**SETUP)), background={"looking": look}):
        await ran.wait()


USES = [
    recording,
    polling,
    beginning,
    recording_many,
    recording_what_is_large,
    asking,
    quarantined,
    subscribed,
    received,
    created_and_reconciled,
    backgrounded,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
def test_the_database_is_never_queried_in_the_event_loop(url, used, use):
    async def main() -> int:
        async with connect_async(url) as orders:
            await use(orders)
        return used.in_this_thread()

    assert asyncio.run(main()) == 0
    assert len(used) > 1, "and it was asked"


def test_sync_orders_in_an_event_loop_are_noticed(url, used):
    """The positive control: what is noted is what happens."""

    async def main() -> int:
        with connect(url) as orders:
            _ = orders.record_callback(told("brand_new")).change
        return used.in_this_thread()

    assert asyncio.run(main()) > 1


@pytest.mark.parametrize("is_known", [False, True])
def test_a_change_that_was_not_awaited_says_what_to_await_and_asks_nothing(url, used, is_known):
    """For an order at hand too: a test shows what production would have shown."""

    async def main() -> None:
        async with connect_async(url) as orders:
            if is_known:
                await orders.get(ORDER)
            receipt = await orders.record_callback(told("brand_new"))
            asked = len(used)
            for read in (lambda: receipt.change, lambda: receipt.view):
                with pytest.raises(NotFoldedError, match=r"await receipt\.folded"):
                    read()
            with pytest.raises(NotFoldedError):
                pickle.dumps(receipt)
            assert (receipt.outcome, receipt.position) == (Outcome.APPENDED, 4)
            assert len(used) == asked, repr(receipt)

            await receipt.folded()
            asked = len(used)
            await receipt.folded()
            for again in (copy.copy(receipt), pickle.loads(pickle.dumps(receipt))):
                assert (again.change, again.view) == (receipt.change, receipt.view)
            assert len(used) == asked

    asyncio.run(main())


def test_a_quarantined_item_has_no_change_to_await():
    async def main() -> None:
        async with connect_async("memory:") as orders:
            receipt = await orders.record_callback(b"<html>")
            assert (receipt.change, receipt.view) == (None, None)
            assert (await receipt.folded()).view is None

    asyncio.run(main())


def test_a_receipt_shows_its_own_version_however_late_it_is_awaited(url):
    async def main() -> list[str]:
        async with connect_async(url) as orders:
            statuses = ("brand_new", "acknowledged", "delivered")
            receipts = [await orders.record_callback(told(status)) for status in statuses]
            done = await asyncio.gather(*(receipt.folded() for receipt in receipts))
            return [receipt.view.status for receipt in done if receipt.view is not None]

    assert asyncio.run(main()) == ["brand_new", "acknowledged", "delivered"]


# What runs in the background


async def _ended(background: Callable[[AsyncOrders], Awaitable[None]]) -> list[str]:
    receiver = Receiver(connect_async("memory:"), BearerTokens(**SETUP))
    async with Service(receiver, background={"work": background}):
        await asyncio.to_thread(wait_until, lambda: receiver.health.ended)
        return list(receiver.health.ended)


async def _returns(_: AsyncOrders) -> None:
    return


async def _raises(_: AsyncOrders) -> None:
    raise RuntimeError


async def _leaks_a_cancellation(_: AsyncOrders) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("background", "found"),
    [
        (_returns, "work ended"),
        (_raises, "work failed with RuntimeError"),
        (_leaks_a_cancellation, "work failed with CancelledError"),
    ],
)
def test_a_background_task_that_ends_shows_in_health(background, found):
    assert asyncio.run(_ended(background)) == [found]


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def test_an_on_change_that_cancels_itself_is_logged_and_the_next_change_is_notified(quiet):
    seen: list[str] = []

    async def on_change(receipt: Any) -> None:
        seen.append(receipt.change.after)
        if len(seen) == 1:
            raise asyncio.CancelledError

    async def main() -> None:
        async with Receiver(
            connect_async("memory:"), BearerTokens(**SETUP), on_change=on_change
        ) as receiver:
            headers = {"authorization": f"Bearer {receiver.gate.tokens.issue('instacart')}"}
            for status in ("brand_new", "delivered"):
                body = json.dumps(told(status)).encode()
                await receiver.handle(Request("POST", "/callbacks", headers, body))
            await receiver.settled()

    asyncio.run(main())
    assert seen == ["brand_new", "delivered"]
    assert "on_change failed with CancelledError" in quiet.text
