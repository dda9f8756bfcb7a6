"""How many callbacks are under way, and how much memory they hold: what is too much waits."""

from __future__ import annotations

from threading import Lock
from typing import Final

from lifecycle.event import MAX_KEPT_BYTES
from lifecycle.portable import PortableError
from lifecycle.providers.instacart.receiver.settings import Limits

_LEAST_BYTES: Final = MAX_KEPT_BYTES + 1024 * 1024
"""What a client may always fill if it is there: one of the largest bodies, and what shows that."""


class Refused(PortableError):  # noqa: N818 - an answer, not a fault of anything
    """A callback is not taken now; `why` says it in a word, `status` is what to answer."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(why)


class Usage:
    """What is under way: how many callbacks, and how many bytes of them."""

    __slots__ = ("bytes", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.bytes = 0


class Admission:
    """Counts what is under way; safe for threads.

    Where there are several clients, none of them takes more than half: what one sends, or
    begins to send, leaves room for the others.
    """

    def __init__(self, limits: Limits, clients: int = 1) -> None:
        self._limits = limits
        self._lock = Lock()
        self._all = Usage()
        self._each: dict[str, Usage] = {}
        share = 1 if clients == 1 else 2
        self._most = max(1, limits.waiting // share)
        self._most_bytes = max(limits.waiting_bytes // share, _LEAST_BYTES)
        self.closing = False

    @property
    def waiting(self) -> int:
        """How many callbacks are under way."""
        return self._all.waiting

    @property
    def bytes(self) -> int:
        """How many bytes of them are in memory."""
        return self._all.bytes

    @property
    def is_full(self) -> bool:
        """Whether the next callback would be refused, whoever sends it."""
        return self.waiting >= self._limits.waiting or self.bytes >= self._limits.waiting_bytes

    def enter(self, client: str) -> Ticket:
        """Return a callback's place among those under way.

        Raises:
            Refused: there is none, or the receiver is closing.
        """
        with self._lock:
            own = self._each.get(client) or Usage()
            if self.closing or self.is_full or own.waiting >= self._most:
                raise Refused(503, "closing" if self.closing else "too many callbacks wait")
            self._each[client] = own
            own.waiting += 1
            self._all.waiting += 1
        return Ticket(self, client)

    def take(self, client: str, size: int) -> None:
        """Take memory for part of a body.

        Raises:
            Refused: there is none left.
        """
        with self._lock:
            own = self._each[client]
            if (
                self.bytes + size > self._limits.waiting_bytes
                or own.bytes + size > self._most_bytes
            ):
                raise Refused(503, "too many bytes wait")
            own.bytes += size
            self._all.bytes += size

    def leave(self, client: str, size: int) -> None:
        """Give back a place and its memory."""
        with self._lock:
            own = self._each[client]
            for usage in (own, self._all):
                usage.waiting -= 1
                usage.bytes -= size
            if own.waiting == 0:
                del self._each[client]


class Ticket:
    """One callback's place among those under way."""

    __slots__ = ("_admission", "_client", "_size")

    def __init__(self, admission: Admission, client: str, size: int = 0) -> None:
        self._admission: Admission | None = admission
        self._client = client
        self._size = size

    def take(self, size: int) -> None:
        """Take memory for part of the body; as `Admission.take`."""
        if self._admission is not None:
            self._admission.take(self._client, size)
            self._size += size

    def handed_over(self) -> Ticket | None:
        """Return the same place for somebody else to release; to release this does nothing."""
        admission, self._admission = self._admission, None
        return None if admission is None else Ticket(admission, self._client, self._size)

    def release(self) -> None:
        """Give the place back; a second time does nothing."""
        if self._admission is not None:
            self._admission.leave(self._client, self._size)
            self._admission = None
