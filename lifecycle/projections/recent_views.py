"""Orders by the time of their last event, newest first, a page at a time.

    stored views before a place ─┐
    orders touched since ─→ folded ─┴─→ by the time of their last event ─→ those that fit

A page looks at a bounded number of orders, however many there are, and says where the next one
begins. Where no views are stored, only the first orders by id are folded: `is_partial`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from lifecycle.core.view import OrderView
from lifecycle.log.view_store import EPOCH, Heard, StoredView, microseconds
from lifecycle.projections.folded_views import prefix_of
from lifecycle.projections.stored_form import to_view
from lifecycle.projections.view_query import StoredPages, ViewQuery, fits

MOST_LOOKED_AT: Final = 5_000
"""How many orders one page looks at, where few match the query."""

MOST_FOLDED: Final = 1_000
"""How many orders are folded where no views are stored."""

_Seen = tuple[Heard, OrderView | None]
"""The place of an order that was looked at, and its view if it fits."""

FIRST: Final = Heard(2**63 - 1, "")

_AT_ONCE: Final = 250


class RecentViews(NamedTuple):
    """One page: `next` is where the next one begins, None after the last.

    `is_partial`: no views are stored, and there are more orders than were looked at.
    """

    views: list[OrderView]
    next: Heard | None
    is_partial: bool


def recent_views(
    query: ViewQuery, before: Heard = FIRST, *, at_most: int, until: int | None = None
) -> RecentViews:
    """Return the next page of the orders for which the conditions of a query hold.

    Args:
        query: whose orders, and the conditions.
        before: where the page begins.
        at_most: how many orders a page has.
        until: the page ends at orders whose last event is before this time, in microseconds.
    """
    stored = query.stored_pages()
    if stored is None:
        views, is_partial = _first_by_id(query)
        found = _fresh(query, sorted(views, key=heard_of, reverse=True))
        return _page(found, before, at_most, until)._replace(is_partial=is_partial)
    anew = sorted(query.folded(stored.touched).values(), key=heard_of, reverse=True)
    seen = merge(_fresh(query, anew), _stored(stored, before), key=itemgetter(0), reverse=True)
    return _page(seen, before, at_most, until)


class RecentOrders(NamedTuple):
    """The ids of the orders heard of last.

    All that was received later than `since` is about them; None: there are no other orders.
    `by_status` counts all orders up to `position`, `behind` so many records; None where no views
    are stored. Then they are the first orders by id: `is_partial` if there are more.
    """

    ids: list[str]
    since: datetime | None
    by_status: dict[str, int] | None
    position: int
    behind: int
    is_partial: bool


def recent_orders(query: ViewQuery, at_most: int) -> RecentOrders:
    """Return the orders heard of last, and how many orders there are of each status."""
    end = query.log.last_position()
    stored = query.stored_pages()
    if stored is None:
        ids, is_partial = _first_ids(query, at_most)
        return RecentOrders(ids, None, None, end, 0, is_partial)
    ids, touched, before = [*stored.touched], set(stored.touched), FIRST
    while (rows := stored.store.recent(stored.live, before, _AT_ONCE)) and len(ids) < at_most:
        ids += (row.order_id for row in rows if row.order_id not in touched)
        before = rows[-1].heard
    since = EPOCH + timedelta(microseconds=before.last_received_at) if rows else None
    counts = stored.store.count_by_status(stored.live)
    position = stored.live.position
    return RecentOrders(ids, since, counts, position, end - position, is_partial=False)


def heard_of(view: OrderView) -> Heard:
    """Return the place of an order in this sequence."""
    return Heard(microseconds(view.arrival.last_received_at), view.order_id)


def _page(found: Iterator[_Seen], before: Heard, at_most: int, until: int | None) -> RecentViews:
    page: list[OrderView] = []
    for number, (place, view) in enumerate((seen for seen in found if seen[0] < before), 1):
        if until is not None and place.last_received_at < until:
            break
        if view is not None:
            page.append(view)
        if len(page) == at_most or number == MOST_LOOKED_AT:
            return RecentViews(page, place, is_partial=False)
    return RecentViews(page, None, is_partial=False)


def _fresh(query: ViewQuery, views: Iterable[OrderView]) -> Iterator[_Seen]:
    for view in views:
        yield heard_of(view), view if fits(query.wanted, view) else None


def _stored(stored: StoredPages, before: Heard) -> Iterator[_Seen]:
    """Yield the stored views of the orders that were not touched since."""
    touched = set(stored.touched)
    while rows := stored.store.recent(stored.live, before, _AT_ONCE):
        for row in rows:
            if row.order_id not in touched:
                yield row.heard, _view(stored.query, row)
        before = rows[-1].heard


def _view(query: ViewQuery, row: StoredView) -> OrderView | None:
    """Return a stored view if it fits; one that cannot be read is folded."""
    holds = query.wanted.hold_for(
        row.status,
        waits=bool(row.awaiting),
        since=row.waiting_since,
        anomalies=row.anomalies,
        received=row.last_received_at,
    )
    if not holds:
        return None
    return to_view(query.definition, row) or query.folded([row.order_id]).get(row.order_id)


def _first_by_id(query: ViewQuery) -> tuple[list[OrderView], bool]:
    """Return the views of the first orders by id, and whether there are more."""
    ids, is_partial = _first_ids(query, MOST_FOLDED)
    return [*query.folded(ids).values()], is_partial


def _first_ids(query: ViewQuery, at_most: int) -> tuple[list[str], bool]:
    prefix = prefix_of(query.provider)
    names = [*islice(query.log.streams(prefix=prefix), at_most + 1)]
    return [name.removeprefix(prefix) for name in names[:at_most]], len(names) > at_most
