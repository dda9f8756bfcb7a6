"""The port to the index of links: which orders a provider's own ids were said to be of.

It is written in the transaction of the append that tells of a link, and can be filled again from
the log.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class OrderLink(NamedTuple):
    """An id of a provider's own, and the order that it was said to be of."""

    provider: str
    link: str
    order_id: str

    def __repr__(self) -> str:
        return f"<OrderLink of {self.provider!a}>"


class TellsLinks(Protocol):
    """An event that may tell of links, or the header of its record."""

    @property
    def provider(self) -> str:
        """The short name of the provider."""

    @property
    def order_id(self) -> str:
        """The order."""

    @property
    def links(self) -> tuple[str, ...]:
        """The provider's own ids of the order."""


def links_of(event: TellsLinks) -> tuple[OrderLink, ...]:
    """Return the links that an event tells of."""
    return tuple([OrderLink(event.provider, link, event.order_id) for link in event.links])


class LinkStore(Protocol):
    """The links of a log, each once. Every method raises `StoreError`."""

    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""

    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
