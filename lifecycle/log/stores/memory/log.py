"""The log in memory: for tests, and for folding recordings that need not be kept."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from lifecycle.errors import StoreClosedError
from lifecycle.log.codec import hash_of, link
from lifecycle.log.contract import Record, Setting
from lifecycle.log.event_log import Clock, EventLog, now
from lifecycle.log.link_store import OrderLink
from lifecycle.log.retry_policy import RETRY_SECONDS
from lifecycle.log.store_port import Head, Row, Tip, TryAgainError
from lifecycle.log.stores.memory.feeds import MemoryFeeds
from lifecycle.log.stores.memory.links import MemoryLinks
from lifecycle.log.stores.memory.tree import MemoryTree
from lifecycle.log.stores.memory.views import MemoryViews

_PAGE: Final = 500
_BELOW_ALL: Final = -sys.maxsize - 2


class MemoryLog(EventLog):
    """A log that lives as long as this object: the same meanings, nothing durable."""

    def __init__(self, *, clock: Clock = now) -> None:
        self.recorder: MemoryRecorder = MemoryRecorder()
        super().__init__(
            self.recorder,
            clock,
            RETRY_SECONDS,
            feeds=MemoryFeeds(),
            views=MemoryViews(),
            tree=MemoryTree(),
            links=self.recorder.links,
        )


class _Transaction:
    """One commit to the memory; see `lifecycle.log.store_port.Transaction`."""

    def __init__(self, recorder: MemoryRecorder, tip: Tip) -> None:
        self.tip = tip
        self._recorder = recorder
        self.rows: Sequence[Row] = ()
        self.links: Sequence[OrderLink] = ()

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        self.rows, self.links = rows, links
        return self._recorder.insert(rows)


class MemoryRecorder(POPOApplicationRecorder):
    """The library's recorder in memory, with what the log needs besides."""

    url = "memory:"
    gapless = True
    has_races: bool = False
    most_rows: int = sys.maxsize
    _closed = False

    def __init__(self) -> None:
        super().__init__()
        self.links: MemoryLinks = MemoryLinks()

    @contextmanager
    def writing(self, *, exclusive: bool = False) -> Iterator[_Transaction]:
        """Yield a transaction; other writers are always kept out."""
        del exclusive
        with self._database_lock:
            if self._closed:
                raise StoreClosedError(self.url)
            transaction = _Transaction(self, Tip(len(self._stored_events), self._link()))
            try:
                yield transaction
            except IntegrityError:
                raise TryAgainError("other writers were always first") from None
            except BaseException:
                self._cut(transaction)
                raise
            self.links.add(transaction.links)
        self._notify_listeners()

    def insert(self, rows: Sequence[Row]) -> Sequence[int]:
        """Insert records while the lock is held."""
        events = [StoredEvent(row.stream, row.version, row.topic, row.state) for row in rows]
        return self._insert_events(events) or ()

    def confirm(self) -> None:
        """Return: nothing can come in between."""

    def heads(self, streams: Sequence[str]) -> Iterable[Head]:
        """Return all heads of some streams, by stream and version."""
        return [_head(record) for record in self.read_many(streams)]

    def last_head(self, stream: str) -> Head | None:
        """Return the head with the highest version of a stream."""
        with self._database_lock:
            versions = self._stored_events_index.get(stream)
            return _head(self._record(versions[max(versions)])) if versions else None

    def read(self, stream: str, after: int, until: int) -> list[Record]:
        """Return a stream's records with versions above `after`, up to `until`."""
        with self._database_lock:
            versions = self._stored_events_index.get(stream, {})
            return [
                self._record(index)
                for version, index in sorted(versions.items())
                if after < version <= until
            ]

    def read_many(self, streams: Sequence[str]) -> list[Record]:
        """Return all records of some streams, by stream and version."""
        # Versions may be above the number of records: those of a log that was damaged and copied.
        return [
            record
            for stream in sorted(streams)
            for record in self.read(stream, _BELOW_ALL, sys.maxsize)
        ]

    def page(self, after: int, until: int) -> list[Record]:
        """Return some of the records with positions above `after`; none if there are none."""
        with self._database_lock:
            end = min(until, after + _PAGE, len(self._stored_events))
            return [self._record(index) for index in range(after, end)]

    def page_of_stream(self, stream: str, version: int, position: int) -> list[Record]:
        """Return some of a stream's records that come after these, by version and position."""
        del position  # no version comes twice
        return self.read(stream, version, sys.maxsize)[:_PAGE]

    def odd_ones(self, stream: str) -> list[Record]:
        """Return a stream's records whose versions are no numbers from 1 on."""
        return self.read(stream, _BELOW_ALL, 0)

    def strays(self) -> list[Record]:
        """Return none: positions are counted."""
        return []

    def page_of_streams(self, after: str, prefix: str) -> list[str]:
        """Return some of the names above `after` with a prefix, sorted; none if there are none."""
        with self._database_lock:
            names = [
                name
                for name, versions in self._stored_events_index.items()
                if versions and name > after and name.startswith(prefix)
            ]
        return sorted(names)

    def last_position(self) -> int:
        """Return the highest position, 0 for an empty log."""
        return self.max_notification_id() or 0

    def settings(self) -> Sequence[Setting]:
        """Return none: what is in memory is not durable."""
        return ()

    def close(self) -> None:
        """Take no further records."""
        self._closed = True

    def _cut(self, transaction: _Transaction) -> None:
        """Take back what a write that was interrupted had begun."""
        end = transaction.tip.position
        del self._stored_events[end:]
        for row in transaction.rows:
            versions = self._stored_events_index.get(row.stream, {})
            if versions.get(row.version, -1) >= end:
                del versions[row.version]

    def _record(self, index: int) -> Record:
        event = self._stored_events[index]
        return Record(
            str(event.originator_id), event.originator_version, event.topic, index + 1, event.state
        )

    def _link(self) -> bytes | None:
        if not self._stored_events:
            return None
        last = self._record(len(self._stored_events) - 1)
        return link((last.stream, last.version, hash_of(_head(last).header)))


def _head(record: Record) -> Head:
    return Head(record.stream, record.version, record.position, record.state.partition(b"\n")[0])
