"""Matches quarantined items to orders by the provider's own id, if they name no order id.

    unlinked item ─→ exactly one order has that id ─→ its events
                  └→ none: it waits in the quarantine    several: it stays there, for a person
    a link is committed, or the log is opened ─→ the items that wait for it are read again

An item is looked up again after it was stored, since a link committed just before could not have
found it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from threading import Lock
from typing import Final

from lifecycle.core.event import Event, Redriven, Unreadable
from lifecycle.core.recognizer import UNLINKED, Recognizer
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import decode
from lifecycle.log.contract import CONTROL, QUARANTINE, Log, Record
from lifecycle.log.link_store import OrderLink, links_of
from lifecycle.service.arrival_reader import Entries

Reference = tuple[str, str]
"""A provider, and its own id, by which an item names its order."""

Stored = tuple[Record, Unreadable]
"""The record of a quarantined item, and the item."""

_MOST_SETTLED: Final = 10_000


class OrderLinks:
    """Resolves the items that wait for a link; reads, and never appends."""

    def __init__(self, log: Log, providers: Mapping[str, Recognizer]) -> None:
        self._log = log
        self._providers = providers
        self._waiting = _WaitingItems(log, self._references)
        self._settled: set[OrderLink] = set()

    def resolve(self, entries: Entries) -> Entries:
        """Return the entries of an unlinked body by the links stored now; others unchanged."""
        item = entries[-1]
        if isinstance(item, Event):
            return entries
        provider = self._recognizer_of(item)
        if provider is None or item.arrival is None:
            return entries
        return provider.recognize_all(item.arrival, partial(self._log.links.orders, item.provider))

    def with_current_reason(self, item: Unreadable) -> Unreadable:
        """Return an item with its reason as of now: two orders may have its id by now."""
        now = self.resolve((item,))[-1]
        if not isinstance(now, Unreadable):
            return item
        return item._replace(reason=now.reason, detail=now.detail)

    def unblocked_by(self, entries: Iterable[Event | Unreadable]) -> Iterator[Stored]:
        """Yield the items that, with these entries stored, lead to exactly one order.

        Append the events of each item before you take the next: items that wait for their links
        follow.
        """
        wanted, told = set[Reference](), set[OrderLink]()
        for entry in entries:
            if not isinstance(entry, Event):
                wanted |= self._references(entry)
            elif entry.links:
                told.update(links_of(entry))
        told -= self._settled
        if wanted or told:
            yield from self._linked(wanted | {link[:2] for link in told})
            self._settle(told)

    def resolvable(self) -> Iterator[Stored]:
        """Yield all items with an id that leads to exactly one order."""
        if self._log.links.page(None, 1):
            yield from self._linked(self._waiting.references())

    def _settle(self, told: AbstractSet[OrderLink]) -> None:
        """Remember processed links: items that come later find them in the index."""
        if len(self._settled) > _MOST_SETTLED:
            self._settled = set()
        self._settled |= told

    def _linked(self, wanted: AbstractSet[Reference]) -> Iterator[Stored]:
        seen: set[int] = set()
        # Mostly nobody waits: the index, which may lag far behind the log, is asked last.
        while linked := {
            each
            for each in self._waiting.awaited(wanted)
            if len(self._log.links.orders(*each)) == 1
        }:
            items = [each for each in self._waiting.items(linked) if each not in seen]
            seen.update(items)
            wanted = set()
            for version in items:
                for record in self._log.read(QUARANTINE, after=version - 1, until=version):
                    item = decode(record, self._log.cipher)
                    if isinstance(item, Unreadable):
                        yield record, item
                        told = [each for each in self.resolve((item,)) if isinstance(each, Event)]
                        wanted.update(link[:2] for event in told for link in links_of(event))

    def _recognizer_of(self, item: Unreadable) -> Recognizer | None:
        """Return the recognizer of an item that names its order by a link alone."""
        return self._providers.get(item.provider) if item.reason == UNLINKED else None

    def _references(self, item: Unreadable) -> set[Reference]:
        """Return the ids by which an item names its orders."""
        provider, asked = self._recognizer_of(item), set[Reference]()
        if provider is None or item.arrival is None:
            return asked

        def ask(link: str) -> tuple[()]:
            asked.add((item.provider, link))
            return ()

        provider.recognize_all(item.arrival, ask)
        return asked


class _WaitingItems:
    """The unlinked items of one log by the ids they wait for, updated as the log grows."""

    def __init__(self, log: Log, references: Callable[[Unreadable], set[Reference]]) -> None:
        self._log = log
        self._references = references
        self._lock: Final = Lock()
        self._items: dict[int, set[Reference]] = {}
        self._seen = {QUARANTINE: 0, CONTROL: 0}

    def awaited(self, wanted: AbstractSet[Reference]) -> set[Reference]:
        """Return those among some ids that an item waits for."""
        with self._lock:
            self._follow()
            return {each for waits_for in self._items.values() for each in waits_for & wanted}

    def items(self, linked: AbstractSet[Reference]) -> list[int]:
        """Return the items that wait for one of these ids."""
        with self._lock:
            self._follow()
            return [item for item, wanted in self._items.items() if wanted & linked]

    def references(self) -> set[Reference]:
        """Return the ids that items wait for."""
        with self._lock:
            self._follow()
            return set().union(*self._items.values())

    def _follow(self) -> None:
        for record, item in self._new(QUARANTINE):
            if isinstance(item, Unreadable) and (wanted := self._references(item)):
                self._items[record.version] = wanted
        for _, mark in self._new(CONTROL):
            if isinstance(mark, Redriven):
                self._items.pop(mark.item, None)

    def _new(self, stream: str) -> Iterator[tuple[Record, object]]:
        after = self._seen[stream]
        for record in self._log.read(stream, after=after) if after else self._log.walk(stream):
            if type(record.version) is int:
                self._seen[stream] = max(record.version, self._seen[stream])
            try:
                yield record, decode(record, self._log.cipher)
            except StoredFormatError:
                continue  # verify and the list of the quarantine report it
