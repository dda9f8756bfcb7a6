"""Coroutines share one worker thread per log, and wake once per commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, Thread

from lifecycle.log.codec import Prepared
from lifecycle.log.contract import Appended
from lifecycle.log.group_commit import Gathering
from lifecycle.log.pending_append import Batch


class Drain:
    """Submits the batches of coroutines; safe for several event loops."""

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lifecycle-drain")
        self._lock = Lock()
        self._landings: dict[asyncio.AbstractEventLoop, _Landing] = {}

    def submit(
        self, entries: Sequence[Prepared], expected_version: int | None
    ) -> asyncio.Future[list[Appended]]:
        """Return a future of what became of the entries, which comes once that is durable.

        A task that is canceled while it waits harms nobody: its entries are recorded. The
        future raises `StoreError` where they were not appended, as far as anybody knows.
        """
        loop = asyncio.get_running_loop()
        landing = self._landings.get(loop) or self._new_landing(loop)
        batch = _AwaitedBatch(entries, expected_version, landing)
        self._gathering.enqueue(batch)
        if not landing.starting:
            landing.starting = True
            # Not at once: the tasks that are ready in this round of the loop join the group.
            loop.call_soon(self._start, landing)
        return batch.landed

    def close(self) -> None:
        """Wait for what is in the queue, and end the worker."""
        self._worker.shutdown()

    def _new_landing(self, loop: asyncio.AbstractEventLoop) -> _Landing:
        with self._lock:
            for known in [known for known in self._landings if known.is_closed()]:
                del self._landings[known]
            return self._landings.setdefault(loop, _Landing(loop))

    def _start(self, landing: _Landing) -> None:
        landing.starting = False
        try:
            self._worker.submit(self._gathering.drain)
        except RuntimeError:
            # The log is being closed: not in the event loop, whoever has to find that out.
            Thread(target=self._gathering.drain, name="lifecycle-drain-closing").start()


class _Landing:
    """Where settled batches come back into their event loop, a whole group at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.starting = False
        self.settled: deque[_AwaitedBatch] = deque()
        self._loop = loop
        self._waking = False

    def new_future(self) -> asyncio.Future[list[Appended]]:
        return self._loop.create_future()

    def wake(self) -> None:
        """Have the settled batches resolved; called by whoever committed, one at a time."""
        if self.settled and not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        while self.settled:
            while self.settled:
                self.settled.popleft().land()
            # What settles before this line is seen above, what settles after it wakes anew.
            self._waking = False


class _AwaitedBatch(Batch):
    """A batch whose caller is a coroutine."""

    __slots__ = ("_landing", "landed")

    def __init__(
        self, entries: Sequence[Prepared], expected_version: int | None, landing: _Landing
    ) -> None:
        super().__init__(entries, expected_version)
        self.landed = landing.new_future()
        self._landing = landing

    @property
    def sleeps(self) -> bool:
        return False

    def settle(self, results: list[Appended]) -> None:
        super().settle(results)
        self._landing.settled.append(self)

    def fail(self, error: Exception) -> None:
        super().fail(error)
        self._landing.settled.append(self)

    def wake(self) -> None:
        self._landing.wake()

    def land(self) -> None:
        """Resolve the future, in its own loop; a task that was canceled wants no answer."""
        if self.landed.done():
            return
        if self.error is None:
            self.landed.set_result(self.results)
        else:
            self.landed.set_exception(self.error)
            # Looked at, so that asyncio reports nothing where the task is canceled right now.
            self.landed.exception()
