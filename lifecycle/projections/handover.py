"""Delivers changes to one subscriber: records each, calls the handler, settles what came of it.

    feed ─→ letter in hand ─→ call ─→ taken: kept as handed over
                 ↑              │ failed, hung, or its process ended
                 └─── retry ────┤
                                └─→ after the last attempt: a dead letter

Later changes of an order queue up behind its letter, and other orders go on. It is
a generator that yields each change and receives the result; the caller runs the handler.
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
from lifecycle.log.feed_store import DROPPED, EPOCH, FeedStore, Handed, Letter, MovedOnError
from lifecycle.projections.change_feed import (
    LOG,
    Feed,
    OrderChange,
    Passed,
    Unfolded,
    checked_seconds,
)
from lifecycle.projections.feed_reader import is_handing_over, named_reader

ATTEMPTS: Final = 40
"""With the pauses between them, four hours or so."""

MOST_ATTEMPTS: Final = 100
PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 600.0
TIMEOUT: Final = 60.0
"""Seconds, as the pauses are."""

_RANDOM: Final = SystemRandom()
_RECORDS_BETWEEN_MOVES: Final = 1000
_SECONDS_BETWEEN_LOOKS: Final = 1.0
_LETTERS_AT_ONCE: Final = 100
_QUEUED: Final = "an earlier change of this order waits"
_IN_HAND: Final = "the handler has not returned, or its process ended"
_TOO_LATE: Final = "the handler did not return in time"
_UNCHANGED: Final = "under today's rules its event changes nothing"


class Hand(NamedTuple):
    """What to hand over next, with the connection if there is one."""

    change: OrderChange
    connection: Any = None


class TooLateError(Exception):
    """The handler did not return in time; never leaves a subscription."""


class _NotTakenError(Exception):
    """The handler failed, so its transaction is not kept."""


Flow = Generator[Hand, Exception | None, int]
"""Yields what to hand over next, is sent None or what went wrong; returns how many changes
were taken."""


@dataclass(frozen=True)
class Terms:
    """How one subscription hands over; see `Orders.subscription`."""

    exactly_once: bool = False
    attempts: int = ATTEMPTS
    pause: float = PAUSE
    timeout: float = TIMEOUT
    after: int = 0

    def __post_init__(self) -> None:
        attempts = self.attempts
        if not (is_whole(attempts) and 1 <= attempts <= MOST_ATTEMPTS):
            raise InvalidArgumentError("attempts", f"an integer from 1 to {MOST_ATTEMPTS}")
        checked_seconds("pause", self.pause)
        checked_seconds("timeout", self.timeout)

    def pause_after(self, attempts: int) -> timedelta:
        """Return how long to wait after so many attempts: doubled each time, with jitter."""
        doubled = min(self.pause * 2.0 ** (attempts - 1), LONGEST_PAUSE)
        return timedelta(seconds=doubled * _RANDOM.uniform(0.5, 1))

    @property
    def lease(self) -> timedelta:
        """How long a reader on another host is waited for that says nothing."""
        return timedelta(seconds=2 * self.timeout)


class Handover:
    """What one subscription hands over, from wherever it stands."""

    def __init__(
        self,
        name: str,
        store: FeedStore,
        open_feed: Callable[[int], Feed],
        clock: Callable[[], datetime],
        *,
        terms: Terms,
    ) -> None:
        self.name = name
        self.store = store
        self.open_feed = open_feed
        self.clock = clock
        self.terms = terms
        self._looked_at = float("-inf")

    @property
    def position(self) -> int:
        """How far it is in the log."""
        return self.store.begin(self.name, self.terms.after)

    def cut_off(self, hand: Hand) -> None:
        """See to it that a handler which goes on writes nothing more with its connection."""
        if hand.connection is not None:
            self.store.cut_off(hand.connection)

    def flow(self) -> Flow:
        """Hand over what is new, then what is due again; return how many were taken."""
        with named_reader() as reader:
            taken, done = 0, False
            while not done:
                more, done = yield from self._new(reader, self.open_feed(self.position))
                taken += more
            return taken + (yield from self._due(reader))

    def _new(self, reader: str, feed: Feed) -> Generator[Hand, Exception | None, tuple[int, bool]]:
        """Return how many were taken, and whether that was all; else another reader was first."""
        taken, before = 0, feed.position
        try:
            for passed in feed.pass_by():
                if time.monotonic() - self._looked_at > _SECONDS_BETWEEN_LOOKS:
                    taken += yield from self._due(reader)
                if not isinstance(passed, int):
                    taken += yield from self._pass_on(reader, passed, before)
                    before = passed.position
                elif passed - before >= _RECORDS_BETWEEN_MOVES:
                    self._move(before, passed)
                    before = passed
            if feed.position > before:
                self._move(before, feed.position)
        except MovedOnError:
            return taken, False
        return taken, True

    def _pass_on(self, reader: str, passed: OrderChange | Unfolded, before: int) -> Flow:
        letter = Letter(self.name, passed.position, passed.order_id, _QUEUED, 0, EPOCH)
        if not self.store.waits(self.name, passed.order_id):
            letter = self._picked_up(letter, passed, reader)
        if not self.store.park(before, letter):
            raise MovedOnError
        if letter.reader and isinstance(passed, OrderChange):
            return (yield from self._hand_over(passed, letter))
        return 0

    def _due(self, reader: str) -> Flow:
        """Hand over what waits and is due, with what was waiting behind it."""
        taken, more = 0, True
        while more:
            at_first = taken
            after = 0
            while page := self.store.due(self.name, self.clock(), after, _LETTERS_AT_ONCE):
                after = page[-1].position
                for letter in page:
                    if self._is_free(letter):
                        taken += yield from self._again(reader, letter)
            more = taken > at_first
        self._looked_at = time.monotonic()
        return taken

    def _is_free(self, letter: Letter) -> bool:
        if not letter.reader:
            return True
        lives = is_handing_over(letter.reader)
        overdue = letter.due_at is not None and letter.due_at <= self.clock()
        return overdue if lives is None else not lives

    def _again(self, reader: str, letter: Letter) -> Flow:
        if letter.attempts >= self.terms.attempts:
            # The last reader is gone without a word, or fewer attempts are allowed now.
            self._put(letter, self._dead(letter, letter.reason))
            return 0
        passed = self._passed_at(letter.position)
        held = self._picked_up(letter, passed, reader)
        if not self._put(letter, held):
            return 0
        if isinstance(passed, OrderChange):
            return (yield from self._hand_over(passed, held))
        if not isinstance(passed, Unfolded):
            self.store.settle(held, self._handed(held)._replace(outcome=DROPPED, reason=_UNCHANGED))
        return 0

    def _picked_up(self, letter: Letter, passed: Passed | None, reader: str) -> Letter:
        """Return a letter in hand; a dead one where its change cannot be folded."""
        if isinstance(passed, Unfolded):
            return self._dead(letter, passed.reason)
        return letter._replace(
            reason=_IN_HAND,
            attempts=letter.attempts + isinstance(passed, OrderChange),
            due_at=self.clock() + self.terms.lease,
            reader=reader,
        )

    def _passed_at(self, position: int) -> Passed | None:
        return next(self.open_feed(position - 1).pass_by(position), None)

    def _hand_over(self, change: OrderChange, held: Letter) -> Flow:
        """Hand a change over; return whether it was taken."""
        failure: Exception | None = None
        handed = self._handed(held)
        try:
            if not self.terms.exactly_once:
                failure = yield Hand(change)
                _roll_back_if(failure)
                return int(self.store.settle(held, handed))
            with self.store.settling(held, handed) as connection:
                failure = yield Hand(change, connection)
                _roll_back_if(failure)
        except MovedOnError:
            return 0
        except (_NotTakenError, StoreError):
            if failure is None:
                raise
            self._not_taken(held, failure)
            return 0
        return 1

    def _not_taken(self, held: Letter, failure: Exception) -> None:
        late = isinstance(failure, TooLateError)
        reason = _TOO_LATE if late else f"the handler raised {type(failure).__name__}"
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s: the last failure", self.name, exc_info=failure)
        if held.attempts >= self.terms.attempts:
            self._put(held, self._dead(held, reason))
            return
        LOG.info("%s: not taken at position %d", self.name, held.position)
        due_at = self.clock() + self.terms.pause_after(held.attempts)
        self._put(held, held._replace(reason=reason, due_at=due_at, reader=""))

    def _dead(self, letter: Letter, reason: str) -> Letter:
        LOG.warning("%s: dead letter at position %d", self.name, letter.position)
        return letter._replace(reason=reason, due_at=None, reader="")

    def _handed(self, held: Letter) -> Handed:
        return Handed(self.name, held.position, held.order_id, self.clock(), held.attempts)

    def _put(self, before: Letter, after: Letter) -> bool:
        return self.store.replace(before, after)

    def _move(self, before: int, after: int) -> None:
        if not self.store.move(self.name, before, after):
            raise MovedOnError


def _roll_back_if(failure: Exception | None) -> None:
    if failure is not None:
        raise _NotTakenError
