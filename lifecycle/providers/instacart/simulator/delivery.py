"""Dispatch: lets happen what was planned, and sends the callbacks, badly if asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, Final

from lifecycle.core.instant import format_instant
from lifecycle.providers.instacart.order_generator import divergent
from lifecycle.providers.instacart.simulator.clock import ProviderClock
from lifecycle.providers.instacart.simulator.order import Making, Outgoing
from lifecycle.providers.instacart.simulator.schedule import Happening
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.truth import Attempt
from lifecycle.providers.instacart.simulator.webhook_sender import Courier

_DELAY: Final = (30, 1200)
_AGAIN_AFTER: Final = (5, 900)
_THRICE: Final = 0.2
_TIES: Final = 0.3
_STEP: Final = 0.005


class Dispatch:
    """Runs every order of a simulator; `tasks` are under way."""

    def __init__(self, settings: Settings, clock: ProviderClock) -> None:
        self._settings = settings
        self._clock = clock
        self._courier = Courier(settings)
        self.tasks: set[asyncio.Task[None]] = set()

    def run(self, making: Making, number: int) -> None:
        """Let happen what is still to come of an order; anew after its plan was changed."""
        if making.task is not None:
            making.task.cancel()
        making.task = self._start(self._run(making, number))

    async def first_tried(self, making: Making, seconds: float) -> None:
        """Wait until the first callback of an order was sent, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await making.heard_of.wait()

    async def settle(self, *, advance: bool) -> None:
        """Wait until nothing is to happen and nothing is under way; or move the clock to it."""
        while waiting := {task for task in self.tasks if task is not asyncio.current_task()}:
            if advance and self._clock.advance_to_next():
                await asyncio.sleep(0)
            else:
                await asyncio.wait(waiting, timeout=_STEP if advance else None)

    async def close(self) -> None:
        """Drop everything that is under way."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._courier.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _run(self, making: Making, number: int) -> None:
        started = {id(sent.happening) for sent in making.sent}
        for happening in tuple(making.happenings):
            if happening.body is None or id(happening) in started:
                continue
            await self._clock.until(happening.at)
            self._send(making, number, happening)
        making.heard_of.set()
        for last in reversed(making.sent):
            last.overtaken.set()
            if last.fate != "lost":
                break

    def _send(self, making: Making, number: int, happening: Happening) -> None:
        """Send the callback of what has just happened, if there is anybody to tell."""
        index = len(making.sent)
        before = next((one for one in reversed(making.sent) if not one.is_held), None)
        marks = making.marks(self._settings, number, index)
        random = Random(  # noqa: S311 - repeatable on purpose
            f"{self._settings.seed}:sent:{making.planner.order_id}:{number}:{index}"
        )
        body = happening.body or {}
        if "skewed" in marks and "event_timestamp" in body:
            body = self._skewed(body, happening, making.sent, random)
        outgoing = Outgoing(happening, body, marks)
        making.sent.append(outgoing)
        if self._settings.callback_url is None or "lost" in marks:
            _lose(outgoing)
        else:
            self._start(self._deliver(making, outgoing, before, random))

    async def _deliver(
        self, making: Making, outgoing: Outgoing, before: Outgoing | None, random: Random
    ) -> None:
        if "delayed" in outgoing.marks:
            await self._pause(outgoing, *_DELAY, random)
        if "reordered" in outgoing.marks:
            await outgoing.overtaken.wait()
        elif before is not None and not outgoing.is_held:
            await before.tried.wait()
        await self._post(outgoing, making)
        if "divergent" in outgoing.marks and "event_id" in outgoing.content:
            await self._send_again(making, outgoing, divergent(dict(outgoing.content)), random)
        if "repeated" in outgoing.marks:
            for _ in range(1 + (random.random() < _THRICE)):
                await self._send_again(making, outgoing, dict(outgoing.content), random)

    async def _send_again(
        self, making: Making, outgoing: Outgoing, body: dict[str, Any], random: Random
    ) -> None:
        mark = "repeated" if body == outgoing.content else "divergent"
        copy = outgoing.again(body, mark)
        making.again.append(copy)
        await self._pause(outgoing, *_AGAIN_AFTER, random)
        await self._post(copy, making)

    async def _post(self, outgoing: Outgoing, making: Making) -> None:
        """Send a body until it is answered 2xx, or often enough."""
        wait = self._settings.retry_seconds
        for left in range(self._settings.retries, -1, -1):
            sent_at = self._clock.now()
            answer = await self._courier.post(outgoing.body)
            outgoing.attempts.append(Attempt(answer=answer, sent_at=sent_at))
            _mark_tried(outgoing, making)
            if isinstance(answer, int) and answer // 100 == 2:
                outgoing.fate = "acknowledged"
                return
            if left:
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._settings.longest_retry_seconds)
        outgoing.fate = "given_up"

    async def _pause(self, outgoing: Outgoing, least: int, most: int, random: Random) -> None:
        seconds = least + random.random() * (most - least)
        at = max(outgoing.happening.at, self._clock.now())
        await self._clock.until(at + timedelta(seconds=seconds))

    def _skewed(
        self, body: dict[str, Any], happening: Happening, sent: list[Outgoing], random: Random
    ) -> dict[str, Any]:
        """Return an envelope whose clock was wrong: by some seconds, or so that it ties."""
        most = self._settings.skew_seconds
        at = happening.at + timedelta(seconds=random.choice((-1, 1)) * random.randint(1, most))
        if sent and random.random() < _TIES:
            at = max(sent[-1].happening.at, happening.at - timedelta(seconds=most))
        return {**body, "event_timestamp": format_instant(at)}


def _lose(outgoing: Outgoing) -> None:
    outgoing.fate = "lost"
    outgoing.tried.set()


def _mark_tried(outgoing: Outgoing, making: Making) -> None:
    outgoing.tried.set()
    making.heard_of.set()
    for earlier in making.sent:
        if earlier is outgoing:
            break
        earlier.overtaken.set()
