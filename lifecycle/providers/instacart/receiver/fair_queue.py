"""Turns: one costly callback is read at a time, and every client comes up in its turn.

One that sends many waits behind its own, and another behind one of them at most. After each
turn comes a pause as long as it took: at least half of the time belongs to all other callbacks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final, TypeAlias

LONGEST_PAUSE: Final = 1.0
"""Seconds: a turn may have been long for the store alone."""

_Waiting: TypeAlias = "deque[asyncio.Future[None]]"


class QueueTimeoutError(Exception):
    """A turn did not come up in time."""


class Turns:
    """Who is next; belongs to one event loop."""

    def __init__(self) -> None:
        self._taken = False
        self._clients: OrderedDict[str, _Waiting] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(map(len, self._clients.values()))

    @asynccontextmanager
    async def turn(self, client: str, seconds: float) -> AsyncIterator[None]:
        """Hold the one turn; `client` is whose it is.

        Raises:
            QueueTimeoutError: it did not come up within so many seconds.
        """
        if self._taken:
            await self._wait(client, seconds)
        self._taken = True
        begun_at = monotonic()
        try:
            yield
        finally:
            pause = min(monotonic() - begun_at, LONGEST_PAUSE)
            asyncio.get_running_loop().call_later(pause, self._pass_on)

    async def _wait(self, client: str, seconds: float) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clients.setdefault(client, deque()).append(mine)
        try:
            await asyncio.wait((mine,), timeout=seconds)
        except asyncio.CancelledError:
            self._give_up(client, mine)
            raise
        if not mine.done():
            self._give_up(client, mine)
            raise QueueTimeoutError

    def _give_up(self, client: str, mine: asyncio.Future[None]) -> None:
        if mine.done():
            self._pass_on()  # it came up in the very moment in which nobody waited any more
        else:
            self._forget(client, mine)

    def _forget(self, client: str, mine: asyncio.Future[None]) -> None:
        waiting = self._clients[client]
        waiting.remove(mine)
        if not waiting:
            del self._clients[client]

    def _pass_on(self) -> None:
        """Hand the turn to the client that has waited longest for one; its oldest goes first."""
        if not self._clients:
            self._taken = False
            return
        client, waiting = self._clients.popitem(last=False)
        waiting.popleft().set_result(None)
        if waiting:
            self._clients[client] = waiting
