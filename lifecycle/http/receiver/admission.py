"""Admission: limits how many callbacks are in progress, and how much memory they hold."""

from __future__ import annotations

from threading import Lock
from typing import Final

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.receiver.routes import ReceiverLimits
from lifecycle.portable_error import PortableError

_LEAST_BYTES: Final = MAX_KEPT_BYTES + 1024 * 1024
"""Bytes that a client may always use if they are free: one body of the largest size, and more."""


class NotAdmittedError(PortableError):
    """A request is not admitted now: answer `status` and `why`."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        self.why = why
        super().__init__(why)


SMALL_TOKEN_REQUEST: Final = 4 * 1024
"""Bytes of a token request that are always admitted: id and secret take a few hundred."""


class Usage:
    """The callbacks in progress: their number, and their bytes."""

    __slots__ = ("bytes", "waiting")

    def __init__(self) -> None:
        self.waiting: int = 0
        self.bytes: int = 0


class Admission:
    """Counts callbacks in progress; safe for threads.

    With several clients, none of them may use more than half of the limits.
    """

    def __init__(self, limits: ReceiverLimits, clients: int = 1) -> None:
        self._limits = limits
        self._lock = Lock()
        self._total = Usage()
        self._by_client: dict[str, Usage] = {}
        self._token_bytes = 0
        share = 1 if clients == 1 else 2
        self._most_waiting = max(1, limits.waiting // share)
        self._most_bytes = max(limits.waiting_bytes // share, _LEAST_BYTES)
        self.closing = False

    @property
    def waiting(self) -> int:
        """How many callbacks are in progress."""
        return self._total.waiting

    @property
    def bytes(self) -> int:
        """How many bytes of them are in memory."""
        return self._total.bytes

    @property
    def is_full(self) -> bool:
        """Whether any further callback would be refused."""
        return self.waiting >= self._limits.waiting or self.bytes >= self._limits.waiting_bytes

    def admit(self, client: str | None) -> AnyTicket:
        """Return the ticket of a client's callback; client None: of a token request.

        Raises:
            NotAdmittedError: a limit is reached, or the receiver is closing.
        """
        if client is None:
            return TokenTicket(self)
        with self._lock:
            own = self._by_client.get(client) or Usage()
            if self.closing or self.is_full or own.waiting >= self._most_waiting:
                raise NotAdmittedError(
                    503, "closing" if self.closing else "too many callbacks wait"
                )
            self._by_client[client] = own
            own.waiting += 1
            self._total.waiting += 1
        return Ticket(self, client)

    def reserve(self, client: str, size: int) -> None:
        """Reserve memory for part of a body.

        Raises:
            NotAdmittedError: there is none left.
        """
        with self._lock:
            own = self._by_client[client]
            if (
                self.bytes + size > self._limits.waiting_bytes
                or own.bytes + size > self._most_bytes
            ):
                raise NotAdmittedError(503, "too many bytes wait")
            own.bytes += size
            self._total.bytes += size

    def release(self, client: str, size: int) -> None:
        """Release a callback and its memory."""
        with self._lock:
            own = self._by_client[client]
            for usage in (own, self._total):
                usage.waiting -= 1
                usage.bytes -= size
            if own.waiting == 0:
                del self._by_client[client]

    def reserve_for_token(self, size: int) -> None:
        """Reserve memory for the part of a token request above the small size.

        Raises:
            NotAdmittedError: there is none left.
        """
        with self._lock:
            if self._token_bytes + size > self._limits.token_bytes:
                raise NotAdmittedError(503, "too many token requests wait")
            self._token_bytes += size

    def release_for_token(self, size: int) -> None:
        """Release the memory of a token request."""
        with self._lock:
            self._token_bytes -= size


class TokenTicket:
    """The memory of one token request; anybody may send one, so all share one limit."""

    __slots__ = ("_admission", "_counted", "_size")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._size = 0
        self._counted = 0

    def reserve(self, size: int) -> None:
        """Reserve memory for part of the body."""
        self._size += size
        more = max(0, self._size - SMALL_TOKEN_REQUEST) - self._counted
        if more > 0:
            self._admission.reserve_for_token(more)
            self._counted += more

    def release(self) -> None:
        """Release it; a second call does nothing."""
        self._admission.release_for_token(self._counted)
        self._counted = 0


class Ticket:
    """One admitted callback."""

    __slots__ = ("_admission", "_client", "_size")

    def __init__(self, admission: Admission, client: str, size: int = 0) -> None:
        self._admission: Admission | None = admission
        self._client = client
        self._size = size

    def reserve(self, size: int) -> None:
        """Reserve memory for part of the body."""
        if self._admission is not None:
            self._admission.reserve(self._client, size)
            self._size += size

    def transfer(self) -> Ticket | None:
        """Return a ticket that its new owner releases; releasing this one then does nothing."""
        admission, self._admission = self._admission, None
        return None if admission is None else Ticket(admission, self._client, self._size)

    def release(self) -> None:
        """Release the callback; a second call does nothing."""
        if self._admission is not None:
            self._admission.release(self._client, self._size)
            self._admission = None


AnyTicket = Ticket | TokenTicket
"""The ticket of one request."""
