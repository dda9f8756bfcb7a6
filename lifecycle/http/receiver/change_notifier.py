"""Calls the service's `on_change` after the acknowledgement, and never delays it.

At most once: a change that waits while the process dies, or that exceeds the capacity, is
not notified later. The log holds every change.
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


def call_on_change(on_change: OnChange | None, receipt: Receipt) -> Awaitable[None] | None:
    """Call `on_change` if the receipt has a change; what it raises is logged, not raised."""
    try:
        if on_change is not None and receipt.change is not None:
            return on_change(receipt)
    except Exception as failed:  # noqa: BLE001 - the callback is durable, and acknowledged
        log_failure(failed)
    return None


def is_being_canceled() -> bool:
    """Tell whether the current task was canceled, not just something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def log_failure(failed: BaseException) -> None:
    """Log that `on_change` failed; only the type, since the text may be personal."""
    LOG.error("on_change failed with %s; the callback is stored", type(failed).__name__)


class ChangeNotifier:
    """Calls `on_change` in the order in which callbacks became durable, one at a time."""

    def __init__(self, on_change: OnChange | None, capacity: int) -> None:
        self._on_change = on_change
        self._capacity = capacity
        self._waiting: deque[Receipt] = deque()
        self._worker: asyncio.Task[None] | None = None
        self.dropped: int = 0
        self._log = LimitedLogger(LOG)

    def put(self, receipt: Receipt) -> None:
        """Queue a receipt, and return at once."""
        for each in receipt.whole():
            self._put(each)

    def _put(self, receipt: Receipt) -> None:
        if self._on_change is None:
            return
        if len(self._waiting) >= self._capacity:
            self.dropped += 1
            self._log.error("on_change is too slow: %d changes were not looked at", self.dropped)
            return
        self._waiting.append(receipt)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def settled(self) -> None:
        """Return once the queue is empty."""
        while self._worker is not None:
            await asyncio.shield(self._worker)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._notify(self._waiting.popleft())
        finally:
            self._worker = None

    async def _notify(self, receipt: Receipt) -> None:
        try:
            # Folding may have to read the order's rows: not in the event loop.
            if isinstance(receipt, AsyncReceipt):
                await receipt.folded()
            result = await asyncio.to_thread(call_on_change, self._on_change, receipt)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError as canceled:
            if is_being_canceled():
                raise
            log_failure(canceled)
        except Exception as failed:  # noqa: BLE001 - as in `call_on_change`
            log_failure(failed)
