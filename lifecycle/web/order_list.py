"""The list of orders: found by the beginning of an id, or filtered, latest event first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Self

from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.view_store import Conditions, Heard, microseconds
from lifecycle.projections.recent_views import FIRST, recent_views
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource, OrderName

AT_ONCE: Final = 50
MOST_AT_ONCE: Final = 1_000

SPANS: Final[Mapping[str, timedelta]] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
"""The spans that the page offers, by their names in the address."""

_HEADINGS: Final = (
    *("provider", "order_id", "status", "terminal", "awaiting", "waiting_since", "anomalies"),
    *("first_received_at", "last_received_at", "events"),
)


class Filters(NamedTuple):
    """The filters of a list of orders, from its address."""

    provider: str
    status: str
    waiting: str
    heard: str
    odd: bool
    before: Heard
    limit: int

    @classmethod
    def of(cls, asked: Mapping[str, str], providers: list[str]) -> Self:
        """Return the filters in an address.

        Raises:
            InvalidArgumentError: a filter has an unknown value.
        """
        provider = asked.get("provider") or providers[0]
        for name in ("waiting", "heard"):
            if asked.get(name) and asked[name] not in SPANS:
                raise InvalidArgumentError(name, "one of " + ", ".join(SPANS))
        return cls(
            provider,
            asked.get("status", ""),
            asked.get("waiting", ""),
            asked.get("heard", ""),
            asked.get("odd", "") not in {"", "0"},
            _place(asked.get("before", "")),
            _limit(asked.get("limit", "")),
        )

    def conditions(self, now: datetime) -> Conditions:
        """Return these filters as conditions of a query."""
        return Conditions.of(
            status=self.status or None,
            waiting_longer_than=SPANS.get(self.waiting),
            now=now,
            anomalies=self.odd,
            received_since=None,
            received_before=None,
        )

    def asked(self, **other: object) -> dict[str, object]:
        """Return the query parameters of an address with these filters."""
        own = {"provider": self.provider, "status": self.status, "waiting": self.waiting}
        limit = "" if self.limit == AT_ONCE else self.limit
        return {**own, "heard": self.heard, "odd": "1" * self.odd, "limit": limit, **other}


class FoundOrders(NamedTuple):
    """The result of a search by the beginning of an id."""

    text: str
    orders: list[OrderName]

    @property
    def only(self) -> OrderName | None:
        """The order that was found, if it is the only one with this id or this beginning."""
        exact = [name for name in self.orders if name.order_id == self.text]
        for found in (exact, self.orders):
            if len(found) == 1:
                return found[0]
        return None


def find_orders(source: LogSource, text: str) -> FoundOrders:
    """Return the orders whose ids equal a text, or else begin with it."""
    exact = source.named(text)
    return FoundOrders(text, exact or source.beginning_with(text))


def found_page(source: LogSource, found: FoundOrders) -> Page:
    """Return the list of orders that a search found."""
    rows = [(each, _view_of(source, each)) for each in found.orders]
    told = {"found": [name._asdict() for name in found.orders]}
    shown = {"found": found, "rows": rows}
    table = Table(("provider", "order_id"), found.orders)
    return Page("found.html", f"Orders that begin with {found.text}", shown, told, table)


def orders_page(source: LogSource, asked: Mapping[str, str]) -> Page:
    """Return a page of the list of orders.

    Raises:
        InvalidArgumentError: the address has an unknown value.
    """
    now, providers = source.now, source.providers()
    filters = Filters.of(asked, source.readable())
    orders = source.orders_of(filters.provider)
    definition = orders.provider.definition
    if filters.status and filters.status not in definition.states:
        raise InvalidArgumentError("status", "one of " + ", ".join(definition.states))
    since = microseconds(now - SPANS[filters.heard]) if filters.heard else None
    query = source.query(filters.provider, filters.conditions(now))
    found = recent_views(query, filters.before, at_most=filters.limit, until=since)
    following = None if found.next is None else filters.asked(before=_text_of(found.next))
    shown = {
        "filters": filters,
        "views": found.views,
        "definition": definition,
        "providers": providers,
        "spans": SPANS,
        "following": following,
        "is_first": filters.before == FIRST,
        "is_partial": found.is_partial,
    }
    told = {
        "orders": [view.model_dump(mode="json") for view in found.views],
        "before": None if found.next is None else _text_of(found.next),
        "partial": found.is_partial,
    }
    table = Table(_HEADINGS, map(_row, found.views))
    live = "*" if filters.before == FIRST else ""
    return Page("orders.html", "Orders", shown, told, table, live=live)


def _view_of(source: LogSource, name: OrderName) -> OrderView | None:
    """Return the view of an order; None if its provider is not installed."""
    if name.provider not in source.known:
        return None
    return source.orders_of(name.provider).get(name.order_id)


def _row(view: OrderView) -> list[Any]:
    arrival = view.arrival
    return [
        *(view.provider, view.order_id, view.status, view.terminal, " ".join(view.awaiting)),
        *(arrival.waiting_since, len(view.anomalies)),
        *(arrival.first_received_at, arrival.last_received_at, view.events),
    ]


def _text_of(place: Heard) -> str:
    return f"{place.last_received_at}~{place.order_id}"


def _place(text: str) -> Heard:
    at, _, order_id = text.partition("~")
    if not text:
        return FIRST
    if not at.lstrip("-").isdecimal() or len(at) > 18:
        raise InvalidArgumentError("before", "the place that a page before this one told")
    return Heard(int(at), order_id)


def _limit(text: str) -> int:
    if not text:
        return AT_ONCE
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_AT_ONCE:
        raise InvalidArgumentError("limit", f"a number from 1 to {MOST_AT_ONCE}")
    return int(text)
