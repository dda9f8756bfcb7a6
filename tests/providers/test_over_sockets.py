"""Every provider over real sockets: created once, called back, looked at, and canceled."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle import connect_async
from lifecycle.errors import UnknownOrderError
from lifecycle.http.create_order import (
    Correctable,
    Created,
    Refused,
    Unknown,
    create_order,
    create_order_async,
    find_outcome,
)
from lifecycle.http.reconcile import reconcile
from lifecycle.registry import part_of
from tests.providers.shops import OURS, SHOPS, world


@pytest.fixture(params=SHOPS)
def shop(request):
    return SHOPS[request.param]


def created(there: Any, order_id: str, **how: Any) -> Any:
    return create_order(there.orders, there.client, there.shop.request(order_id, **how))


def test_an_order_is_created_and_its_callbacks_tell_what_becomes_of_it(shop, tmp_path):
    with world(shop, tmp_path, seed=1) as there:
        assert isinstance(created(there, "o-1"), Created)
        there.provider.settle()
        view, truth = there.orders.get("o-1"), there.provider.truth["o-1"]
        assert (view.status, view.terminal) == (truth.status, True)
        assert view.anomalies == ()
        assert {sent.fate for sent in truth.callbacks} == {"acknowledged"}
        assert [step.status for step in view.path][-1] == "delivered"


def test_every_way_of_an_order_ends_where_the_provider_ends_it(shop, tmp_path):
    scenarios = part_of(shop.name, "simulator").scenarios
    ways = sorted(name for name, one in scenarios.items() if one.kind == "way")
    for way in ways:
        (tmp_path / way).mkdir()
        with world(shop, tmp_path / way, ways={way: 1}) as there:
            created(there, "o-1")
            there.provider.settle()
            view, truth = there.orders.get("o-1"), there.provider.truth["o-1"]
            assert (view.status, way) == (truth.status, way)
            assert view.anomalies == ()


def test_a_rejected_request_names_the_field_is_corrected_and_makes_one_order(shop, tmp_path):
    with world(shop, tmp_path) as there:
        refused = created(there, "o-1", right=False)
        assert isinstance(refused, Correctable)
        (error,) = refused.errors
        assert "address" in error.key
        assert error.message
        assert isinstance(created(there, "o-1"), Created)
        assert isinstance(created(there, "o-1"), Created)
        assert there.provider.truth["o-1"].creates == 1
        assert there.orders.get("o-1").attempt == 2


@pytest.mark.parametrize("fault", ["dropped-after", "error-500"])
def test_an_order_whose_answer_was_lost_is_found_and_not_made_again(shop, tmp_path, fault):
    with world(shop, tmp_path, faults={fault: 1}, on_repeat="create") as there:
        outcome = created(there, "o-1")
        assert isinstance(outcome, Unknown | Created)
        created(there, "o-1")
        assert there.provider.truth["o-1"].creates == 1


def test_coroutines_create_over_the_same_engine(shop, tmp_path):
    with world(shop, tmp_path) as there:

        async def main() -> Any:
            make = part_of(shop.name, "client").async_client
            async with (
                connect_async("memory:", provider=shop.name) as orders,
                make(**shop.account(there.provider.url)) as client,
            ):
                return await create_order_async(orders, client, shop.request("o-2"))

        assert isinstance(asyncio.run(main()), Created)


def test_somebody_whom_the_provider_does_not_know_makes_nothing(shop, tmp_path):
    with world(shop, tmp_path) as there:
        account = dict(shop.account(there.provider.url))
        secret = "client_secret" if "client_secret" in account else "signing_secret"
        account[secret] = OURS[::-1]
        with part_of(shop.name, "client").client(**account) as stranger:
            outcome = create_order(there.orders, stranger, shop.request("o-1"))
        assert isinstance(outcome, Refused)
        assert outcome.why in {"unauthorized", "no_token"}
        assert "o-1" not in there.provider.truth


def test_lost_callbacks_are_replaced_by_polls(shop, tmp_path):
    with world(shop, tmp_path, faults={"lost": 1}) as there:
        created(there, "o-1")
        there.provider.settle()
        assert there.orders.get("o-1").status == shop.made
        later = datetime.now(UTC) + timedelta(hours=8)
        found = reconcile(there.orders, there.client, now=later)
        assert (found.overdue, found.moved, found.why) == (1, 1, None)
        assert there.orders.get("o-1").status == there.provider.truth["o-1"].status == "delivered"


def test_an_order_that_is_canceled_is_refused_from_then_on(shop, tmp_path):
    with world(shop, tmp_path) as there:
        created(there, "o-1")
        while there.client.cancel("o-1").http_status // 100 != 2:
            there.provider.advance(5)
        there.provider.settle()
        outcome = created(there, "o-1")
        assert isinstance(outcome, Refused)
        assert outcome.why == "canceled"
        assert isinstance(find_outcome(there.orders, there.client, "o-1"), Refused)


def test_an_order_that_is_under_way_cannot_be_canceled(shop, tmp_path):
    with world(shop, tmp_path) as there:
        created(there, "o-1")
        there.provider.settle()
        assert there.client.cancel("o-1").http_status // 100 == 4
        assert there.orders.get("o-1").status == "delivered"


def test_an_order_that_the_provider_does_not_have_is_absent(shop, tmp_path):
    with world(shop, tmp_path) as there:
        answer = there.client.get("never-made")
        assert there.client.is_absent(answer)
        outcome = find_outcome(there.orders, there.client, "never-made")
        assert isinstance(outcome, Unknown)
        assert outcome.why == "not_found"


@pytest.mark.parametrize("seed", range(2))
def test_faults_by_seed_make_no_view_differ_from_the_truth(shop, tmp_path, seed):
    names = ("repeated", "reordered", "divergent", "delayed", "overtaking")
    faults = dict.fromkeys(names, 0.5)
    with world(shop, tmp_path, seed=seed, faults=faults, speed=10_000) as there:
        for number in range(4):
            created(there, f"o-{number}")
        there.provider.settle()
        for order_id, truth in there.provider.truth.items():
            assert there.orders.get(order_id).status == truth.status
        sent = [one for truth in there.provider.truth.values() for one in truth.callbacks]
        assert len({mark for one in sent for mark in one.marks}) > 1


def test_callbacks_with_another_secret_are_refused_and_never_recorded(shop, tmp_path):
    """The control of all others: with the secret that our gate knows, each is acknowledged."""
    with world(shop, tmp_path, known="another secret, as long as the first", retries=0) as there:
        created(there, "o-1")
        there.provider.settle()
        sent = there.provider.truth["o-1"].callbacks
        assert {one.fate for one in sent} == {"given_up"}
        assert there.orders.get("o-1").status == shop.made


def test_what_nobody_created_is_unknown(shop, tmp_path):
    with world(shop, tmp_path) as there, pytest.raises(UnknownOrderError):
        there.orders.get("o-1")
