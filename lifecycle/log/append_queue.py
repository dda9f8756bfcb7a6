"""Group commit: concurrent callers share one commit.

A caller puts its batch in the queue. If no other caller commits, it leads: it commits waiting
batches in groups until its own is settled, then wakes the next caller. All others sleep, each on
its own lock. So a single caller never waits for another thread. Coroutines share one worker
thread per log, and wake once per commit.

If a leader dies, the lock frees its turn, and its unsettled batches go back to the queue. A
sleeper checks now and then, so a lost wake-up blocks no caller.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, Thread
from typing import Final

from msgspec import Struct, field

from lifecycle.log.contract import Append

GROUP_ENTRIES: Final = 500
GROUP_BYTES: Final = 16 * 1024 * 1024
"""A group grows no further than this, but a single batch is never split."""

_NAP_SECONDS: Final = 1.0


class Batch(Struct, eq=False):
    """The entries of one caller, appended in one commit where the store can; see its subclasses.

    Once it is settled, `appends` hold the result of each, or `error` why not all were appended.
    No caller waits for a plain batch.
    """

    appends: list[Append]
    expected_version: int | None = None
    settled: bool = False
    withdrawn: bool = False
    error: Exception | None = None

    @property
    def sleeps(self) -> bool:
        """Whether a thread may still wait for its result."""
        return False

    def settle(self, error: Exception | None = None) -> None:
        """Take the result: all is durable, or why it is not, as far as is known."""
        self.error = error
        self.settled = True

    def wake(self) -> None:
        """Let the caller go on, if there is one; more than once is harmless."""


class ThreadBatch(Batch, eq=False):
    """A batch whose caller is a thread.

    It sleeps at `gate`, which opens when the batch is settled, or when it is this caller's
    turn to commit.
    """

    gate: Lock = field(default_factory=Lock)

    @property
    def sleeps(self) -> bool:
        """Whether it may still wait at the gate for its result."""
        return not self.settled and not self.withdrawn

    def wake(self) -> None:
        """Open the gate; opening it twice is harmless."""
        if self.gate.locked():
            self.gate.release()


class AppendQueue:
    """The batches that wait, and whose turn it is to commit them."""

    def __init__(self, commit: Callable[[Sequence[Batch]], None]) -> None:
        self._commit = commit
        self._waiting: deque[Batch] = deque()
        self._turn = Lock()

    def submit(self, batch: ThreadBatch) -> list[Append]:
        """Return what became of a batch, once it is durable; the caller may have to lead.

        Raises:
            StoreError: not all of it was appended, as far as is known.
        """
        batch.gate.acquire()
        try:
            self._waiting.append(batch)
            while not batch.settled:
                if not self._turn.locked() or batch.gate.acquire(timeout=_NAP_SECONDS):
                    self._lead(batch)
        finally:
            if not batch.settled:
                batch.withdrawn = True
                self._wake_next()
        if batch.error is not None:
            raise batch.error
        return batch.appends

    def enqueue(self, batch: Batch) -> None:
        """Put a batch in the queue for whoever leads next; see `drain`."""
        self._waiting.append(batch)

    def drain(self) -> None:
        """Commit until the queue is empty."""
        while self._waiting:
            with self._turn:
                self._commit_next()

    def close(self, close: Callable[[], None]) -> None:
        """Commit what waits, then call `close` while nobody commits."""
        self.drain()
        with self._turn:
            close()

    def _lead(self, own: Batch) -> None:
        try:
            with self._turn:
                while not own.settled:
                    self._commit_next(own)
        finally:
            if self._waiting:
                self._wake_next()

    def _commit_next(self, own: Batch | None = None) -> None:
        """Commit the next group, and wake its callers; the one whose batch is `own` is awake."""
        group = self._take()
        if own is not None and not group:
            group.append(own)  # a leader that was killed may have lost it from the queue
        try:
            if group:
                self._commit(group)
        finally:
            self._waiting.extendleft(batch for batch in reversed(group) if not batch.settled)
            for batch in group:
                if batch.settled and batch is not own:
                    batch.wake()

    def _take(self) -> list[Batch]:
        group: list[Batch] = []
        entries = size = 0
        while self._waiting:
            batch = self._waiting[0]
            entries += len(batch.appends)
            size += sum([len(append.body) for append in batch.appends])
            if group and (entries > GROUP_ENTRIES or size > GROUP_BYTES):
                break
            self._waiting.popleft()
            if not batch.settled and not batch.withdrawn:
                group.append(batch)
        return group

    def _wake_next(self) -> None:
        for batch in tuple(self._waiting):
            if batch.sleeps:
                batch.wake()
                return


class AsyncAppendQueue:
    """Submits the batches of coroutines; safe for several event loops."""

    def __init__(self, queue: AppendQueue) -> None:
        self._queue = queue
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lifecycle-append")
        self._lock = Lock()
        self._inboxes: dict[asyncio.AbstractEventLoop, _Inbox] = {}

    def submit(
        self, appends: list[Append], expected_version: int | None
    ) -> asyncio.Future[list[Append]]:
        """Return a future of what became of the entries, which comes once that is durable.

        A task that is canceled while it waits harms nobody: its entries are recorded. The
        future raises `StoreError` where they were not appended, as far as anybody knows.
        """
        loop = asyncio.get_running_loop()
        inbox = self._inboxes.get(loop) or self._new_inbox(loop)
        batch = _TaskBatch(appends, expected_version, future=loop.create_future(), inbox=inbox)
        self._queue.enqueue(batch)
        if not inbox.starting:
            inbox.starting = True
            # Not at once: the tasks that are ready in this round of the loop join the group.
            loop.call_soon(self._start, inbox)
        return batch.future

    def close(self) -> None:
        """Wait for what is in the queue, and end the worker."""
        self._worker.shutdown()

    def _new_inbox(self, loop: asyncio.AbstractEventLoop) -> _Inbox:
        with self._lock:
            for known in [known for known in self._inboxes if known.is_closed()]:
                del self._inboxes[known]
            return self._inboxes.setdefault(loop, _Inbox(loop))

    def _start(self, inbox: _Inbox) -> None:
        inbox.starting = False
        try:
            self._worker.submit(self._queue.drain)
        except RuntimeError:
            # The log is being closed: the event loop must not wait for that.
            Thread(target=self._queue.drain, name="lifecycle-append-closing").start()


class _Inbox:
    """Where settled batches come back into their event loop, a whole group at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.starting = False
        self.settled: deque[_TaskBatch] = deque()
        self.loop = loop
        self._waking = False

    def wake(self) -> None:
        """Have the settled batches resolved; called by whoever committed, one at a time."""
        if self.settled and not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        while self.settled:
            while self.settled:
                self.settled.popleft().resolve()
            # What settles before this line is seen above, what settles after it wakes anew.
            self._waking = False


class _TaskBatch(Batch, eq=False, kw_only=True):
    """A batch whose caller is a coroutine."""

    future: asyncio.Future[list[Append]]
    inbox: _Inbox

    def settle(self, error: Exception | None = None) -> None:
        self.error = error
        self.settled = True
        self.inbox.settled.append(self)

    def wake(self) -> None:
        self.inbox.wake()

    def resolve(self) -> None:
        """Resolve the future, in its own loop; a task that was canceled wants no answer."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.appends)
        else:
            self.future.set_exception(self.error)
            # Looked at, so that asyncio reports nothing where the task is canceled right now.
            self.future.exception()
