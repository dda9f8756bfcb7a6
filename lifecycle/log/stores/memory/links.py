"""The index of links in memory: the same meanings, nothing durable."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from lifecycle.log.link_store import LinkStore, OrderLink


class MemoryLinks(LinkStore):
    """A `LinkStore` that lives as long as this object."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, str], set[str]] = {}

    def add(self, links: Iterable[OrderLink]) -> None:
        """Keep links; what is there already stays."""
        for provider, link, order_id in links:
            known = self._orders.get((provider, link), set())
            self._orders[provider, link] = known | {order_id}

    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""
        return sorted(self._orders.get((provider, link), ()))[:2]

    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
        links = sorted(
            OrderLink(*named, order_id)
            for named, orders in list(self._orders.items())
            for order_id in orders
        )
        return list(islice((link for link in links if after is None or link > after), at_most))
