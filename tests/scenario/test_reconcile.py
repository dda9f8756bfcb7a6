"""Reconciliation: lost callbacks are made good by GET, from a provider on a real socket."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import InvalidArgumentError, connect, connect_async
from lifecycle.errors import ProviderError, StoreClosedError
from lifecycle.http import reconcile as reconciling
from lifecycle.http.receiver import BearerTokens, Receiver, Service
from lifecycle.http.reconcile import (
    OverdueRule,
    Reconciled,
    keep_reconciled,
    reconcile,
    reconcile_async,
)
from lifecycle.providers.instacart import details
from lifecycle.providers.instacart import reader as recognizing
from lifecycle.providers.instacart.client import AsyncClient, Client
from lifecycle.testing import simulated
from tests.polling import wait_until
from tests.receiving import locked, orders_on
from tests.scenario.command_line import run

CREDENTIALS = {"client_id": "retailer", "client_secret": "retailer-secret", "user_id": "kamal"}
REQUEST = {
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
SECRET = "Kamala 5 Main Street"
AT_ONCE = {"longer_than": timedelta(0), "interval": timedelta(0)}


@pytest.fixture
def provider():
    """A provider that calls nobody back: every callback is as good as lost.

    Its clock all but stands still, so that no order goes on by itself on a busy machine.
    """
    with simulated(speed=0.001) as running:
        yield running


@pytest.fixture
def client(provider):
    with Client(provider.url, tries=1, first_wait=0.01, **CREDENTIALS) as calling:
        yield calling


@pytest.fixture
def orders():
    with connect("memory:") as opened:
        yield opened


def create(orders, client, order_id, simulate="delivered", *, record=True):
    """Create an order; without `record` the service dies before it knows the answer."""
    body = REQUEST | {"order_id": order_id, "special_instructions": f"simulate: {simulate}"}
    sent = orders.begin_request(order_id, body)
    answer = client.create(sent.receipt.event.body)
    if record:
        sent.answered(answer.http_status, answer.body, headers=answer.headers)


def test_a_lost_callback_is_replaced_by_a_poll(orders, client, provider):
    create(orders, client, "xyz123456")
    provider.settle()
    assert orders.get("xyz123456").status == "created"
    assert reconcile(orders, client, **AT_ONCE) == Reconciled(overdue=1, moved=1)
    view = orders.get("xyz123456")
    assert view.status == provider.truth["xyz123456"].status == "delivered"
    assert view.path[-1].event.startswith("poll:")
    assert {entry.kind for entry in orders.history("xyz123456")} == {"request", "response", "poll"}
    assert reconcile(orders, client, **AT_ONCE) == Reconciled()


def test_a_callback_that_was_only_late_still_finds_its_place(orders, client, provider):
    create(orders, client, "xyz123456")
    provider.settle()
    reconcile(orders, client, **AT_ONCE)
    digest = orders.get("xyz123456").path[-1].status
    for sent in provider.truth["xyz123456"].callbacks:
        orders.record_callback(sent.body.encode())
    view = orders.get("xyz123456")
    assert (view.status, digest) == ("delivered", "delivered")
    assert view.missing == ()
    assert view.anomalies == ()


def test_an_order_whose_answer_was_never_recorded_is_found(orders, client, provider):
    """The service died between sending and recording: its order waits for a response."""
    create(orders, client, "made", record=False)
    orders.begin_request("not-made", {"order_id": "not-made"})
    found = reconcile(orders, client, **AT_ONCE)
    assert found == Reconciled(overdue=2, moved=1, missing=1)
    assert orders.get("made").status == "created"
    assert orders.get("not-made").status == "requested"


def test_orders_that_only_we_can_continue_are_not_polled(orders, client, provider):
    create(orders, client, "to-correct", "bad-address")
    create(orders, client, "to-resend", "error-429")
    assert {name: orders.get(name).awaiting for name in ("to-correct", "to-resend")} == {
        "to-correct": ("correction",),
        "to-resend": ("resend",),
    }
    assert reconcile(orders, client, **AT_ONCE) == Reconciled()


def test_an_order_is_asked_for_once_in_an_interval_and_only_after_the_limit(
    orders, client, provider
):
    create(orders, client, "xyz123456", "under-way")
    provider.settle()
    now = datetime.now(UTC)
    spans = {"longer_than": timedelta(minutes=15), "interval": timedelta(minutes=5)}
    assert reconcile(orders, client, **spans, now=now + timedelta(minutes=14)).overdue == 0
    assert reconcile(orders, client, **spans, now=now + timedelta(minutes=16)).moved == 1
    assert reconcile(orders, client, **spans, now=now + timedelta(minutes=4)).overdue == 0
    later = reconcile(orders, client, **spans, now=now + timedelta(hours=9))
    assert later == Reconciled(overdue=1, unmoved=1)


def test_a_provider_whose_clock_is_ahead_hides_no_overdue_order(orders, client, provider):
    provider.advance(10**6)
    create(orders, client, "xyz123456", "under-way")
    provider.settle()
    reconcile(orders, client, **AT_ONCE)
    assert orders.get("xyz123456").arrival.waiting_since > datetime.now(UTC)
    assert reconcile(orders, client, **AT_ONCE).overdue == 1


def test_a_busy_provider_ends_the_pass_and_is_asked_again_later(orders, client):
    with (
        simulated(faults={"error-429": 1.0}) as busy,
        Client(busy.url, tries=1, **CREDENTIALS) as calling,
    ):
        for number in range(5):
            orders.record_callback({"id": f"order-{number}", "status": "brand_new"})
        found = reconcile(orders, calling, **AT_ONCE, at_once=1)
    assert (found.overdue, found.refused, found.not_asked) == (5, 1, 4)
    assert orders.get("order-0").status == "brand_new"


def test_a_provider_out_of_reach_ends_the_pass_and_nothing_is_recorded(orders):
    for number in range(3):
        orders.record_callback({"id": f"order-{number}", "status": "brand_new"})
    with Client("http://127.0.0.1:9", tries=1, **CREDENTIALS) as calling:
        found = reconcile(orders, calling, **AT_ONCE, at_once=1)
    assert (found.overdue, found.unanswered, found.not_asked) == (3, 1, 2)
    assert orders.get("order-0").events == 1


def test_failures_on_the_way_are_asked_again(orders):
    """Dropped connections, 500, 503 and refused tokens by rate: a few passes see it through."""
    faults = dict.fromkeys(("dropped-before", "dropped-after", "error-500", "error-401"), 0.3)
    with simulated(faults=faults, seed=2) as unkind:
        with Client(unkind.url, tries=3, first_wait=0.001, **CREDENTIALS) as calling:
            for number in range(6):
                name = f"order-{number}"
                body = REQUEST | {"order_id": name}
                orders.begin_request(name, body)
                for _ in range(20):
                    try:
                        if calling.create(orders_body(body)).http_status == 200:
                            break
                    except ProviderError:
                        continue
            unkind.settle()
            for _ in range(20):
                if reconcile(orders, calling, **AT_ONCE).overdue == 0:
                    break
        assert {view.status for view in orders.find()} <= {"delivered", "canceled"}
        for view in orders.find():
            assert view.status == unkind.truth[view.order_id].status


def orders_body(body):
    with connect("memory:") as scratch:
        return scratch.begin_request(body["order_id"], body).receipt.event.body


def test_on_result_is_called_for_every_order_and_customer_ids_may_differ(orders, provider):
    told = []
    with Client(provider.url, tries=1, **CREDENTIALS | {"user_id": "nobody"}) as calling:
        for order_id, user in (("a", "ann"), ("b", "bob")):
            body = REQUEST | {"order_id": order_id}
            calling.create(orders.begin_request(order_id, body).receipt.event.body, user_id=user)
        reconcile(
            orders,
            calling,
            **AT_ONCE,
            user_of=lambda view: {"a": "ann", "b": "ann"}[view.order_id],
            on_result=lambda order_id, result: told.append((order_id, result)),
        )
    assert sorted(told) == [("a", "moved"), ("b", "missing")]


def reconciled_by(way, url, calling, asynchronous, **also):
    """Return what one pass finds, by `reconcile` or by `reconcile_async`."""
    if way == "sync":
        with connect(url) as orders:
            return reconcile(orders, calling, **AT_ONCE, **also)

    async def one_pass():
        async with connect_async(url) as orders, asynchronous:
            return await reconcile_async(orders, asynchronous, **AT_ONCE, **also)

    return asyncio.run(one_pass())


def of_one_order(wrong):
    def user_of(view):
        return wrong() if view.order_id == "b" else None

    return user_of


def raising():
    raise KeyError(SECRET)


@pytest.fixture
def lost(client, provider, tmp_path):
    """A log of three orders whose callbacks were lost, and a client for each way."""
    url = f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        for order_id in "abc":
            create(orders, client, order_id)
    provider.settle()
    return url, client, AsyncClient(provider.url, tries=1, **CREDENTIALS)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (raising, "unexpected KeyError"),
        (lambda: 7, "user_of returned int, expected text or None"),
        (lambda: [SECRET], "user_of returned list, expected text or None"),
        (lambda: "\ud800", "unexpected "),
    ],
)
def test_an_order_whose_customer_id_is_unknown_stops_no_other(way, wrong, why, lost, caplog):
    told = []

    found = reconciled_by(
        way, *lost, user_of=of_one_order(wrong), on_result=lambda *each: told.append(each)
    )

    assert (found.overdue, found.moved, found.failed) == (3, 2, 1)
    assert sorted(told) == [("a", "moved"), ("b", "failed"), ("c", "moved")]
    assert why in found.why
    assert f"an order could not be asked for: {why}" in caplog.text
    assert SECRET not in caplog.text + repr(found)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_on_result_that_raises_stops_nothing(way, lost, caplog):
    found = reconciled_by(way, *lost, on_result=lambda *_: raising())

    assert found == Reconciled(overdue=3, moved=3)
    assert caplog.text.count("on_result failed with KeyError") == 3
    assert SECRET not in caplog.text


@pytest.mark.parametrize("way", ["sync", "async"])
def test_an_order_that_cannot_be_folded_is_logged_and_the_others_are_asked_for(
    way, lost, caplog, monkeypatch
):
    read, read_details = recognizing.read, details.read_details

    def failing(arrival, body):
        return read(arrival, body) if arrival.order_id != "b" else raising()

    def failing_details(order):
        return read_details(order) if (order or {}).get("id") != "b" else raising()

    monkeypatch.setattr("lifecycle.providers.instacart.read", failing)
    monkeypatch.setattr("lifecycle.providers.instacart.read_details", failing_details)

    found = reconciled_by(way, *lost)

    assert found == Reconciled(overdue=2, moved=2)
    assert "orders that cannot be folded and are not asked for: 1" in caplog.text
    assert SECRET not in caplog.text


def test_the_background_goes_on_whatever_the_functions_of_the_user_raise(provider, caplog):
    """One order's `user_of` raises at every pass, and so does whoever is told of passes."""
    passes = []

    def passed(found):
        passes.append(found)
        raise KeyError(SECRET)

    async def seen():
        async with (
            connect_async("memory:") as orders,
            AsyncClient(provider.url, tries=1, **CREDENTIALS) as calling,
        ):
            for name in ("a", "b"):
                sent = await orders.begin_request(name, REQUEST | {"order_id": name})
                await calling.create(sent.receipt.event.body)
            await asyncio.to_thread(provider.settle)
            run = keep_reconciled(
                calling,
                every=timedelta(milliseconds=10),
                user_of=of_one_order(raising),
                on_pass=passed,
                **AT_ONCE,
            )
            task = asyncio.create_task(run(orders))
            await asyncio.to_thread(wait_until, lambda: len(passes) > 3)
            assert not task.done()
            task.cancel()
            return (await orders.get("a")).status, (await orders.get("b")).status

    assert asyncio.run(seen()) == ("delivered", "requested")
    assert passes[0] == Reconciled(2, moved=1, failed=1, why=passes[0].why)
    assert passes[-1] == Reconciled(1, failed=1, why=passes[0].why)
    assert "on_pass failed with KeyError" in caplog.text
    assert SECRET not in caplog.text


def test_the_background_goes_on_after_a_pass_that_failed_and_ends_with_closed_orders(
    monkeypatch, caplog
):
    failures = [ZeroDivisionError(SECRET), StoreClosedError("memory:")]

    async def failing(*_, **__):
        raise failures.pop(0)

    monkeypatch.setattr(reconciling, "reconcile_async", failing)
    with pytest.raises(StoreClosedError):
        asyncio.run(keep_reconciled(None, every=timedelta(milliseconds=1))(None))
    assert failures == []
    assert "the pass ended: unexpected ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text


def test_coroutines_do_the_same(provider):
    async def recorded():
        async with (
            connect_async("memory:") as orders,
            AsyncClient(provider.url, tries=1, **CREDENTIALS) as calling,
        ):
            for number in range(8):
                name = f"order-{number}"
                sent = await orders.begin_request(name, REQUEST | {"order_id": name})
                await calling.create(sent.receipt.event.body)
            await asyncio.to_thread(provider.settle)
            first = await reconcile_async(orders, calling, **AT_ONCE, at_once=3)
            return first, await reconcile_async(orders, calling, **AT_ONCE)

    assert asyncio.run(recorded()) == (Reconciled(overdue=8, moved=8), Reconciled())


def test_it_runs_beside_the_receiver_and_ends_with_it(provider):
    async def recorded():
        passes = asyncio.Queue()
        async with AsyncClient(provider.url, tries=1, **CREDENTIALS) as calling:
            run = keep_reconciled(
                calling, every=timedelta(milliseconds=20), on_pass=passes.put_nowait, **AT_ONCE
            )
            receiver = Receiver(connect_async("memory:"), BearerTokens({"a": "b" * 32}, ["k" * 32]))
            async with Service(receiver, background={"reconciliation": run}):
                sent = await receiver.orders.begin_request("x", REQUEST | {"order_id": "x"})
                await calling.create(sent.receipt.event.body)
                await asyncio.to_thread(provider.settle)
                async with asyncio.timeout(30):
                    while (await passes.get()).moved == 0:
                        continue
                    while (await receiver.orders.get("x")).status != "delivered":
                        await passes.get()
                return receiver.health.ended

    assert asyncio.run(recorded()) == []


def test_a_store_that_is_locked_for_a_while_ends_a_pass_and_not_the_task(
    provider, tmp_path, caplog
):
    path = tmp_path / "orders.db"

    async def seen():
        orders = orders_on(path, retry_timeout=0.05)
        async with orders, AsyncClient(provider.url, tries=1, **CREDENTIALS) as calling:
            sent = await orders.begin_request("x", REQUEST | {"order_id": "x"})
            await calling.create(sent.receipt.event.body)
            await asyncio.to_thread(provider.settle)
            run = keep_reconciled(calling, every=timedelta(milliseconds=20), **AT_ONCE)
            with locked(path):
                task = asyncio.create_task(run(orders))
                await asyncio.to_thread(wait_until, lambda: "the pass ended" in caplog.text)
            while "1 orders were overdue, 1 of them moved" not in caplog.text:
                assert not task.done()
                await asyncio.sleep(0.01)
            task.cancel()
            assert (await orders.get("x")).status == "delivered"

    with caplog.at_level(logging.INFO, "lifecycle.reconciling"):
        asyncio.run(asyncio.wait_for(seen(), 60))


def test_a_provider_with_an_endless_retry_after_is_polled_again_within_the_hour(
    monkeypatch, caplog
):
    """It also shows that what could not be asked is logged, with the reason."""
    paused = []

    async def rest(seconds):
        paused.append(seconds)
        raise asyncio.CancelledError

    async def busy(*_, **__):
        return Reconciled(3, refused=1, not_asked=2, retry_after=1e9)

    monkeypatch.setattr(reconciling, "reconcile_async", busy)
    monkeypatch.setattr(asyncio, "sleep", rest)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_reconciled(None)(None))
    assert paused == [3600]
    assert "2 of 3 overdue orders were not answered: the provider is busy" in caplog.text


@pytest.mark.parametrize(
    "limits",
    [{"longer_than": timedelta(-1)}, {"interval": 5}, {"at_once": 0}, {"at_once": "2"}],
)
def test_invalid_limits_are_refused(limits):
    with pytest.raises(InvalidArgumentError):
        OverdueRule(**limits)
    with pytest.raises(InvalidArgumentError):
        keep_reconciled(None, **limits)


# The command


ENVIRONMENT = {
    "LIFECYCLE_PROVIDER_CLIENT_ID": "retailer",
    "LIFECYCLE_PROVIDER_CLIENT_SECRET": "retailer-secret",
    "LIFECYCLE_PROVIDER_USER_ID": "kamal",
}


def test_the_command_asks_and_counts(tmp_path, client, provider, monkeypatch):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        create(orders, client, "xyz123456")
        provider.settle()
    arguments = ("--waiting-longer-than", "0s", "--interval", "0s", "--db", "sqlite:///orders.db")
    set_here = ENVIRONMENT | {"LIFECYCLE_PROVIDER_URL": provider.url}
    found = run("reconcile", *arguments, "--json", cwd=tmp_path, env=set_here)
    assert (found.code, found.value["overdue"], found.value["moved"]) == (0, 1, 1)
    again = run("reconcile", *arguments, cwd=tmp_path, env=set_here)
    assert (again.code, again.out.split()[:2]) == (0, ["overdue", "0"])
    shown = run("show", "xyz123456", "--json", "--db", "sqlite:///orders.db", cwd=tmp_path)
    assert shown.value["status"] == "delivered"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"LIFECYCLE_PROVIDER_CLIENT_SECRET": "hush"}, "HTTP 401 invalid_client"),
        ({"LIFECYCLE_PROVIDER_URL": "http://127.0.0.1:1"}, "could not be opened"),
    ],
)
def test_the_command_says_why_orders_were_not_answered(tmp_path, client, provider, wrong, why):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        create(orders, client, "xyz123456")
    arguments = ("--waiting-longer-than", "0s", "--interval", "0s", "--db", "sqlite:///orders.db")
    env = ENVIRONMENT | {"LIFECYCLE_PROVIDER_URL": provider.url} | wrong
    found = run("reconcile", *arguments, "--json", cwd=tmp_path, env=env)
    assert (found.code, found.value["unanswered"]) == (1, 1)
    assert why in found.err
    assert "hush" not in found.err


def test_the_command_says_what_the_environment_lacks_and_no_secret(tmp_path):
    refused = run("reconcile", cwd=tmp_path, env=ENVIRONMENT)
    assert refused.code == 2
    assert "LIFECYCLE_PROVIDER_URL" in refused.err
    some = ENVIRONMENT | {"LIFECYCLE_PROVIDER_URL": "http://127.0.0.1:1"}
    some.pop("LIFECYCLE_PROVIDER_USER_ID")
    refused = run("reconcile", cwd=tmp_path, env=some)
    assert (refused.code, "no LIFECYCLE_PROVIDER_USER_ID;" in refused.err) == (2, True)
    assert "retailer-secret" not in refused.err


def test_the_command_resumes_what_a_process_began_under_its_customer(
    tmp_path, client, provider, monkeypatch
):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        create(orders, client, "made", record=False)
        orders.begin_request("lost", REQUEST | {"order_id": "lost"}, context={"user_id": "ann"})
    arguments = ("--db", "sqlite:///orders.db")
    set_here = ENVIRONMENT | {"LIFECYCLE_PROVIDER_URL": provider.url}

    first = run("resume", *arguments, "--json", cwd=tmp_path, env=set_here)

    counts = {"begun": 2, "created": 1, "correctable": 0, "refused": 0, "unknown": 1}
    assert (first.code, first.value) == (1, counts | {"waiting": 0, "failed": 0})
    assert "run it again in a minute" in first.err
    shown = run("show", "made", "--json", "--db", "sqlite:///orders.db", cwd=tmp_path)
    assert shown.value["status"] == "created"


def test_resuming_when_nothing_was_left_is_done(tmp_path, client, provider):
    with connect(f"sqlite:///{tmp_path}/orders.db") as orders:
        create(orders, client, "made")
    set_here = ENVIRONMENT | {"LIFECYCLE_PROVIDER_URL": provider.url}
    found = run("resume", "--db", "sqlite:///orders.db", cwd=tmp_path, env=set_here)
    assert (found.code, found.out.split()[:2]) == (0, ["begun", "0"])
