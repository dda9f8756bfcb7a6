"""How many callbacks are under way, and how much memory they hold: what is too much waits."""

from __future__ import annotations

from threading import Lock
from typing import Final

from lifecycle.core.event import MAX_KEPT_BYTES
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


SMALL_TOKEN_REQUEST: Final = 4 * 1024
"""Bytes of a token request that are never refused: id and secret take a few hundred."""


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
        self._token_bytes = 0
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

    def enter(self, client: str | None) -> AnyTicket:
        """Return a callback's place among those under way; for nobody, a token request's.

        Raises:
            Refused: there is none, or the receiver is closing.
        """
        if client is None:
            return TokenTicket(self)
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

    def take_for_token(self, size: int) -> None:
        """Take memory for the part of a token request that is not small any more.

        Raises:
            Refused: there is none left.
        """
        with self._lock:
            if self._token_bytes + size > self._limits.token_bytes:
                raise Refused(503, "too many token requests wait")
            self._token_bytes += size

    def leave_token(self, size: int) -> None:
        """Give the memory of a token request back."""
        with self._lock:
            self._token_bytes -= size


class TokenTicket:
    """What one token request has in memory: anybody may send it, so all of them are counted."""

    __slots__ = ("_admission", "_counted", "_size")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0
        self._counted = 0

    def take(self, size: int) -> None:
        """Take memory for part of the body; as `Admission.take_for_token`."""
        self._size += size
        more = max(0, self._size - SMALL_TOKEN_REQUEST) - self._counted
        if more > 0:
            self._admission.take_for_token(more)
            self._counted += more

    def release(self) -> None:
        """Give it back; a second time does nothing."""
        self._admission.leave_token(self._counted)
        self._counted = 0


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


AnyTicket = Ticket | TokenTicket
"""What is counted of one request."""
