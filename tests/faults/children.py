"""Child processes of a test: forked before any log is open, and always collected."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from select import select


class Child:
    """A fork that runs `work`, which may write lines to the descriptor it is given."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self._receiving, sending = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._receiving)
            os._exit(_run(work, sending))
        os.close(sending)

    def first_bytes(self) -> bytes:
        """Wait until the child writes."""
        return os.read(self._receiving, 65536)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def collect(self, seconds: float = 60) -> tuple[int, bytes]:
        """Return the exit code (negative: the signal) and what the child wrote."""
        written = bytearray()
        deadline = time.monotonic() + seconds
        while select([self._receiving], [], [], max(0.0, deadline - time.monotonic()))[0]:
            chunk = os.read(self._receiving, 65536)
            if not chunk:
                break
            written += chunk
        os.close(self._receiving)
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status), bytes(written)
            time.sleep(0.005)
        self.kill()
        os.waitpid(self.pid, 0)
        raise AssertionError(f"child {self.pid} did not end")


def _run(work: Callable[[int], None], sending: int) -> int:
    try:
        work(sending)
    except BaseException:  # noqa: BLE001 - the parent is told
        os.write(sending, traceback.format_exc().encode())
        return 1
    return 0
