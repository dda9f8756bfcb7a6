"""The index of links beside the log: whoever asks it first reads what is new in the log."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Log
from lifecycle.log.event_log import EventLog
from lifecycle.log.feed_store import OWN_FEEDS
from lifecycle.log.link_store import LinkStore, OrderLink
from lifecycle.log.stored_links import links_in
from lifecycle.log.stores.memory.links import MemoryLinks

_RECORDS_AT_ONCE: Final = 2000
_FOLLOWER: Final = f"{OWN_FEEDS}links of "
_OF_ANOTHER: Final = (
    "it lies beside another stream, or one that was deleted; name another one in beside="
)


class FollowedLinks(LinkStore):
    """A `LinkStore` that follows its log: it is never behind what was acknowledged.

    How far it is stands among the subscriptions, under a name that tells the JetStream stream.
    Where the user may not write there, what is new is kept in memory.
    """

    def __init__(self, log: Log, beside: EventLog) -> None:
        self._log = log
        self._beside = beside
        self._name = _FOLLOWER
        self._own = MemoryLinks()
        self._read_to = 0

    def begin(self, stream: str, created: str) -> None:
        """Tell the database which JetStream stream it lies beside; it then lies beside no other.

        Raises:
            StoreUnavailableError: it lies beside another one, whose positions are of no use here.
        """
        self._name = f"{_FOLLOWER}{stream}, made {created}"
        try:
            feeds = self._beside.feeds.positions()
        except StoreUnavailableError:  # who may not even read there has nothing to lose
            return
        found = {each.name: each.position for each in feeds if each.name.startswith(_FOLLOWER)}
        if found.keys() - {self._name}:
            raise StoreUnavailableError(self._beside.url, _OF_ANOTHER)
        self._read_to = found.get(self._name, 0)
        self._position()

    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""
        self.follow()
        stored = self._beside.links.orders(provider, link)
        return sorted({*stored, *self._own.orders(provider, link)})[:2]

    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
        self.follow()
        stored = self._beside.links.page(after, at_most)
        return sorted({*stored, *self._own.page(after, at_most)})[:at_most]

    def follow(self) -> None:
        """Add the links of all records that were not read yet."""
        last = self._log.last_position()
        position = self._position() if last else 0
        while position < last:
            until = min(last, position + _RECORDS_AT_ONCE)
            links = links_in(self._log.scan(after=position, until=until))
            try:
                if links:
                    self._beside.add_links(links)
                self._beside.feeds.advance(self._name, position, until)
            except StoreUnavailableError:
                self._own.add(links)
                self._read_to = max(until, self._read_to)
            position = max(until, self._position())

    def _position(self) -> int:
        """Return the position up to which all links are in the index, or in memory too."""
        with suppress(StoreUnavailableError):
            return self._beside.feeds.begin(self._name, 0)
        return self._read_to
