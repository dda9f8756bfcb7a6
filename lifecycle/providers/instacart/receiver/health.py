"""What is wrong with the receiver, told without secrets, paths or payload."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from lifecycle.errors import LifecycleError, NotEnteredError
from lifecycle.log.contract import Log
from lifecycle.providers.instacart.receiver.admission import Admission
from lifecycle.providers.instacart.receiver.settings import Limits

PROBE_SECONDS: Final = 2.0
NO_ANSWER: Final = "the store does not answer"
NOT_OPENED: Final = "the orders were not opened: run the lifespan of the app, or enter it"


class Health:
    """What is known to be wrong.

    A failure to record counts for as long as a callback would wait for the store: a balancer
    that keeps callbacks away for it could otherwise never learn that it is over.
    """

    def __init__(self, admission: Admission, limits: Limits) -> None:
        self.ended: list[str] = []
        self._admission = admission
        self._seconds = limits.store_seconds
        self._failed_at: float | None = None
        self._probe: asyncio.Task[None] | None = None

    def note(self, failed: BaseException | None) -> None:
        """Keep in mind how recording a callback went."""
        self._failed_at = None if failed is None else time.monotonic()

    def told(self) -> list[str]:
        """Return what is wrong, as far as one can tell without asking the store."""
        failed = self._failed_at
        recently = failed is not None and time.monotonic() - failed < self._seconds
        found = {
            "closing": self._admission.closing,
            "full: too many callbacks wait for the store": self._admission.is_full,
            "the last callback could not be recorded": recently,
        }
        return [what for what, so in found.items() if so] + self.ended

    def ask(self, log: Log) -> list[str]:
        """Return what is wrong, the store's own answer included."""
        try:
            log.last_position()
        except LifecycleError:
            return [*self.told(), NO_ANSWER]
        return self.told()

    async def look(self, log: Log) -> list[str]:
        """Return what is wrong; asks the store once at a time, and waits two seconds at most."""
        if self._probe is None:
            self._probe = asyncio.ensure_future(self._ask(log))
        probe = self._probe
        await asyncio.wait((probe,), timeout=PROBE_SECONDS)
        return [*self.told(), *_wrong_with(probe)]

    async def _ask(self, log: Log) -> None:
        try:
            await asyncio.to_thread(log.last_position)
        finally:
            self._probe = None


def _wrong_with(probe: asyncio.Task[None]) -> list[str]:
    if not probe.done() or probe.cancelled():
        return [NO_ANSWER]
    failed = probe.exception()
    if failed is None:
        return []
    return [NOT_OPENED if isinstance(failed, NotEnteredError) else NO_ANSWER]
