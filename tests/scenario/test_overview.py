"""All orders in figures: counted from stored views, and from the orders heard of last."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle import connect
from lifecycle.log.view_store import Batch, Conditions, Poisoned
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.overview import overview_of
from lifecycle.projections.rates import HourTally
from lifecycle.projections.recent_views import recent_orders
from lifecycle.projections.view_query import ViewQuery

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def orders(request, tmp_path):
    """Forty orders, one heard of every ten minutes; every fourth one is canceled."""
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/orders.db"
    with connect(url) as orders:
        for number in range(40):
            at = NOON + timedelta(minutes=10 * number)
            orders.record_callback({"id": f"{number:02}", "status": "brand_new"}, received_at=at)
            if number % 4 == 0:
                orders.record_callback({"id": f"{number:02}", "status": "canceled"}, received_at=at)
        yield orders


def recent(orders, at_most):
    cache = FoldCache(orders.log, {"instacart": orders.provider})
    return recent_orders(ViewQuery(orders.log, cache, orders.provider, Conditions()), at_most)


def figures(orders):
    return overview_of(orders.log, {"instacart": orders.provider}, orders.provider)


def test_the_orders_heard_of_last_are_found_with_the_time_since_which_nothing_else_came(
    orders, monkeypatch
):
    orders.views.rebuild()
    monkeypatch.setattr("lifecycle.projections.recent_views._AT_ONCE", 5)
    found = recent(orders, 10)
    assert found.ids == [f"{number:02}" for number in range(39, 29, -1)]
    assert found.since == NOON + timedelta(minutes=300)
    assert found.by_status == {"brand_new": 30, "canceled": 10}
    late = {"id": "05", "status": "canceled"}
    orders.record_callback(late, received_at=NOON + timedelta(minutes=7))
    touched = recent(orders, 10)
    assert touched.ids[0] == "05"
    assert set(found.ids[:9]) < set(touched.ids)


def test_with_few_orders_all_of_them_are_counted_whether_views_are_stored_or_not(orders):
    folded = figures(orders)
    assert folded.stats == orders.stats()
    orders.views.rebuild()
    stored = figures(orders)
    assert (stored.stats, stored.hours, stored.states) == (
        folded.stats,
        folded.hours,
        folded.states,
    )
    assert (stored.since, stored.is_partial, stored.behind) == (None, False, 0)
    assert Counter(stored.states) == Counter(brand_new=30, canceled=10)


def test_of_many_orders_all_are_counted_by_state_and_the_whole_hours_of_the_last_ones_are_told(
    orders, monkeypatch
):
    orders.views.rebuild()
    everything = figures(orders)
    monkeypatch.setattr("lifecycle.projections.overview.MOST_LOOKED_AT", 10)
    monkeypatch.setattr("lifecycle.projections.recent_views._AT_ONCE", 5)
    bounded = figures(orders)
    assert bounded.states == everything.states
    assert bounded.stats.orders == 10
    assert bounded.since == NOON + timedelta(minutes=300)
    assert bounded.hours == everything.hours[-1:]
    assert bounded.hours[0].hour == NOON + timedelta(hours=6)


def test_stored_views_that_lag_say_so_and_the_rest_is_of_now(orders):
    orders.views.rebuild()
    for number in range(40, 45):
        orders.record_callback({"id": f"{number}", "status": "brand_new"}, received_at=NOON)
    lagging = figures(orders)
    assert (lagging.behind, sum(lagging.states.values())) == (5, 40)
    assert lagging.stats.orders == 45


def test_orders_that_the_stored_views_could_not_fold_are_counted_too(orders):
    orders.views.rebuild()
    (live,) = orders.log.views.generations("instacart")
    assert orders.log.views.write(live, Batch(poisoned=[Poisoned("a", "why"), Poisoned("b", "so")]))
    assert figures(orders).stats.unfoldable == 2


def test_without_stored_views_only_the_first_orders_are_counted_and_that_is_said(
    orders, monkeypatch
):
    monkeypatch.setattr("lifecycle.projections.overview.MOST_LOOKED_AT", 10)
    bounded = figures(orders)
    assert (bounded.is_partial, bounded.stats.orders) == (True, 10)


def test_the_last_hour_is_told_where_none_is_whole(orders, monkeypatch):
    assert HourTally().hours() == ()
    orders.views.rebuild()
    monkeypatch.setattr("lifecycle.projections.overview.MOST_LOOKED_AT", 2)
    monkeypatch.setattr("lifecycle.projections.recent_views._AT_ONCE", 1)
    assert figures(orders).since == NOON + timedelta(minutes=380)
    assert [hour.hour for hour in figures(orders).hours] == [NOON + timedelta(hours=6)]
