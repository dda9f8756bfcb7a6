"""Concurrent callers share one commit.

A caller puts its batch in the queue. If nobody is committing it leads: it commits what
waits, in groups, until its own batch is settled, then wakes the next. All others sleep,
each at its own gate. There is no committer thread in a single caller's way.

Whatever kills a leader, the lock frees its turn, and what it left unsettled goes back
to the queue. A sleeper looks up now and then, so even a lost wake-up hangs nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from lifecycle.log.contract import Appended
from lifecycle.log.pending_append import Batch, ThreadBatch

GROUP_ENTRIES: Final = 500
GROUP_BYTES: Final = 16 * 1024 * 1024
"""A group grows no further than this, but a single batch is never split."""

_NAP_SECONDS: Final = 1.0


class Gathering:
    """The queue of batches, and whose turn it is to commit them."""

    def __init__(self, commit: Callable[[Sequence[Batch]], None]) -> None:
        self._commit = commit
        self._waiting: deque[Batch] = deque()
        self._turn = Lock()

    def submit(self, batch: ThreadBatch) -> list[Appended]:
        """Return what became of a batch, once it is durable; the caller may have to lead.

        Raises:
            StoreError: it was not appended, as far as anybody knows.
        """
        try:
            self._waiting.append(batch)
            while not batch.settled:
                if not self._turn.locked() or batch.gate.acquire(timeout=_NAP_SECONDS):
                    self._lead(batch)
        finally:
            if not batch.settled:
                batch.withdrawn = True
                self._wake_next()
        return batch.outcome()

    def enqueue(self, batch: Batch) -> None:
        """Put a batch in the queue for whoever leads next; see `drain`."""
        self._waiting.append(batch)

    def drain(self) -> None:
        """Commit until the queue is empty."""
        while self._waiting:
            with self._turn:
                self._commit_group(self._take())

    def close(self, close: Callable[[], None]) -> None:
        """Commit what waits, then call `close` while nobody commits."""
        self.drain()
        with self._turn:
            close()

    def _lead(self, batch: Batch) -> None:
        try:
            with self._turn:
                while not batch.settled:
                    # A leader that was killed may have lost the batch from the queue.
                    self._commit_group(self._take() or [batch])
        finally:
            self._wake_next()

    def _take(self) -> list[Batch]:
        group: list[Batch] = []
        entries = size = 0
        while self._waiting:
            batch = self._waiting[0]
            entries += len(batch.entries)
            size += batch.size
            if group and (entries > GROUP_ENTRIES or size > GROUP_BYTES):
                break
            self._waiting.popleft()
            if not batch.settled and not batch.withdrawn:
                group.append(batch)
        return group

    def _commit_group(self, group: Sequence[Batch]) -> None:
        try:
            if group:
                self._commit(group)
        finally:
            self._waiting.extendleft(batch for batch in reversed(group) if not batch.settled)
            for batch in group:
                if batch.settled:
                    batch.wake()

    def _wake_next(self) -> None:
        for batch in tuple(self._waiting):
            if batch.sleeps:
                batch.wake()
                return
