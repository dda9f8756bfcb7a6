"""The orders of one log, by provider, as every page reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple

from lifecycle.composition import orders_on
from lifecycle.core.event import Erased, Event, stream_of
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizer_of, recognizers_of
from lifecycle.core.view import OrderView
from lifecycle.errors import StoredFormatError, UnknownOrderError
from lifecycle.log.codec import decode
from lifecycle.log.contract import Log
from lifecycle.log.order_stream import order_in, provider_in, providers_in, providers_of
from lifecycle.log.view_store import Conditions
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.view_query import ViewQuery
from lifecycle.registry import known_providers
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.attention import (
    OVERDUE_AFTER,
    Attention,
    AttentionItem,
    AttentionRule,
    worst_first,
)
from lifecycle.service.order_links import OrderLinks
from lifecycle.service.orders import Orders
from lifecycle.service.quarantine import control_entries

MOST_FOUND: Final = 50
"""The most orders that a search by the beginning of an id lists."""

MOST_OF_A_KIND: Final = 100
"""The most items of each kind that the attention page shows."""


class OrderName(NamedTuple):
    """The name of an order: its provider and its id."""

    provider: str
    order_id: str


class StoredEvent(NamedTuple):
    """One stored event; `event` is None if its record is damaged."""

    position: int
    version: int
    event: Event | None


class LogSource:
    """The orders of one log. Its calls block, so coroutines must not make them."""

    def __init__(
        self, orders: Orders | AsyncOrders, overdue_after: timedelta = OVERDUE_AFTER
    ) -> None:
        self._orders = orders
        self._overdue_after = overdue_after
        self._log: Log | None = None
        self._by_provider: dict[str, Orders] = {}
        self._attention: dict[str, Attention] = {}

    @property
    def log(self) -> Log:
        """The log."""
        return self._orders.log

    @property
    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC)

    @property
    def known(self) -> Mapping[str, Provider]:
        """The providers whose orders can be read, by name."""
        own = recognizer_of(self._orders.provider)
        return {**known_providers(), own.name: own}

    def providers(self) -> list[str]:
        """Return the providers that have orders in the log; the opened one if there are none."""
        return [*providers_in(self.log)] or [self._orders.provider.name]

    def readable(self) -> list[str]:
        """Return the installed ones of these providers; at least one name."""
        names = [name for name in self.providers() if name in self.known]
        return names or [self._orders.provider.name]

    def any_orders(self) -> Orders:
        """Return orders for calls about the whole log, which need no certain provider."""
        return self.orders_of(self._orders.provider.name)

    def orders_of(self, provider: str) -> Orders:
        """Return the orders of a provider.

        Raises:
            UnknownOrderError: the provider is not installed.
        """
        if self._log is not self.log:  # it was opened again
            self._log, self._by_provider, self._attention = self.log, {}, {}
        if provider not in self._by_provider:
            found = self.known.get(provider)
            if found is None:
                raise UnknownOrderError(provider, "")
            self._by_provider[provider] = orders_on(self.log, found)
        return self._by_provider[provider]

    def query(self, provider: str, wanted: Conditions) -> ViewQuery:
        """Return a query over the views of a provider's orders."""
        known = self.known
        return ViewQuery(self.log, FoldCache(self.log, known), known[provider], wanted)

    def named(self, order_id: str) -> list[OrderName]:
        """Return the orders with this id."""
        return [OrderName(provider, order_id) for provider in providers_of(self.log, order_id)]

    def beginning_with(self, text: str) -> list[OrderName]:
        """Return the first orders whose ids begin with a text."""
        found: list[OrderName] = []
        for provider in self.providers():
            names = self.log.streams(prefix=stream_of(provider, text))
            found += (
                OrderName(provider_in(name), order_in(name)) for name in islice(names, MOST_FOUND)
            )
        return found[:MOST_FOUND]

    def events(self, name: OrderName) -> Iterator[StoredEvent]:
        """Yield the events of an order in the order of recording."""
        if self.log.cipher is not None:
            self.log.cipher.catch_up()
        for record in self.log.read(stream_of(*name)):
            try:
                entry = decode(record, self.log.cipher)
            except StoredFormatError:
                entry = None
            event = entry if isinstance(entry, Event) else None
            yield StoredEvent(record.position, record.version, event)

    def attention(self, *, include_reviewed: bool = False) -> list[AttentionItem]:
        """Return what needs attention, worst first, with a limit for each kind."""
        found: dict[str, AttentionItem] = {}
        for provider in self.readable():
            items = self._attention_of(provider).items(
                self._rule(), include_reviewed=include_reviewed, limit=MOST_OF_A_KIND
            )
            found |= {item.subject: item for item in items}
        return sorted(found.values(), key=worst_first)

    def attention_of(self, view: OrderView) -> list[AttentionItem]:
        """Return what needs attention about one order, reviewed items included."""
        return self._attention_of(view.provider).of_order(view, self._rule())

    def erasure_of(self, name: OrderName) -> Erased | None:
        """Return by whom an order was first erased, when, and why."""
        entries = (each for each in control_entries(self.log) if isinstance(each, Erased))
        return next((each for each in entries if each.stream == stream_of(*name)), None)

    def _rule(self) -> AttentionRule:
        return AttentionRule(self._overdue_after, self.now)

    def _attention_of(self, provider: str) -> Attention:
        self.orders_of(provider)
        if provider not in self._attention:
            known = self.known
            links = OrderLinks(self.log, recognizers_of(known))
            cache = FoldCache(self.log, known)
            self._attention[provider] = Attention(self.log, cache, known[provider], links)
        return self._attention[provider]
