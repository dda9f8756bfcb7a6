"""Health: the problems of the receiver, without secrets, paths or payload."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from lifecycle.errors import LifecycleError, NotEnteredError
from lifecycle.http.receiver.admission import Admission
from lifecycle.http.receiver.routes import ReceiverLimits
from lifecycle.log.contract import Log

PROBE_SECONDS: Final = 2.0
NO_ANSWER: Final = "the store does not answer"
NOT_OPENED: Final = "the orders were not opened: run the lifespan of the app, or enter it"


class Health:
    """The known problems.

    A failure to record counts as long as a callback may wait for the store. A load balancer
    that stops callbacks because of it would otherwise never see it end.
    """

    def __init__(self, admission: Admission, limits: ReceiverLimits) -> None:
        self.ended: list[str] = []
        self._admission = admission
        self._seconds = limits.store_seconds
        self._failed_at: float | None = None
        self._probe_task: asyncio.Task[None] | None = None

    def note(self, failed: BaseException | None) -> None:
        """Note the result of recording a callback."""
        self._failed_at = None if failed is None else time.monotonic()

    def problems(self) -> list[str]:
        """Return the problems that are known without asking the store."""
        failed = self._failed_at
        recently = failed is not None and time.monotonic() - failed < self._seconds
        found = {
            "closing": self._admission.closing,
            "full: too many callbacks wait for the store": self._admission.is_full,
            "the last callback could not be recorded": recently,
        }
        return [what for what, so in found.items() if so] + self.ended

    def probe_now(self, log: Log) -> list[str]:
        """Return the problems, and ask the store."""
        try:
            _ask(log)
        except LifecycleError:
            return [*self.problems(), NO_ANSWER]
        return self.problems()

    async def probe(self, log: Log) -> list[str]:
        """Return the problems; asks the store once at a time, and waits two seconds at most."""
        if self._probe_task is None:
            self._probe_task = asyncio.ensure_future(self._probe_store(log))
        probe = self._probe_task
        await asyncio.wait((probe,), timeout=PROBE_SECONDS)
        return [*self.problems(), *_store_problems(probe)]

    async def _probe_store(self, log: Log) -> None:
        try:
            await asyncio.to_thread(_ask, log)
        finally:
            self._probe_task = None


def _ask(log: Log) -> None:
    for part in log.partitions:
        part.last_position()


def _store_problems(probe: asyncio.Task[None]) -> list[str]:
    if not probe.done() or probe.cancelled():
        return [NO_ANSWER]
    failed = probe.exception()
    if failed is None:
        return []
    return [NOT_OPENED if isinstance(failed, NotEnteredError) else NO_ANSWER]
