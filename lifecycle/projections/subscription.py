"""Handlers for side effects: no change is lost, and each order's changes come in log order.

For asyncio the handler is awaited, and the store is used in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from threading import Event as Signal
from threading import Lock, Thread
from typing import Final, Self

from lifecycle.core.argument import check_callable, check_signal, check_type
from lifecycle.errors import InvalidArgumentError, StoreClosedError, StoreUnavailableError
from lifecycle.log.feed_store import OWN_FEEDS, Delivery
from lifecycle.projections.change_feed import EVERY_SECONDS, LOG, checked_seconds
from lifecycle.projections.dead_letters import DeadLetters
from lifecycle.projections.dispatcher import (
    Dispatcher,
    HandlerCall,
    HandlerCalls,
    HandlerTimeoutError,
)
from lifecycle.projections.feeds import PartitionedDispatcher

MAX_NAME_BYTES: Final = 100
_MOST_HUNG: Final = 20

Handler = Callable[..., object]
"""Takes a change and, with `exactly_once`, the driver's connection."""

AwaitedHandler = Callable[..., Awaitable[object]]
"""Takes the same; it is awaited."""


class Subscription:
    """One named reader of the change feed, which resumes where it stopped.

    Made by `Orders.subscription`. The handler is called at least once for every change: once more
    after a crash between its return and the record of the delivery. The changes of one order come
    in the order of the log. With `exactly_once` the handler also gets the database connection,
    within the transaction that settles the delivery: what it writes there is written exactly once.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        dispatcher: Dispatcher | PartitionedDispatcher,
        letters: DeadLetters,
    ) -> None:
        self.name: str = _checked_name(name)
        check_callable("handler", handler)
        self._handler = handler
        self.dispatcher = dispatcher
        self.dead_letters = letters
        self._hung = 0

    @property
    def positions(self) -> tuple[int, ...]:
        """The position up to which changes were taken in, in each partition of the log."""
        return self.dispatcher.positions

    def catch_up(self) -> int:
        """Deliver every change that is due, and return how many were delivered.

        A change on which the handler fails is retried after a pause, by a later call.
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

        Args:
            stop: ends the loop.
            every: seconds between looks for new changes.

        While the store cannot be reached, it logs a warning and keeps asking.
        """
        checked_seconds("every", every)
        check_signal("stop", stop)
        while not stop.is_set():
            with surviving(self.name):
                self.catch_up()
            stop.wait(every)

    def letters(self, *, all: bool = False) -> Iterator[Delivery]:
        """Yield the dead letters and the changes they block, in the order of the log.

        With `all`, also the deliveries that are retried without help.
        """
        return self.dead_letters.list(self.name, all=all)

    def redrive(self) -> int:
        """Deliver the dead letters again, as if they were new; return how many were delivered."""
        self.dead_letters.redrive(self.name)
        return self.catch_up()

    def _called(self, watch: _Watch, call: HandlerCall) -> Exception | None:
        """Call the handler, and return what it raised; while it hangs, other orders go on."""
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
        """Deliver the changes of other orders until the hanging call returns."""
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
    """Notices when a call of one reader takes too long: one thread for all of its calls."""

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
        """Seconds since the call began."""
        return time.monotonic() - self._began

    def end(self) -> bool:
        """Mark the call as ended, and tell whether its connection was closed before."""
        with self._lock:
            self.ended.set()
            return self._is_cut_off and self.call.connection is not None

    def cut_off(self) -> bool:
        """Close the connection of the call; False if the call has ended."""
        with self._lock:
            if self.ended.is_set():
                return False
            self._is_cut_off = True
            self._cut_off(self.call)
            return True


@contextmanager
def surviving(name: str) -> Iterator[None]:
    """Log when the store cannot be reached, and go on."""
    try:
        yield
    except StoreUnavailableError:
        LOG.warning("%s: the store cannot be reached; asking again", name)


def next_call(calls: HandlerCalls, failure: Exception | None) -> HandlerCall | int:
    """Return the next call to make, or how many changes were delivered at the end.

    `failure` is that of the call before; None for the first.
    """
    try:
        return calls.send(failure)
    except StopIteration as ended:
        return int(ended.value)


def _checked_name(name: object) -> str:
    if isinstance(name, str) and name.isprintable() and 0 < len(name.encode()) <= MAX_NAME_BYTES:
        if name.startswith(OWN_FEEDS):
            raise InvalidArgumentError("name", f"one that does not begin with {OWN_FEEDS}")
        return name
    raise InvalidArgumentError("name", f"a printable text of 1 to {MAX_NAME_BYTES} bytes")


class AsyncSubscription:
    """One named reader of the change feed, for asyncio; delivers as `Subscription` does.

    A handler that does not return in time is canceled, and its change is retried.
    """

    def __init__(self, subscription: Subscription, handler: AwaitedHandler) -> None:
        check_type("subscription", subscription, Subscription)
        check_callable("handler", handler)
        self.name: str = subscription.name
        self._subscription = subscription
        self._handler = handler

    async def catch_up(self) -> int:
        """Deliver every change that is due, and return how many were delivered."""
        calls = self._subscription.dispatcher.calls()
        try:
            call = await _next_call(calls, None)
            while not isinstance(call, int):
                call = await _next_call(calls, await self._called(call))
            return call
        finally:
            calls.close()

    async def follow(self, *, every: float = EVERY_SECONDS) -> None:
        """Deliver the changes there are and those to come, until the task is canceled."""
        checked_seconds("every", every)
        while True:
            with surviving(self.name):
                await self.catch_up()
            await asyncio.sleep(every)

    async def letters(self, *, all: bool = False) -> list[Delivery]:
        """Return the dead letters and the changes they block, in the order of the log.

        With `all`, also the deliveries that are retried without help.
        """
        return await asyncio.to_thread(lambda: list(self._subscription.letters(all=all)))

    async def redrive(self) -> int:
        """Deliver the dead letters again, and return how many were delivered."""
        await asyncio.to_thread(self._subscription.dead_letters.redrive, self.name)
        return await self.catch_up()

    async def _called(self, call: HandlerCall) -> Exception | None:
        dispatcher = self._subscription.dispatcher
        policy = dispatcher.policy
        try:
            async with asyncio.timeout(policy.timeout) as limit:
                await self._handler(call.change, *((call.connection,) * policy.exactly_once))
        except TimeoutError as raised:
            if not limit.expired():
                return raised
            dispatcher.cut_off(call)  # a thread that the handler started may go on
            return HandlerTimeoutError()
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a retry
            return raised
        except BaseException:
            dispatcher.cut_off(call)
            raise
        return None

    def __repr__(self) -> str:
        return f"<AsyncSubscription {ascii(self.name)[1:-1]}>"


async def _next_call(calls: HandlerCalls, failure: Exception | None) -> HandlerCall | int:
    """Make one step in a thread, and wait for it even if the task is canceled, however often."""
    run = partial(copy_context().run, next_call, calls, failure)
    # A future, not a task: a loop that shuts down cancels all tasks, and the thread would go on.
    going = asyncio.get_running_loop().run_in_executor(None, run)
    canceled: asyncio.CancelledError | None = None
    while not going.done():
        try:
            await asyncio.wait([going])
        except asyncio.CancelledError as raised:
            canceled = raised
    if canceled is not None:
        going.exception()  # else the loop reports it as never retrieved
        raise canceled
    return going.result()
