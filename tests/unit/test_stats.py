"""A whole log in figures: counts are exact, quantiles within what is said, memory constant."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from lifecycle import connect, connect_async
from lifecycle.projections.stats import RELATIVE_ERROR, Stays
from lifecycle.providers.instacart import sample_orders

SPANS = st.floats(0.001, 1e9, allow_nan=False)


def exact(spans: list[float], share: float) -> float:
    """Return the span that this share does not exceed, of all of them sorted."""
    return sorted(spans)[ceil(share * len(spans)) - 1]


@given(st.lists(SPANS, min_size=1, max_size=60), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_a_quantile_is_as_near_as_it_says(spans, share):
    stays = Stays()
    for span in spans:
        stays.add(span)
    true = exact(spans, share)
    assert abs(stays.quantile(share) - true) <= RELATIVE_ERROR * true * 1.0001 + 0.0005


def test_no_stays_have_no_quantile_and_none_at_all_is_nothing():
    stays = Stays()
    assert stays.quantile(0.5) is None
    stays.add(0.0)
    assert stays.quantile(0.5) == 0.0


def test_a_coarser_count_would_be_noticed():
    """The positive control: with classes twice as wide the error is larger than it says."""
    true = [10 * 1.013**power for power in range(200)]
    stays = Stays()
    for span in true:
        stays.add(span * 1.03)
    errors = [
        abs(stays.quantile(share / 200) / exact(true, share / 200) - 1) for share in (50, 150)
    ]
    assert max(errors) > RELATIVE_ERROR


def test_many_more_stays_take_no_more_memory():
    def grown(count: int) -> int:
        tracemalloc.start()
        stays = Stays()
        for number in range(count):
            stays.add(0.001 + (number * 7919 % 100_000))
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    assert grown(60_000) < 2 * grown(6_000)


def delivered():
    told = sample_orders.generate(11, 60)
    return sample_orders.deliver(11, told, lost=0.1, delayed=0.3, divergent=0.05).recordings


def test_every_move_of_every_order_is_counted_once():
    with connect("memory:") as orders:
        orders.record_many(delivered())
        stats = orders.stats()
        views = list(orders.find())
    states = Counter(step.status for view in views for step in view.path)
    moves = Counter(
        (before, after)
        for view in views
        for before, after in zip(
            [None, *(step.status for step in view.path)],
            [step.status for step in view.path],
            strict=False,
        )
    )
    assert {(move.from_, move.to): move.count for move in stats.moves} == moves
    assert {state.state: state.entered for state in stats.states if state.entered} == states
    assert sum(state.now for state in stats.states) == stats.orders == len(views)
    assert stats.events == sum(view.events for view in views)
    now = Counter(view.status for view in views)
    assert {state.state: state.now for state in stats.states if state.now} == now
    assert any(not move.declared for move in stats.moves)


def test_time_in_a_state_is_measured_between_known_times_and_an_open_one_is_not():
    with connect("memory:") as orders:
        for name, at in (
            ("brand_new", "10:00:00"),
            ("at_store", "10:10:00"),
            ("delivering", "10:13:00"),
        ):
            orders.record_callback(
                {
                    "event_id": name,
                    "event_name": name,
                    "event_timestamp": f"2022-06-04T{at}Z",
                    "event_metadata": {"order_id": "xyz"},
                }
            )
        by_name = {state.state: state for state in orders.stats().states}
    assert (by_name["brand_new"].p50, by_name["brand_new"].p95) == (600.0, 600.0)
    assert (by_name["at_store"].stays, by_name["at_store"].p50) == (1, 180.0)
    assert (by_name["delivering"].stays, by_name["delivering"].p50) == (0, None)
    assert by_name["delivering"].now == 1


def test_progress_counts_every_event_and_coroutines_count_the_same():
    told: list[int] = []

    async def asked():
        async with connect_async("memory:") as orders:
            await orders.record_many(delivered())
            return await orders.stats(on_progress=told.append)

    stats = asyncio.run(asked())
    assert sum(told) == stats.events
    with connect("memory:") as orders:
        orders.record_many(delivered())
        assert orders.stats() == stats
