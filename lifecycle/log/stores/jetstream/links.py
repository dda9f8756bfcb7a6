"""The index of links beside the log: whoever asks it first reads what is new in the log."""

from __future__ import annotations

from typing import Final

from lifecycle.log.contract import Log
from lifecycle.log.event_log import EventLog
from lifecycle.log.link_store import LinkStore, OrderLink
from lifecycle.log.stored_links import links_in

FOLLOWER: Final = "order_links"
"""The name under which the subscriptions show how far it is."""

_RECORDS_AT_ONCE: Final = 2000


class FollowedLinks(LinkStore):
    """A `LinkStore` that follows its log: it is never behind what was acknowledged."""

    def __init__(self, log: Log, beside: EventLog) -> None:
        self._log = log
        self._beside = beside

    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""
        self.follow()
        return self._beside.links.orders(provider, link)

    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
        self.follow()
        return self._beside.links.page(after, at_most)

    def follow(self) -> None:
        """Add the links of all records that were not read yet."""
        last = self._log.last_position()
        if last == 0:
            return
        position = self._beside.feeds.begin(FOLLOWER, 0)
        while position < last:
            until = min(last, position + _RECORDS_AT_ONCE)
            if links := links_in(self._log.scan(after=position, until=until)):
                self._beside.add_links(links)
            self._beside.feeds.advance(FOLLOWER, position, until)
            position = max(until, self._beside.feeds.begin(FOLLOWER, 0))
