"""The same subscription for coroutines: its handler is awaited, its store asked in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from lifecycle.core.argument import check_callable, check_type
from lifecycle.log.feed_store import DeadLetter
from lifecycle.projections.change_feed import EVERY_SECONDS, OrderChange, checked_seconds
from lifecycle.projections.subscription import Flow, Hand, Pause, Subscription, step

AwaitedHandler = Callable[[OrderChange], Awaitable[object]]
"""Takes a change, and is awaited."""


class AsyncSubscription:
    """One named reader of the change feed, for coroutines; as `Subscription`, at least once."""

    def __init__(self, subscription: Subscription, handler: AwaitedHandler) -> None:
        check_type("subscription", subscription, Subscription)
        check_callable("handler", handler)
        self.name = subscription.name
        self._subscription = subscription
        self._handler = handler

    async def catch_up(self) -> int:
        """Hand over every change there is, and return how many were taken."""
        return await self._driven(self._subscription.flow())

    async def follow(self, *, every: float = EVERY_SECONDS) -> None:
        """Hand over the changes there are and those to come, until the task is canceled."""
        checked_seconds("every", every)
        while True:
            await self.catch_up()
            await asyncio.sleep(every)

    async def letters(self) -> list[DeadLetter]:
        """Return what the handler did not take, in the order of the log."""
        return await asyncio.to_thread(lambda: list(self._subscription.letters()))

    async def redrive(self) -> int:
        """Hand the dead letters over again, and return how many were taken."""
        return await self._driven(self._subscription.flow_of_letters())

    async def _driven(self, flow: Flow) -> int:
        try:
            do = await asyncio.to_thread(step, flow, None)
            while not isinstance(do, int):
                if isinstance(do, Pause):
                    await asyncio.sleep(do.seconds)
                failure = await self._hand_over(do) if isinstance(do, Hand) else None
                do = await asyncio.to_thread(step, flow, failure)
            return do
        finally:
            with suppress(ValueError):  # canceled while a thread is in it
                flow.close()

    async def _hand_over(self, hand: Hand) -> Exception | None:
        try:
            await self._handler(hand.change)
        except Exception as raised:  # noqa: BLE001 - the handler's trouble becomes a letter
            return raised
        return None

    def __repr__(self) -> str:
        return f"<AsyncSubscription {ascii(self.name)[1:-1]}>"
