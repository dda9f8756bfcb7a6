"""One log in several: every order lies whole in one partition, by a hash of its stream's name.

    order ─→ hash ─→ partition ─→ its own positions, chains, rules, views, subscriptions, tree

No rule crosses orders, so nothing is lost by it but one order of recording over all of them. What
is about one order works here. What goes by position goes partition by partition, on a log that
is opened for one of them. The quarantine, and what is recorded about no single order but the
rules, lie in the first.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import islice
from typing import Final, NoReturn, TypeVar

from lifecycle.core.event import Entry, Event
from lifecycle.errors import PartitionedLogError
from lifecycle.log.contract import ORDERS, Append, DeclaredRules, Record, Setting
from lifecycle.log.event_log import EventLog
from lifecycle.log.header import storable
from lifecycle.log.link_store import LinkStore, OrderLink

T = TypeVar("T")


def partition_of(stream: str, partitions: int) -> int:
    """Return the number of the partition that a stream lies in, from 0; it never changes."""
    if not stream.startswith(ORDERS):
        return 0
    return int.from_bytes(sha256(stream.encode()).digest()[:8]) % partitions


class PartitionedLog:
    """A `Log` that consists of several. Where one order of recording is asked for, it refuses.

    Raises:
        PartitionedLogError: by everything that goes by position.
    """

    gapless: Final = False
    cipher: Final = None

    def __init__(self, url: str, partitions: Sequence[EventLog]) -> None:
        self.url = url
        self.partitions: Sequence[EventLog] = tuple(partitions)
        self.links: LinkStore = _JoinedLinks(partitions)

    def is_encrypted(self) -> bool:
        """Return false: its partitions take no keys."""
        return False

    def holds(self, stream: str) -> bool:
        """Return true: one of its partitions does."""
        del stream
        return True

    def holding(self, stream: str) -> EventLog:
        """Return the partition that a stream lies in."""
        return self.partitions[partition_of(storable(stream), len(self.partitions))]

    def declare_rules(self, rules: Mapping[str, DeclaredRules]) -> None:
        """Have the rules of providers recorded in every partition, where they are new there."""
        for part in self.partitions:
            part.declare_rules(rules)

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry in its partition."""
        return self._of(entry).append(entry, expected_version=expected_version)

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry in its partition from a coroutine."""
        return await self._of(entry).append_async(entry, expected_version=expected_version)

    def append_many(self, entries: Sequence[Entry]) -> list[Append]:
        """Append entries, in one commit a partition, all at once.

        What is about no order, such as the mark of an item that is redriven, comes after all
        events are durable.
        """
        done: dict[int, Append] = {}
        events = {place for place, entry in enumerate(entries) if isinstance(entry, Event)}
        for places in (sorted(events), sorted(set(range(len(entries))) - events)):
            by_part = _grouped(places, lambda place: self._of(entries[place]))
            done |= _appended_at_once(entries, by_part)
        return [done[place] for place in range(len(entries))]

    def read(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        return self.holding(stream).read(stream, after=after, until=until)

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        """Return the records of many streams; those without any are left out."""
        found: dict[str, list[Record]] = {}
        for part, names in _grouped(streams, self.holding).items():
            found |= part.read_many(names)
        return found

    def walk(self, stream: str) -> Iterator[Record]:
        """Yield every record of a stream by version."""
        return self.holding(stream).walk(stream)

    def streams(self, *, prefix: str = ORDERS, after: str = "") -> Iterator[str]:
        """Yield the names above `after` with this prefix, sorted, each once."""
        last = None
        names = (part.streams(prefix=prefix, after=after) for part in self.partitions)
        for name in heapq.merge(*names):
            if name != last:
                yield name
            last = name

    def index_links(self) -> None:
        """Add to the indexes what they lack of the links that the partitions hold."""
        for part in self.partitions:
            part.index_links()

    def settings(self) -> Sequence[Setting]:
        """Return what durability rests on, partition by partition."""
        return [
            each._replace(name=f"partition {number}: {each.name}")
            for number, part in enumerate(self.partitions)
            for each in part.settings()
        ]

    def close(self) -> None:
        """Close every partition."""
        for part in self.partitions:
            part.close()

    def scan(self, *_: object, **__: object) -> NoReturn:
        """Refuse what goes by position: each partition has its own."""
        raise PartitionedLogError(self.url, len(self.partitions))

    restore = strays = last_position = scan
    views = feeds = tree = property(scan)

    def _of(self, entry: object) -> EventLog:
        return self.holding(entry.stream) if isinstance(entry, Event) else self.partitions[0]

    def __repr__(self) -> str:
        return f"<PartitionedLog {self.url}, {len(self.partitions)} partitions>"


class _JoinedLinks(LinkStore):
    """The links of all partitions: any of them may have been told of an id."""

    def __init__(self, parts: Sequence[EventLog]) -> None:
        self._parts = parts

    def orders(self, provider: str, link: str) -> list[str]:
        """Return the orders that an id was said to be of: none, one, or the first two."""
        return sorted({each for part in self._parts for each in part.links.orders(provider, link)})[
            :2
        ]

    def page(self, after: OrderLink | None, at_most: int) -> list[OrderLink]:
        """Return the next links after one, in their order; None: from the first on."""
        pages = (part.links.page(after, at_most) for part in self._parts)
        return list(islice(heapq.merge(*pages), at_most))


def _grouped(items: Iterable[T], part_of: Callable[[T], EventLog]) -> dict[EventLog, list[T]]:
    grouped: dict[EventLog, list[T]] = {}
    for item in items:
        grouped.setdefault(part_of(item), []).append(item)
    return grouped


def _appended_at_once(
    entries: Sequence[Entry], by_part: Mapping[EventLog, list[int]]
) -> Iterator[tuple[int, Append]]:
    """Append entries in each partition at the same time, and yield each result by its place."""
    with ThreadPoolExecutor(max(1, len(by_part))) as threads:
        calls = [
            (places, threads.submit(part.append_many, [entries[place] for place in places]))
            for part, places in by_part.items()
        ]
    for places, call in calls:
        yield from zip(places, call.result(), strict=True)
