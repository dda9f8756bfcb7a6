"""How many callbacks are under way, and how much memory they hold: what is too much waits."""

from __future__ import annotations

from threading import Lock

from lifecycle.errors import PortableError
from lifecycle.providers.instacart.receiver.settings import Limits


class Refused(PortableError):  # noqa: N818 - an answer, not a fault of anything
    """A callback is not taken now; `why` says it in a word, `status` is what to answer."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(why)


class Admission:
    """Counts what is under way; safe for threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = Lock()
        self.closing = False
        self.waiting = 0
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the next callback would be refused."""
        return self.waiting >= self._limits.waiting or self.bytes >= self._limits.waiting_bytes

    def enter(self) -> Ticket:
        """Return a callback's place among those under way.

        Raises:
            Refused: there is none, or the receiver is closing.
        """
        with self._lock:
            if self.closing or self.is_full:
                raise Refused(503, "closing" if self.closing else "too many callbacks wait")
            self.waiting += 1
        return Ticket(self)

    def take(self, size: int) -> None:
        """Take memory for part of a body.

        Raises:
            Refused: there is none left.
        """
        with self._lock:
            if self.bytes + size > self._limits.waiting_bytes:
                raise Refused(503, "too many bytes wait")
            self.bytes += size

    def leave(self, size: int) -> None:
        """Give back a place and its memory."""
        with self._lock:
            self.waiting -= 1
            self.bytes -= size


class Ticket:
    """One callback's place among those under way."""

    __slots__ = ("_admission", "_size")

    def __init__(self, admission: Admission, size: int = 0) -> None:
        self._admission: Admission | None = admission
        self._size = size

    def take(self, size: int) -> None:
        """Take memory for part of the body; as `Admission.take`."""
        if self._admission is not None:
            self._admission.take(size)
            self._size += size

    def handed_over(self) -> Ticket | None:
        """Return the same place for somebody else to release; to release this does nothing."""
        admission, self._admission = self._admission, None
        return None if admission is None else Ticket(admission, self._size)

    def release(self) -> None:
        """Give the place back; a second time does nothing."""
        if self._admission is not None:
            self._admission.leave(self._size)
            self._admission = None
