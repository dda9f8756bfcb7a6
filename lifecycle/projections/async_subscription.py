"""The same subscription for coroutines: its handler is awaited, its store asked in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial

from lifecycle.core.argument import check_callable, check_type
from lifecycle.log.feed_store import Letter
from lifecycle.projections.change_feed import EVERY_SECONDS, checked_seconds
from lifecycle.projections.handover import Flow, Hand, TooLateError
from lifecycle.projections.subscription import Subscription, step, surviving

AwaitedHandler = Callable[..., Awaitable[object]]
"""Takes a change, and with `exactly_once` the driver's connection too; it is awaited."""


class AsyncSubscription:
    """One named reader of the change feed, for coroutines; as `Subscription`.

    A handler that does not return in time is canceled, and its change is retried.
    """

    def __init__(self, subscription: Subscription, handler: AwaitedHandler) -> None:
        check_type("subscription", subscription, Subscription)
        check_callable("handler", handler)
        self.name = subscription.name
        self._subscription = subscription
        self._handler = handler

    async def catch_up(self) -> int:
        """Hand over every change that is due, and return how many were taken."""
        flow = self._subscription.flow()
        try:
            do = await _stepped(flow, None)
            while not isinstance(do, int):
                do = await _stepped(flow, await self._called(do))
            return do
        finally:
            flow.close()

    async def follow(self, *, every: float = EVERY_SECONDS) -> None:
        """Hand over the changes there are and those to come, until the task is canceled."""
        checked_seconds("every", every)
        while True:
            with surviving(self.name):
                await self.catch_up()
            await asyncio.sleep(every)

    async def letters(self, *, all: bool = False) -> list[Letter]:
        """Return the dead letters and what waits behind them; as `Subscription.letters`."""
        return await asyncio.to_thread(lambda: list(self._subscription.letters(all=all)))

    async def redrive(self) -> int:
        """Hand the dead letters over again, and return how many were taken."""
        await asyncio.to_thread(self._subscription.revive)
        return await self.catch_up()

    async def _called(self, hand: Hand) -> Exception | None:
        terms = self._subscription.terms
        try:
            async with asyncio.timeout(terms.timeout) as limit:
                await self._handler(hand.change, *((hand.connection,) * terms.exactly_once))
        except TimeoutError as raised:
            if not limit.expired():
                return raised
            self._subscription.cut_off(hand)  # a thread of its own may go on
            return TooLateError()
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a letter
            return raised
        except BaseException:
            self._subscription.cut_off(hand)
            raise
        return None

    def __repr__(self) -> str:
        return f"<AsyncSubscription {ascii(self.name)[1:-1]}>"


async def _stepped(flow: Flow, failure: Exception | None) -> Hand | int:
    """Go one step in a thread; however often the task is canceled, wait for it before closing."""
    run = partial(copy_context().run, step, flow, failure)
    # A future, not a task: a loop that shuts down cancels all tasks, and the thread would go on.
    going = asyncio.get_running_loop().run_in_executor(None, run)
    canceled: asyncio.CancelledError | None = None
    while not going.done():
        try:
            await asyncio.wait([going])
        except asyncio.CancelledError as raised:
            canceled = raised
    if canceled is not None:
        raise canceled
    return going.result()
