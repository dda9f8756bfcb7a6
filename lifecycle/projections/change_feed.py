"""The change feed: what each record of the log changed in its order, by position.

The records of one order come by version. A late event that rewrites a path already reported is
a change like any other, marked `corrected`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from threading import Event as Signal
from typing import Final, NamedTuple

from lifecycle.core.argument import check_signal, is_whole
from lifecycle.core.provider import Provider
from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import ORDERS, Log, Record
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable

LOG: Final = logging.getLogger("lifecycle.feed")
EVERY_SECONDS: Final = 0.5
"""How often a feed at the end of the log looks for more, in seconds."""

_LARGEST: Final = 2**63 - 1


class OrderChange(NamedTuple):
    """What one event changed in its order.

    `before` and `after` are statuses (`before` is None at first), `cause` is the event's key;
    `corrected` is true when a path already reported was rewritten, not just continued.
    `position` is that of the event in the log: store it once you have handled the change. `view`
    is the order as of this event; later events may have changed it since. `partition` is the one
    that `position` belongs to, None where the log is one.
    """

    position: int
    order_id: str
    before: str | None
    after: str
    cause: str
    corrected: bool
    view: OrderView
    partition: int | None = None

    def __repr__(self) -> str:
        mark = " corrected" if self.corrected else ""
        moved = ascii(f"{self.before} to {self.after}")[1:-1]
        return f"<OrderChange {moved}{mark} at {self.position}>"


class UnfoldableRecord(NamedTuple):
    """A record whose order cannot be folded; `reason` says why, without any payload."""

    position: int
    order_id: str
    reason: str


After = int | Sequence[int]
"""The position to begin after; in a log of several partitions 0, or a position for each."""

FeedEntry = OrderChange | UnfoldableRecord | int
"""One record in the feed: what it changed, why its order cannot be folded, or only its position
if it changed nothing."""


class Feed:
    """One reader's pass over the log; not for several threads at once."""

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        provider: Provider,
        after: int,
        partition: int | None = None,
    ) -> None:
        self.position: int = checked_position("after", after)
        self._partition = partition
        self._log = log
        self._provider = provider
        self._prefix = f"{ORDERS}{provider.name}:"
        # Its own cache: that of the writer is ahead, so it would fold again for every record.
        self._fold_cache = FoldCache(log, providers)

    def read(self, until: int | None = None) -> Iterator[FeedEntry]:
        """Yield what each of the next records changed, up to the end of the log as it is now."""
        self._fold_cache.catch_up()
        end = self._log.last_position() if until is None else until
        if not self.position:
            self._log_strays()
        looked = time.monotonic()
        for record in self._log.scan(after=self.position, until=end):
            if time.monotonic() - looked > EVERY_SECONDS:  # a reader may take hours
                self._fold_cache.catch_up()
                looked = time.monotonic()
            entry = self._entry(record)
            self.position = record.position
            yield entry
        self.position = max(self.position, end)

    def _log_strays(self) -> None:
        """Log the records that no position leads to: a reader cannot resume after them."""
        for record in self._log.strays():
            if record.stream.startswith(self._prefix):
                LOG.error("an order cannot be folded at position %d: skipped", record.position)

    def _entry(self, record: Record) -> FeedEntry:
        if not record.stream.startswith(self._prefix):
            return record.position
        order_id = record.stream.removeprefix(self._prefix)
        try:
            return self._changed(record)
        except Exception as trouble:  # noqa: BLE001 - one order's trouble is no other's
            return UnfoldableRecord(record.position, order_id, why_unfoldable(trouble))

    def _changed(self, record: Record) -> FeedEntry:
        (event,) = self._fold_cache.events((record,), with_bodies=True)
        here = (self._provider, record.stream, event, record.version)
        change = self._fold_cache.change(*here)
        if change is None:
            return record.position
        view = self._fold_cache.view(*here)
        return OrderChange(record.position, event.order_id, *change, view, self._partition)


def changes(feeds: Sequence[Feed]) -> Iterator[OrderChange]:
    """Yield the changes of some feeds; log each order that cannot be folded."""
    for entry in chain.from_iterable(feed.read() for feed in feeds):
        if isinstance(entry, OrderChange):
            yield entry
        elif isinstance(entry, UnfoldableRecord):
            LOG.error("an order cannot be folded at position %d: skipped", entry.position)


def followed(feeds: Sequence[Feed], stop: Signal, every: float) -> Iterator[OrderChange]:
    """Yield the changes there are and those to come, until `stop` is set."""
    checked_seconds("every", every)
    check_signal("stop", stop)
    while not stop.is_set():
        for change in changes(feeds):
            yield change
            if stop.is_set():
                return
        stop.wait(every)


def checked_position(argument: str, position: object) -> int:
    """Return a position in the log.

    Raises:
        InvalidArgumentError: it is not an integer of 0 or more.
    """
    if is_whole(position) and 0 <= position <= _LARGEST:  # type: ignore[operator]
        return int(position)  # type: ignore[call-overload,no-any-return]
    raise InvalidArgumentError(argument, "a position in the log: an integer from 0 on")


def checked_seconds(argument: str, seconds: float) -> None:
    """Refuse a pause that is not a number of seconds above 0, up to a day.

    Raises:
        InvalidArgumentError: it is not.
    """
    if not (isinstance(seconds, int | float) and 0 < seconds <= 86_400):
        raise InvalidArgumentError(argument, "a number of seconds above 0, up to a day")
