"""Delivers changes to one subscriber: counts the attempt, calls the handler, settles the delivery.

    feed ─→ delivery in progress ─→ handler returns: settled, recorded as delivered
                    ↑                │ it raises, hangs, or its process ends
                    └──── retry ─────┤
                                     └─→ after the last attempt: a dead letter

An unsettled delivery blocks the later changes of its order; other orders are not held up.
`Dispatcher.calls` is a generator that yields each call: the caller runs the handler and sends
back its failure, or None.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, Final, NamedTuple

from lifecycle.core.argument import is_whole
from lifecycle.errors import InvalidArgumentError, StoreError
from lifecycle.log.feed_store import (
    DROPPED,
    EPOCH,
    Delivery,
    DeliveryRecord,
    FeedStore,
    MovedOnError,
)
from lifecycle.projections.change_feed import (
    LOG,
    Feed,
    FeedEntry,
    OrderChange,
    UnfoldableRecord,
    checked_seconds,
)
from lifecycle.projections.feed_reader import is_alive, named_reader

ATTEMPTS: Final = 40
"""With the pauses between them, about four hours."""

MOST_ATTEMPTS: Final = 100
PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 600.0
TIMEOUT: Final = 60.0
"""In seconds, like the pauses."""

_RANDOM: Final = SystemRandom()
_RECORDS_BETWEEN_ADVANCES: Final = 1000
_SECONDS_BETWEEN_RETRY_PASSES: Final = 1.0
_PAGE_SIZE: Final = 100
_BLOCKED: Final = "an earlier change of this order waits"
_IN_PROGRESS: Final = "the handler has not returned, or its process ended"
_TIMED_OUT: Final = "the handler did not return in time"
_UNCHANGED: Final = "under today's rules its event changes nothing"


class HandlerCall(NamedTuple):
    """The arguments of one call of the handler: a change, and the connection if there is one."""

    change: OrderChange
    connection: Any = None


class HandlerTimeoutError(Exception):
    """The handler did not return in time; never leaves a subscription."""


class _HandlerFailedError(Exception):
    """Rolls back the transaction of a handler that failed."""


HandlerCalls = Generator[HandlerCall, Exception | None, int]
"""Yields each call to make, receives its failure or None, returns how many were delivered."""


@dataclass(frozen=True)
class DeliveryPolicy:
    """How one subscription delivers; see `Orders.subscription`."""

    exactly_once: bool = False
    attempts: int = ATTEMPTS
    pause: float = PAUSE
    timeout: float = TIMEOUT

    def __post_init__(self) -> None:
        attempts = self.attempts
        if not (is_whole(attempts) and 1 <= attempts <= MOST_ATTEMPTS):
            raise InvalidArgumentError("attempts", f"an integer from 1 to {MOST_ATTEMPTS}")
        checked_seconds("pause", self.pause)
        checked_seconds("timeout", self.timeout)

    def pause_after(self, attempts: int) -> timedelta:
        """Return how long to wait after this number of attempts.

        The pause doubles each time, up to ten minutes; jitter takes away up to half of it.
        """
        doubled = min(self.pause * 2.0 ** (attempts - 1), LONGEST_PAUSE)
        return timedelta(seconds=doubled * _RANDOM.uniform(0.5, 1))

    @property
    def lease(self) -> timedelta:
        """How long a reader on another host, which cannot be observed, keeps its claim."""
        return timedelta(seconds=2 * self.timeout)


class Dispatcher:
    """Delivers the changes of one subscription, from its stored position on."""

    def __init__(
        self,
        name: str,
        store: FeedStore,
        open_feed: Callable[[int], Feed],
        clock: Callable[[], datetime],
        *,
        policy: DeliveryPolicy,
        after: int = 0,
    ) -> None:
        self.name = name
        self.store = store
        self.policy = policy
        self._open_feed = open_feed
        self._clock = clock
        self._after = after
        self._last_retry_pass = float("-inf")

    @property
    def positions(self) -> tuple[int, ...]:
        """Its only position in the log."""
        return (self._position,)

    @property
    def _position(self) -> int:
        """Its position in the log; a new subscription begins at `after`."""
        return self.store.begin(self.name, self._after)

    def cut_off(self, call: HandlerCall) -> None:
        """Close the connection of a call, so that a handler still running writes nothing more."""
        if call.connection is not None:
            self.store.cut_off(call.connection)

    def calls(self) -> HandlerCalls:
        """Deliver new changes, then those due for a retry; return how many were delivered."""
        with named_reader() as reader:
            delivered, at_end = 0, False
            while not at_end:
                feed = self._open_feed(self._position)
                count, at_end = yield from self._deliver_new(reader, feed)
                delivered += count
            return delivered + (yield from self._deliver_due(reader))

    def _deliver_new(
        self, reader: str, feed: Feed
    ) -> Generator[HandlerCall, Exception | None, tuple[int, bool]]:
        """Return how many were delivered, and whether the feed was read to its end.

        It was not if another reader of the subscription advanced the position first.
        """
        delivered, before = 0, feed.position
        try:
            for entry in feed.read():
                if time.monotonic() - self._last_retry_pass > _SECONDS_BETWEEN_RETRY_PASSES:
                    delivered += yield from self._deliver_due(reader)
                if not isinstance(entry, int):
                    delivered += yield from self._enqueue(reader, entry, before)
                    before = entry.position
                elif entry - before >= _RECORDS_BETWEEN_ADVANCES:
                    self._advance(before, entry)
                    before = entry
            if feed.position > before:
                self._advance(before, feed.position)
        except MovedOnError:
            return delivered, False
        return delivered, True

    def _enqueue(
        self, reader: str, entry: OrderChange | UnfoldableRecord, before: int
    ) -> HandlerCalls:
        """Store a delivery; deliver it unless an earlier change of its order blocks it."""
        delivery = Delivery(self.name, entry.position, entry.order_id, _BLOCKED, 0, EPOCH)
        if not self.store.has_undelivered(self.name, entry.order_id):
            delivery = self._claimed(delivery, entry, reader)
        if not self.store.enqueue(before, delivery):
            raise MovedOnError
        if delivery.reader and isinstance(entry, OrderChange):
            return (yield from self._deliver(entry, delivery))
        return 0

    def _deliver_due(self, reader: str) -> HandlerCalls:
        """Retry the deliveries that are due, then deliver the changes that they blocked."""
        delivered, has_progressed = 0, True
        while has_progressed:
            delivered_before = delivered
            after = 0
            while page := self.store.due(self.name, self._clock(), after, _PAGE_SIZE):
                after = page[-1].position
                for delivery in page:
                    if self._is_claimable(delivery):
                        delivered += yield from self._retry(reader, delivery)
            has_progressed = delivered > delivered_before
        self._last_retry_pass = time.monotonic()
        return delivered

    def _is_claimable(self, delivery: Delivery) -> bool:
        if not delivery.reader:
            return True
        alive = is_alive(delivery.reader)
        has_expired = delivery.due_at is not None and delivery.due_at <= self._clock()
        return has_expired if alive is None else not alive

    def _retry(self, reader: str, delivery: Delivery) -> HandlerCalls:
        if delivery.attempts >= self.policy.attempts:
            # The process of the last attempt ended, or the policy now allows fewer attempts.
            self.store.replace(delivery, self._dead_letter(delivery, delivery.reason))
            return 0
        entry = self._entry_at(delivery.position)
        claimed = self._claimed(delivery, entry, reader)
        if not self.store.replace(delivery, claimed):
            return 0
        if isinstance(entry, OrderChange):
            return (yield from self._deliver(entry, claimed))
        if not isinstance(entry, UnfoldableRecord):
            dropped = self._record(claimed)._replace(outcome=DROPPED, reason=_UNCHANGED)
            self.store.settle(claimed, dropped)
        return 0

    def _claimed(self, delivery: Delivery, entry: FeedEntry | None, reader: str) -> Delivery:
        """Return the delivery claimed by `reader`, or a dead letter if its order is unfoldable."""
        if isinstance(entry, UnfoldableRecord):
            return self._dead_letter(delivery, entry.reason)
        return delivery._replace(
            reason=_IN_PROGRESS,
            attempts=delivery.attempts + isinstance(entry, OrderChange),
            due_at=self._clock() + self.policy.lease,
            reader=reader,
        )

    def _entry_at(self, position: int) -> FeedEntry | None:
        return next(self._open_feed(position - 1).read(position), None)

    def _deliver(self, change: OrderChange, delivery: Delivery) -> HandlerCalls:
        """Yield one call of the handler and settle its delivery; return how many were delivered."""
        failure: Exception | None = None
        record = self._record(delivery)
        try:
            if not self.policy.exactly_once:
                failure = yield HandlerCall(change)
                _roll_back_if(failure)
                return int(self.store.settle(delivery, record))
            with self.store.settling(delivery, record, 2 * self.policy.timeout) as connection:
                failure = yield HandlerCall(change, connection)
                _roll_back_if(failure)
        except MovedOnError:
            return 0
        except (_HandlerFailedError, StoreError):
            if failure is None:
                raise
            self._reschedule(delivery, failure)
            return 0
        return 1

    def _reschedule(self, delivery: Delivery, failure: Exception) -> None:
        """Schedule the next attempt; after the last one, store a dead letter."""
        timed_out = isinstance(failure, HandlerTimeoutError)
        reason = _TIMED_OUT if timed_out else f"the handler raised {type(failure).__name__}"
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s: the handler's failure", self.name, exc_info=failure)
        if delivery.attempts >= self.policy.attempts:
            self.store.replace(delivery, self._dead_letter(delivery, reason))
            return
        LOG.info("%s: the handler failed at position %d", self.name, delivery.position)
        due_at = self._clock() + self.policy.pause_after(delivery.attempts)
        self.store.replace(delivery, delivery._replace(reason=reason, due_at=due_at, reader=""))

    def _dead_letter(self, delivery: Delivery, reason: str) -> Delivery:
        LOG.warning("%s: dead letter at position %d", self.name, delivery.position)
        return delivery._replace(reason=reason, due_at=None, reader="")

    def _record(self, delivery: Delivery) -> DeliveryRecord:
        what = (delivery.subscription, delivery.position, delivery.order_id)
        return DeliveryRecord(*what, self._clock(), delivery.attempts)

    def _advance(self, before: int, after: int) -> None:
        if not self.store.advance(self.name, before, after):
            raise MovedOnError


def _roll_back_if(failure: Exception | None) -> None:
    if failure is not None:
        raise _HandlerFailedError
