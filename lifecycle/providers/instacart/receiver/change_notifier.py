"""Telling the service what changed, after the acknowledgement and never in its way.

At most once: what was not told when the process died, or while more waited than there is
room for, is not told again. The log has it all.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from lifecycle.http.log_limit import LimitedLogger
from lifecycle.service.receipt import AsyncReceipt, Receipt

OnChange = Callable[[Receipt], Awaitable[None] | None]
"""Called with the receipt of a callback that changed its order.

A coroutine function runs in the event loop, any other in a thread.
"""

LOG: Final = logging.getLogger("lifecycle.receiver")


def tell_now(on_change: OnChange | None, receipt: Receipt) -> Awaitable[None] | None:
    """Call `on_change` if the receipt tells of a change; what it raises is logged, not raised."""
    try:
        if on_change is not None and receipt.change is not None:
            return on_change(receipt)
    except Exception as failed:  # noqa: BLE001 - the callback is durable, and acknowledged
        log_failure(failed)
    return None


def is_being_canceled() -> bool:
    """Tell whether the task that runs now was canceled, not just something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def log_failure(failed: BaseException) -> None:
    """Log that a change was not told; of the failure only its kind, its text may be personal."""
    LOG.error("on_change failed with %s; the callback is stored", type(failed).__name__)


class Telling:
    """Calls `on_change` in the order in which callbacks became durable, one at a time."""

    def __init__(self, on_change: OnChange | None, room: int) -> None:
        self._on_change = on_change
        self._room = room
        self._waiting: deque[Receipt] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.untold = 0
        self._log = LimitedLogger(LOG)

    def put(self, receipt: Receipt) -> None:
        """Have this told soon; returns at once."""
        if self._on_change is None:
            return
        if len(self._waiting) >= self._room:
            self.untold += 1
            self._log.error("on_change is too slow: %d changes were not looked at", self.untold)
            return
        self._waiting.append(receipt)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def settled(self) -> None:
        """Return when all that waits was told."""
        while self._worker is not None:
            await asyncio.shield(self._worker)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._tell(self._waiting.popleft())
        finally:
            self._worker = None

    async def _tell(self, receipt: Receipt) -> None:
        try:
            # Folding may have to read the order's rows: not in the event loop.
            if isinstance(receipt, AsyncReceipt):
                await receipt.folded()
            told = await asyncio.to_thread(tell_now, self._on_change, receipt)
            if inspect.isawaitable(told):
                await told
        except asyncio.CancelledError as canceled:
            if is_being_canceled():
                raise
            log_failure(canceled)
        except Exception as failed:  # noqa: BLE001 - as in `tell_now`
            log_failure(failed)
