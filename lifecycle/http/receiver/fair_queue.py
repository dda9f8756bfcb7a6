"""A fair queue: one costly callback is read at a time, and clients take turns.

A client's callbacks wait behind its own earlier ones, and behind one of each other client.
After each turn comes a pause of the same length: half of the time is left for the rest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final, TypeAlias

LONGEST_PAUSE: Final = 1.0
"""Seconds: a turn may be long because of the store alone."""

_Waiting: TypeAlias = "deque[asyncio.Future[None]]"


class QueueTimeoutError(Exception):
    """A turn did not come up in time."""


class FairQueue:
    """Grants turns, one at a time; belongs to one event loop."""

    def __init__(self) -> None:
        self._busy = False
        self._clients: OrderedDict[str, _Waiting] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many callbacks wait for their turn."""
        return sum(map(len, self._clients.values()))

    @asynccontextmanager
    async def turn(self, client: str, seconds: float) -> AsyncIterator[None]:
        """Hold the turn, on behalf of a client.

        Raises:
            QueueTimeoutError: it did not come up within so many seconds.
        """
        if self._busy:
            await self._wait(client, seconds)
        self._busy = True
        begun_at = monotonic()
        try:
            yield
        finally:
            pause = min(monotonic() - begun_at, LONGEST_PAUSE)
            asyncio.get_running_loop().call_later(pause, self._start_next)

    async def _wait(self, client: str, seconds: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clients.setdefault(client, deque()).append(turn)
        try:
            await asyncio.wait((turn,), timeout=seconds)
        except asyncio.CancelledError:
            self._cancel_wait(client, turn)
            raise
        if not turn.done():
            self._cancel_wait(client, turn)
            raise QueueTimeoutError

    def _cancel_wait(self, client: str, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self._start_next()  # it was granted just as the wait ended
        else:
            self._forget(client, turn)

    def _forget(self, client: str, turn: asyncio.Future[None]) -> None:
        waiting = self._clients[client]
        waiting.remove(turn)
        if not waiting:
            del self._clients[client]

    def _start_next(self) -> None:
        """Grant the turn to the client that waited longest, for its oldest callback."""
        if not self._clients:
            self._busy = False
            return
        client, waiting = self._clients.popitem(last=False)
        waiting.popleft().set_result(None)
        if waiting:
            self._clients[client] = waiting
