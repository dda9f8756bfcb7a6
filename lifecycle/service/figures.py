"""The figures of one log for a monitor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.core.view import OrderView
from lifecycle.log.contract import Log
from lifecycle.log.feed_store import SubscriptionPosition
from lifecycle.log.view_store import Conditions, microseconds
from lifecycle.projections.stored_views import StoredViews
from lifecycle.service.attention import (
    Attention,
    AttentionRule,
    reviews_in,
    unreviewed_feeds,
    waits_for_others,
)

HEARD_WITHIN: Final = timedelta(days=1)


class Figures(NamedTuple):
    """The figures of one log for a monitor.

    `late` counts the events that were recorded after an event they precede, `missing` the states
    that no event named; both cover the orders with an event in the last day. `feeds` are the
    subscriptions, without reviewed dead letters; `end` is the last position. `views_lag` counts
    the records that the stored views lack; None without stored views. `attention` counts the
    unreviewed items by kind. `oldest_waiting` is how many seconds the oldest order has waited for
    the provider.
    """

    late: int
    missing: int
    feeds: tuple[SubscriptionPosition, ...]
    end: int
    views_lag: int | None
    attention: Mapping[str, int]
    oldest_waiting: float


def figures_of(log: Log, attention: Attention, views: StoredViews, rule: AttentionRule) -> Figures:
    """Return the figures of a log, and of the orders of one provider in it."""
    since = microseconds(rule.now - HEARD_WITHIN)
    heard = [
        (view.arrival.late, len(view.missing))
        for view in attention.views(Conditions(received_since=since))
    ]
    waiting = attention.views(Conditions(waiting_before=microseconds(rule.now)))
    status = views.status()
    return Figures(
        sum(late for late, _ in heard),
        sum(missing for _, missing in heard),
        tuple(unreviewed_feeds(log, reviews_in(log))),
        log.last_position(),
        None if status.live is None else status.behind,
        Counter(item.kind for item in attention.items(rule, include_reviewed=False)),
        _longest(waiting, rule.now),
    )


def _longest(waiting: Iterable[OrderView], now: datetime) -> float:
    since = (view.arrival.waiting_since for view in waiting if waits_for_others(view))
    return (now - min(since, default=now)).total_seconds()
