"""All orders of a provider in figures, from a bounded number of them.

stored views ─→ how many orders stand where ─────────────┐
orders heard of last ─→ folded ─→ moves, stays and hours ┴→ Overview
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.log.contract import Log
from lifecycle.log.view_store import Conditions
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable
from lifecycle.projections.folded_views import prefix_of
from lifecycle.projections.rates import Hour, HourTally
from lifecycle.projections.recent_views import MOST_LOOKED_AT, RecentOrders, recent_orders
from lifecycle.projections.stats import LogStats, Tally
from lifecycle.projections.view_query import ViewQuery

_AT_ONCE: Final = 100


class Overview(NamedTuple):
    """The figures of one provider's orders, as of a position of the log.

    `states` counts all orders by where they stand, `behind` so many records. The rest is about
    the orders heard of last: all that came after `since` is about them, None if they are all;
    `is_partial` as in the lists.
    """

    states: Mapping[str, int]
    stats: LogStats
    hours: tuple[Hour, ...]
    since: datetime | None
    is_partial: bool
    position: int
    behind: int
    counted_at: datetime
    seconds: float


def overview_of(log: Log, known: dict[str, Provider], provider: Provider) -> Overview:
    """Return the figures of a provider's orders; takes no more than half of a processor."""
    begun, cache, hours = time.monotonic(), FoldCache(log, known), HourTally()
    tally = Tally(provider.name, provider.definition)
    query = ViewQuery(log, cache, provider, Conditions())
    recent, poisoned = recent_orders(query, MOST_LOOKED_AT), query.known_poisoned()
    tally.skip(0 if poisoned is None else poisoned.count)
    streams = [prefix_of(provider) + order_id for order_id in recent.ids]
    for start in range(0, len(streams), _AT_ONCE):
        at = time.monotonic()
        page = streams[start : start + _AT_ONCE]
        cache.catch_up(page)
        for records in log.read_many(page).values():
            try:
                events = cache.events(records)
                folding = Folding.of(provider.definition, events)
                hours.add(folding)
            except Exception as trouble:  # noqa: BLE001 - one order's trouble is no other's
                why_unfoldable(trouble)
                tally.skip()
            else:
                tally.add(folding)
        if start + _AT_ONCE < len(streams):
            time.sleep(time.monotonic() - at)
    return _overview(recent, tally.stats(), hours, time.monotonic() - begun)


def _overview(recent: RecentOrders, stats: LogStats, hours: HourTally, seconds: float) -> Overview:
    states = {each.state: each.now for each in stats.states}
    if recent.by_status is not None:
        states = {state: recent.by_status.get(state, 0) for state in states}
    by_hour, now = hours.hours(recent.since), datetime.now(UTC)
    about = (recent.since, recent.is_partial, recent.position, recent.behind)
    return Overview(states, stats, by_hour, *about, now, seconds)
