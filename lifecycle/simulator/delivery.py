"""Runs the planned events of orders, and delivers their callbacks with the faults asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, Final

from lifecycle.simulator.clock import ProviderClock
from lifecycle.simulator.order import CreatedOrder, Outgoing
from lifecycle.simulator.plan import PlannedEvent
from lifecycle.simulator.port import SimulatedProvider
from lifecycle.simulator.settings import Settings
from lifecycle.simulator.truth import Attempt
from lifecycle.simulator.webhook_sender import WebhookSender

_DELAY: Final = (30, 1200)
_RESEND_DELAY: Final = (5, 900)
_TWO_REPEATS_RATE: Final = 0.2
_TIE_RATE: Final = 0.3
_SETTLE_POLL_SECONDS: Final = 0.005


class CallbackDelivery:
    """Runs every order of a simulator; `tasks` are those still running."""

    def __init__(
        self, provider: SimulatedProvider, settings: Settings, clock: ProviderClock
    ) -> None:
        self._provider = provider
        self._settings = settings
        self._clock = clock
        self._sender = WebhookSender(settings, provider.callback_headers)
        self.tasks: set[asyncio.Task[None]] = set()

    def run(self, order: CreatedOrder, number: int) -> None:
        """Start an order's remaining events, or restart them after its plan changed."""
        if order.task is not None:
            order.task.cancel()
        order.task = self._start(self._run(order, number))

    async def wait_for_first_attempt(self, order: CreatedOrder, seconds: float) -> None:
        """Wait until the first callback of an order was sent, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await order.first_attempted.wait()

    async def settle(self, *, advance: bool) -> None:
        """Wait until no event or callback is pending; `advance`: move the clock to each."""
        while waiting := {task for task in self.tasks if task is not asyncio.current_task()}:
            if advance and self._clock.advance_to_next():
                await asyncio.sleep(0)
            else:
                await asyncio.wait(waiting, timeout=_SETTLE_POLL_SECONDS if advance else None)

    async def close(self) -> None:
        """Cancel every pending event and callback."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._sender.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _run(self, order: CreatedOrder, number: int) -> None:
        started = {id(sent.event) for sent in order.sent}
        for event in tuple(order.events):
            if event.body is None or id(event) in started:
                continue
            await self._clock.wait_until(event.at)
            self._send(order, number, event)
        order.first_attempted.set()
        for last in reversed(order.sent):
            last.overtaken.set()
            if last.fate != "lost":
                break

    def _send(self, order: CreatedOrder, number: int, event: PlannedEvent) -> None:
        """Send the callback of an event, if there is a callback URL."""
        index = len(order.sent)
        before = next((one for one in reversed(order.sent) if not one.is_held), None)
        marks = order.marks(self._settings, number, index)
        random = Random(  # noqa: S311 - repeatable on purpose
            f"{self._settings.seed}:sent:{order.plan.order_id}:{number}:{index}"
        )
        body = event.body or {}
        if "skewed" in marks and self._provider.stamp(body) is not None:
            body = self._skewed(body, event, order.sent, random)
        outgoing = Outgoing(event, body, marks, self._provider.stamp)
        order.sent.append(outgoing)
        if self._settings.callback_url is None or "lost" in marks:
            _mark_lost(outgoing)
        else:
            self._start(self._deliver(order, outgoing, before, random))

    async def _deliver(
        self, order: CreatedOrder, outgoing: Outgoing, before: Outgoing | None, random: Random
    ) -> None:
        if "delayed" in outgoing.marks:
            await self._pause(outgoing, *_DELAY, random)
        if "reordered" in outgoing.marks:
            await outgoing.overtaken.wait()
        elif before is not None and not outgoing.is_held:
            await before.attempted.wait()
        await self._post(outgoing, order)
        if "divergent" in outgoing.marks:
            other = self._provider.divergent(dict(outgoing.content))
            if other is not None:
                await self._send_again(order, outgoing, other, random)
        if "repeated" in outgoing.marks:
            for _ in range(1 + (random.random() < _TWO_REPEATS_RATE)):
                await self._send_again(order, outgoing, dict(outgoing.content), random)

    async def _send_again(
        self, order: CreatedOrder, outgoing: Outgoing, body: dict[str, Any], random: Random
    ) -> None:
        mark = "repeated" if body == outgoing.content else "divergent"
        copy = outgoing.copy(body, mark)
        order.resent.append(copy)
        await self._pause(outgoing, *_RESEND_DELAY, random)
        await self._post(copy, order)

    async def _post(self, outgoing: Outgoing, order: CreatedOrder) -> None:
        """Post a body until it is answered 2xx, or its retries are used up."""
        wait = self._settings.retry_seconds
        for left in range(self._settings.retries, -1, -1):
            sent_at = self._clock.now()
            answer = await self._sender.post(outgoing.body)
            outgoing.attempts.append(Attempt(answer=answer, sent_at=sent_at))
            _mark_attempted(outgoing, order)
            if isinstance(answer, int) and answer // 100 == 2:
                outgoing.fate = "acknowledged"
                return
            if left:
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._settings.longest_retry_seconds)
        outgoing.fate = "given_up"

    async def _pause(self, outgoing: Outgoing, least: int, most: int, random: Random) -> None:
        seconds = least + random.random() * (most - least)
        at = max(outgoing.event.at, self._clock.now())
        await self._clock.wait_until(at + timedelta(seconds=seconds))

    def _skewed(
        self, body: dict[str, Any], event: PlannedEvent, sent: list[Outgoing], random: Random
    ) -> dict[str, Any]:
        """Return a body with a wrong timestamp: some seconds off, or equal to another."""
        most = self._settings.skew_seconds
        at = event.at + timedelta(seconds=random.choice((-1, 1)) * random.randint(1, most))
        if sent and random.random() < _TIE_RATE:
            at = max(sent[-1].event.at, event.at - timedelta(seconds=most))
        return self._provider.restamped(body, at)


def _mark_lost(outgoing: Outgoing) -> None:
    outgoing.fate = "lost"
    outgoing.attempted.set()


def _mark_attempted(outgoing: Outgoing, order: CreatedOrder) -> None:
    outgoing.attempted.set()
    order.first_attempted.set()
    for earlier in order.sent:
        if earlier is outgoing:
            break
        earlier.overtaken.set()
