"""The testing kit with every provider: walks, any order, and lifecycles drawn by Hypothesis."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.registry import known_providers
from lifecycle.testing import (
    assert_any_order,
    deliveries,
    hostile_deliveries,
    lifecycles,
    memory_orders,
    walks_to_moves,
    walks_to_states,
)
from lifecycle.testing import given as given_recordings

PEERS = ("doordash_drive", "uber_direct")
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def definition_of(provider):
    return known_providers()[provider].definition


MOVES = [(name, walk) for name in PEERS for walk in walks_to_moves(definition_of(name))]


@pytest.mark.parametrize(("provider", "walk"), MOVES, ids=str)
def test_the_recordings_of_a_walk_make_its_last_move(provider, walk):
    *before, last = walk.recordings(provider)
    change = walk.states[-2:]
    given_recordings(before, provider=provider).when(last).then(
        path=list(walk.states), change=change, anomalies=[]
    )


@pytest.mark.parametrize("provider", PEERS)
def test_every_order_of_five_events_with_repeats_gives_the_same_view(provider):
    walk = max(walks_to_states(definition_of(provider)), key=lambda one: len(one.moves))
    some = walk.recordings(provider)[-5:]
    views = set()
    for arrival in itertools.permutations(some):
        with memory_orders(provider) as orders:
            for recording in (*arrival, arrival[0], arrival[2]):
                orders.record_many([recording])
            views.add(orders.get(walk.recordings(provider)[0]["order_id"]).digest)
    assert len(views) == 1


@pytest.mark.parametrize(
    "samples", [6, pytest.param(120, marks=pytest.mark.long)], ids=["some orders", "many orders"]
)
@pytest.mark.parametrize("provider", PEERS)
@QUICK
@given(data=st.data())
def test_a_lifecycle_delivered_in_any_order_and_twice_gives_the_view_of_its_set(
    provider, samples, data
):
    whole = data.draw(lifecycles(provider))
    assert_any_order(whole, provider=provider, samples=samples)


@pytest.mark.parametrize("provider", PEERS)
@QUICK
@given(data=st.data())
def test_what_is_lost_or_hostile_harms_nothing_that_arrived(provider, data):
    whole = data.draw(lifecycles(provider))
    arrived = data.draw(st.one_of(deliveries(whole), hostile_deliveries(whole)))
    with memory_orders(provider) as orders:
        receipts = orders.record_many(arrived)
        assert len(receipts) >= len(arrived)
        for view in orders.find():
            assert view.status in definition_of(provider).states
