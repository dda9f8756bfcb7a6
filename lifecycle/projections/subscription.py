"""Handlers for side effects: every change delivered, each order's in its order, and none lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event as Signal
from threading import Lock, Thread
from typing import Final, Self

from lifecycle.core.argument import check_callable, check_signal
from lifecycle.errors import InvalidArgumentError, StoreClosedError, StoreUnavailableError
from lifecycle.log.feed_store import Delivery, FeedStore
from lifecycle.projections.change_feed import EVERY_SECONDS, LOG, Feed, checked_seconds
from lifecycle.projections.dead_letters import DeadLetters
from lifecycle.projections.dispatcher import (
    DeliveryPolicy,
    Dispatcher,
    HandlerCall,
    HandlerCalls,
    HandlerTimeoutError,
)

MAX_NAME_BYTES: Final = 100
_MOST_HUNG: Final = 20

OpenFeed = Callable[[int], Feed]
"""Opens a feed after a position."""

Handler = Callable[..., object]
"""Takes a change, and with `exactly_once` the driver's connection too."""


class Subscription:
    """One named reader of the change feed, that goes on where it stopped.

    Made by `Orders.subscription`. The handler is called at least once for every change, and of
    one order in the order of the log: again after a crash between its return and the record of it.
    With `exactly_once` it gets the database's own connection besides, within the transaction that
    settles the delivery: what it writes there is written exactly once.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        store: FeedStore,
        open_feed: OpenFeed,
        clock: Callable[[], datetime],
        *,
        policy: DeliveryPolicy,
    ) -> None:
        self.name = _checked_name(name)
        check_callable("handler", handler)
        self._handler = handler
        self.dispatcher = Dispatcher(name, store, open_feed, clock, policy=policy)
        self.dead_letters = DeadLetters(store, clock)
        self._hung = 0

    @property
    def position(self) -> int:
        """How far it is in the log."""
        return self.dispatcher.position

    def catch_up(self) -> int:
        """Deliver every change that is due, and return how many were delivered.

        One that the handler fails on is due again after a pause, in a later call.
        """
        calls = self.dispatcher.calls()
        with _Watch(self.dispatcher.policy.timeout, self._deliver_meanwhile) as watch:
            try:
                call = next_call(calls, None)
                while not isinstance(call, int):
                    call = next_call(calls, self._called(watch, call))
                return call
            finally:
                calls.close()

    def follow(self, stop: Signal, *, every: float = EVERY_SECONDS) -> None:
        """Deliver the changes there are and those to come, until `stop` is set.

        Looks for more `every` so many seconds. While the store cannot be reached it logs a
        warning and goes on asking.
        """
        checked_seconds("every", every)
        check_signal("stop", stop)
        while not stop.is_set():
            with surviving(self.name):
                self.catch_up()
            stop.wait(every)

    def letters(self, *, all: bool = False) -> Iterator[Delivery]:
        """Yield the dead letters and what they block, in the order of the log.

        With `all` what will be delivered again by itself too.
        """
        return self.dead_letters.list(self.name, all=all)

    def redrive(self) -> int:
        """Deliver the dead letters again, as if they were new; return how many were delivered."""
        self.dead_letters.redrive(self.name)
        return self.catch_up()

    def _called(self, watch: _Watch, call: HandlerCall) -> Exception | None:
        """Return what the handler raised; while it hangs, others are delivered."""
        running = watch.begun(_RunningCall(call, self.dispatcher.cut_off))
        connection = (call.connection,) * self.dispatcher.policy.exactly_once
        try:
            self._handler(call.change, *connection)
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a retry
            return raised
        finally:
            cut_off = running.end()
        return HandlerTimeoutError() if cut_off else None

    def _deliver_meanwhile(self, running: _RunningCall) -> None:
        """Deliver the changes of other orders until a call that hangs returns."""
        if not running.cut_off():
            return
        position = running.call.change.position
        LOG.warning("%s: the handler hangs at position %d", self.name, position)
        if self._hung >= _MOST_HUNG:
            LOG.error("%s: %d calls hang; nothing is delivered here", self.name, self._hung)
            return
        self._hung += 1
        with suppress(StoreClosedError):
            while not running.ended.wait(EVERY_SECONDS):
                with surviving(self.name):
                    self.catch_up()
        self._hung -= 1

    def __repr__(self) -> str:
        return f"<Subscription {ascii(self.name)[1:-1]}>"


class _Watch:
    """Looks after the calls of one reader, one after the other: one thread for all of them."""

    def __init__(self, timeout: float, on_timeout: Callable[[_RunningCall], None]) -> None:
        self._timeout = timeout
        self._on_timeout = on_timeout
        self._running: _RunningCall | None = None
        self._done = Signal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def begun(self, running: _RunningCall) -> _RunningCall:
        """Watch a call from now on, and return it."""
        if self._running is None:
            Thread(target=self._look, daemon=True).start()
        self._running = running
        return running

    def _look(self) -> None:
        while not self._done.wait(min(self._timeout / 4, EVERY_SECONDS)):
            running = self._running
            if running and running.age >= self._timeout and not running.ended.is_set():
                self._on_timeout(running)


class _RunningCall:
    """One call of a handler, which may hang."""

    def __init__(self, call: HandlerCall, cut_off: Callable[[HandlerCall], None]) -> None:
        self.call = call
        self._cut_off = cut_off
        self.ended = Signal()
        self._lock = Lock()
        self._is_cut_off = False
        self._began = time.monotonic()

    @property
    def age(self) -> float:
        """For how many seconds it has been going on."""
        return time.monotonic() - self._began

    def end(self) -> bool:
        """Tell whether its connection was closed before it ended."""
        with self._lock:
            self.ended.set()
            return self._is_cut_off and self.call.connection is not None

    def cut_off(self) -> bool:
        """Close its connection; False if it has ended."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._is_cut_off = True
            self._cut_off(self.call)
            return True


@contextmanager
def surviving(name: str) -> Iterator[None]:
    """Log that the store cannot be reached, and go on."""
    try:
        yield
    except StoreUnavailableError:
        LOG.warning("%s: the store cannot be reached; asking again", name)


def next_call(calls: HandlerCalls, failure: Exception | None) -> HandlerCall | int:
    """Return the next call to make, or how many changes were delivered. The first sends None."""
    try:
        return calls.send(failure)
    except StopIteration as ended:
        return int(ended.value)


def _checked_name(name: object) -> str:
    if isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return name
    raise InvalidArgumentError("name", f"a printable text of 1 to {MAX_NAME_BYTES} bytes")
