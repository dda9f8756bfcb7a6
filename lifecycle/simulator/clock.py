"""The provider's clock: it runs at its own speed, and can be advanced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta


class ProviderClock:
    """The provider's time; `speed` of its seconds pass in a second of `monotonic`."""

    def __init__(
        self, starts_at: datetime, *, speed: float, monotonic: Callable[[], float]
    ) -> None:
        self._starts_at = starts_at
        self._speed = speed
        self._monotonic = monotonic
        self._began = monotonic()
        self._moved_by = timedelta(0)
        self._moved = asyncio.Event()
        self._awaited: list[datetime] = []

    def now(self) -> datetime:
        """Return the provider's time."""
        passed = timedelta(seconds=(self._monotonic() - self._began) * self._speed)
        return self._starts_at + passed + self._moved_by

    def advance(self, seconds: float) -> None:
        """Advance by so many of the provider's seconds, and wake those who wait for them."""
        self._moved_by += timedelta(seconds=max(seconds, 0.0))
        self._moved.set()
        self._moved = asyncio.Event()

    def advance_to_next(self) -> bool:
        """Advance to the first awaited instant; False: nobody waits for one."""
        if self._awaited:
            self.advance((min(self._awaited) - self.now()).total_seconds())
        return bool(self._awaited)

    async def wait_until(self, at: datetime) -> None:
        """Wait until the clock shows that instant."""
        self._awaited.append(at)
        try:
            while (left := (at - self.now()).total_seconds()) > 0:
                # Not `wait_for`: before Python 3.12 it may swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(left / self._speed):
                        await self._moved.wait()
        finally:
            self._awaited.remove(at)
