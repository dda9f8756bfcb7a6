"""The dialogue against the simulated provider at its worst: no order is ever made twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from lifecycle import NoAnswerError, connect
from lifecycle.http.create_order import Refused, Unknown, create_order
from lifecycle.providers.instacart.client import Client
from lifecycle.providers.instacart.request import Address, CreateOrder
from lifecycle.providers.instacart.simulator import hostile
from lifecycle.testing import simulated

ORDERS = 16
LIMIT = 60.0
SOON = timedelta(seconds=2)
TOLD = {"client_id": "retailer", "client_secret": "retailer-secret", "user_id": "kamal"}
FAST = {"timeout": 0.4, "first_wait": 0.01, "longest_wait": 0.5}


def request(number: int) -> CreateOrder:
    return CreateOrder(
        order_id=f"order-{number}",
        service_option_hold_id=number,
        location_code="1003",
        locale="en-US",
        first_name="Kamal",
        last_name="Singh",
        user_phone="+18005550101",
        items_count=12,
        items_weight=15,
        address=Address(address_line_1="50 Beale St", postal_code="94105"),
    )


def worst():
    """Serve a provider that loses answers, and makes a second order of a repeated id."""
    return simulated(**{**hostile(0.15), "slow_seconds": 1.0}, seed=7)


def test_under_every_fault_repeating_the_call_creates_each_order_once(tmp_path):
    with (
        worst() as provider,
        connect(f"sqlite:///{tmp_path}/orders.db") as orders,
        Client(provider.url, **TOLD, **FAST) as client,
        ThreadPoolExecutor(8) as pool,
    ):

        def persist(number):
            """Make the same call until it is settled; this provider takes no token now and then."""
            ends_at = time.monotonic() + LIMIT
            while time.monotonic() < ends_at:
                outcome = create_order(orders, client, request(number), settle_after=SOON)
                match outcome:
                    case Unknown(retry_after=seconds):
                        time.sleep(min(seconds or 0.05, 2.0))
                    case Refused(why="unauthorized"):
                        continue
                    case _:
                        return outcome
            raise AssertionError(outcome)

        outcomes = list(pool.map(persist, range(ORDERS)))
        truth = provider.truth
    assert [truth[f"order-{number}"].creates for number in range(ORDERS)] == [1] * ORDERS
    assert len(outcomes) == ORDERS


def test_without_the_dialogue_the_same_faults_make_some_orders_twice():
    """The positive control: whoever sends again after a timeout orders twice, and is caught."""
    with worst() as provider, Client(provider.url, **TOLD, **FAST) as client:

        def insist(number):
            for _ in range(20):
                try:
                    if client.create(request(number)).http_status == 200:
                        return
                except NoAnswerError:
                    continue

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(insist, range(ORDERS)))
        creates = [order.creates for order in provider.truth.values()]
    assert max(creates) > 1
