"""Handlers for side effects: every change handed over once its turn comes, and none lost.

    feed ─→ hand over ─→ taken: the position moves on
               │ failed, again and again
               └─→ dead letter; later changes of that order queue up behind it ─→ redrive

What to do next is written once, as a generator that yields what to hand over and is sent
what came of it; a driver for handlers that are called and one for those that are awaited.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Event as Signal
from typing import Any, Final, NamedTuple

from lifecycle.core.argument import check_callable, check_signal
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.feed_store import DeadLetter, FeedStore, MovedOnError
from lifecycle.projections.change_feed import (
    EVERY_SECONDS,
    LOG,
    Feed,
    OrderChange,
    Unfolded,
    checked_seconds,
)

MAX_NAME_BYTES: Final = 100
_RECORDS_BETWEEN_MOVES: Final = 1000
_LETTERS_AT_ONCE: Final = 100
_LONGEST_PAUSE: Final = 60.0
_QUEUED: Final = "an earlier change of this order waits"

OpenFeed = Callable[[int], Feed]
"""Opens a feed after a position."""

Handler = Callable[..., object]
"""Takes a change, and with `exactly_once` the driver's connection too."""


class Hand(NamedTuple):
    """What to hand over next, with the connection if there is one."""

    change: OrderChange
    connection: Any


class Pause(NamedTuple):
    """How long to wait before going on."""

    seconds: float


Flow = Generator[Hand | Pause, Exception | None, int]
"""Yields what to do next, is sent None or what the handler raised; returns how many changes
were taken."""

_Transaction = Callable[[], AbstractContextManager[Any]]


class Subscription:
    """One named reader of the change feed, that goes on where it stopped.

    Made by `Orders.subscription`. The handler is called at least once for every change, in the
    order of the log: again after a crash between its return and the position's move. With
    `exactly_once` it gets the database's own connection besides, within the transaction that
    moves the position: what it writes there is written exactly once.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        store: FeedStore,
        open_feed: OpenFeed,
        *,
        after: int = 0,
        exactly_once: bool = False,
        attempts: int = 3,
        pause: float = 0.1,
    ) -> None:
        self.name = _checked_name(name)
        check_callable("handler", handler)
        self._handler = handler
        self._store = store
        self._open_feed = open_feed
        self._after = after
        self._exactly_once = exactly_once
        self._attempts = _checked_attempts(attempts)
        self._pause = pause
        checked_seconds("pause", pause)

    @property
    def position(self) -> int:
        """How far it is in the log."""
        return self._store.begin(self.name, self._after)

    def catch_up(self) -> int:
        """Hand over every change there is, and return how many were taken."""
        return _driven(self.flow(), self._handler, exactly_once=self._exactly_once)

    def follow(self, stop: Signal, *, every: float = EVERY_SECONDS) -> None:
        """Hand over the changes there are and those to come, until `stop` is set.

        Looks for more `every` so many seconds once it is at the end of the log.
        """
        checked_seconds("every", every)
        check_signal("stop", stop)
        while not stop.is_set():
            self.catch_up()
            stop.wait(every)

    def letters(self) -> Iterator[DeadLetter]:
        """Yield what the handler did not take, in the order of the log."""
        after = 0
        while page := self._store.letters(self.name, after, _LETTERS_AT_ONCE):
            yield from page
            after = page[-1].position

    def redrive(self) -> int:
        """Hand the dead letters over again, in their order, and return how many were taken.

        An order whose first letter still is not taken keeps all its letters.
        """
        return _driven(self.flow_of_letters(), self._handler, exactly_once=self._exactly_once)

    def flow(self) -> Flow:
        """Return what there is to hand over, from where the subscription stands."""
        taken, done = 0, False
        while not done:
            more, done = yield from self._flow_from(self._open_feed(self.position))
            taken += more
        return taken

    def _flow_from(self, feed: Feed) -> Generator[Hand | Pause, Exception | None, tuple[int, bool]]:
        """Return how many were taken, and whether that was all; else another reader was first."""
        taken, before = 0, feed.position
        try:
            for passed in feed.pass_by():
                if not isinstance(passed, int):
                    taken += yield from self._pass_on(passed, before)
                    before = passed.position
                elif passed - before >= _RECORDS_BETWEEN_MOVES:
                    self._move(before, passed)
                    before = passed
            if feed.position > before:
                self._move(before, feed.position)
        except MovedOnError:
            return taken, False
        return taken, True

    def flow_of_letters(self) -> Flow:
        """Return the dead letters to hand over again."""
        taken = 0
        stuck: set[str] = set()
        for letter in self.letters():
            if letter.order_id in stuck:
                continue
            done = yield from self._pass_again(letter)
            taken += done
            if not done:
                stuck.add(letter.order_id)
        return taken

    def _pass_on(self, passed: OrderChange | Unfolded, before: int) -> Flow:
        reason, attempts = _QUEUED, 0
        if isinstance(passed, Unfolded):
            reason = passed.reason
        elif not self._store.waits(self.name, passed.order_id):
            moving = partial(self._store.moving, self.name, before, passed.position)
            failure, attempts = yield from self._hand_over(passed, moving)
            if failure is None:
                if not self._exactly_once:
                    self._move(before, passed.position)
                return 1
            reason = failure
        letter = DeadLetter(passed.position, passed.order_id, reason, attempts)
        if not self._store.park(self.name, before, letter):
            raise MovedOnError
        LOG.warning("%s: dead letter at position %d", self.name, passed.position)
        return 0

    def _pass_again(self, letter: DeadLetter) -> Flow:
        told = next(self._open_feed(letter.position - 1).pass_by(letter.position), None)
        if isinstance(told, int) or told is None:
            # Under today's rules the event changes nothing.
            return int(self._store.drop(self.name, letter.position))
        if isinstance(told, Unfolded):
            self._store.retried(self.name, letter.position, told.reason, 0)
            return 0
        dropping = partial(self._store.dropping, self.name, letter.position)
        try:
            failure, attempts = yield from self._hand_over(told, dropping)
        except MovedOnError:
            return 0
        if failure is not None:
            self._store.retried(self.name, letter.position, failure, attempts)
            return 0
        return 1 if self._exactly_once else int(self._store.drop(self.name, letter.position))

    def _hand_over(
        self, change: OrderChange, transaction: _Transaction
    ) -> Generator[Hand | Pause, Exception | None, tuple[str | None, int]]:
        """Hand a change over until it is taken; return what went wrong, and the attempts."""
        failure: Exception | None = None
        for attempt in range(self._attempts):
            if attempt:
                # Outside of any transaction: others want to write meanwhile.
                yield Pause(min(self._pause * 2**attempt, _LONGEST_PAUSE))
            try:
                with transaction() if self._exactly_once else nullcontext() as connection:
                    failure = yield Hand(change, connection)
                    _roll_back_if(failure)
                return None, attempt + 1
            except _NotTakenError:
                LOG.info("%s: not taken at position %d", self.name, change.position)
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("%s: the last failure", self.name, exc_info=failure)
        return f"the handler raised {type(failure).__name__}", self._attempts

    def _move(self, before: int, after: int) -> None:
        if not self._store.move(self.name, before, after):
            raise MovedOnError

    def __repr__(self) -> str:
        return f"<Subscription {ascii(self.name)[1:-1]}>"


class _NotTakenError(Exception):
    """The handler failed, so its transaction is not kept."""


def _roll_back_if(failure: Exception | None) -> None:
    if failure is not None:
        raise _NotTakenError


def _driven(flow: Flow, handler: Handler, *, exactly_once: bool) -> int:
    """Run a flow with a handler that is called."""

    def hand_over(hand: Hand) -> Exception | None:
        try:
            handler(hand.change, *((hand.connection,) if exactly_once else ()))
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a letter
            return raised
        return None

    try:
        do = step(flow, None)
        while not isinstance(do, int):
            if isinstance(do, Pause):
                time.sleep(do.seconds)
            do = step(flow, hand_over(do) if isinstance(do, Hand) else None)
        return do
    finally:
        flow.close()


def step(flow: Flow, failure: Exception | None) -> Hand | Pause | int:
    """Return what to do next, or how many changes were taken. The first step sends None."""
    try:
        return flow.send(failure)
    except StopIteration as ended:
        return int(ended.value)


def _checked_name(name: object) -> str:
    if isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return name
    raise InvalidArgumentError("name", f"a printable text of 1 to {MAX_NAME_BYTES} bytes")


def _checked_attempts(attempts: object) -> int:
    if isinstance(attempts, int) and not isinstance(attempts, bool) and 1 <= attempts <= 100:
        return attempts
    raise InvalidArgumentError("attempts", "an integer from 1 to 100")
