"""A subscription for asyncio: the handler is awaited, the store is used in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial

from lifecycle.core.argument import check_callable, check_type
from lifecycle.log.feed_store import Delivery
from lifecycle.projections.change_feed import EVERY_SECONDS, checked_seconds
from lifecycle.projections.dispatcher import HandlerCall, HandlerCalls, HandlerTimeoutError
from lifecycle.projections.subscription import Subscription, next_call, surviving

AwaitedHandler = Callable[..., Awaitable[object]]
"""Takes a change and, with `exactly_once`, the driver's connection; it is awaited."""


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
