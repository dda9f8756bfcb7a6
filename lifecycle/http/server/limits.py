"""The limits of the server on connections and requests."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Final

from lifecycle.errors import InvalidArgumentError

ACCEPTED_AT_ONCE: Final = 16
"""Connections accepted in one round of the event loop, a few more than are closed in it."""

FILES_FOR_OTHERS: Final = 128
"""Open files reserved for the database, logs, and closing connections."""

MOST_CONNECTIONS: Final = 1000
FEWEST_CONNECTIONS: Final = 16


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The limits that apply to everybody, before a token is checked.

    Attributes:
        connections: the most open ones; None for 1000, or the limit of open files less 128 if that
            is fewer (at least 16). One more closes the one that was idle longest, first among
            those on which nothing was accepted yet; only where all are being answered is the new
            one told 503. Honest callers need some tens.
        head_bytes: the request line and headers together; 431. Honest ones have 0.5 to 4 KiB.
        headers: the most headers of a request; 431. Honest ones have 10 to 40.
        held_bytes: memory for unfinished heads and waiting requests of all connections; beyond it
            the idlest are closed. Honest ones need a few KiB.
        head_seconds: how long a head may take, from its first byte or from the connection on; 408,
            or no word where none was begun. Honest ones take a tenth of a second.
        body_seconds: how long a request may take to arrive after its head, answered or not; then
            the connection is closed. Honest ones take a second.
        idle_seconds: how long a connection may be idle between two requests; callers and
            balancers mostly keep one for 60.
        writing_seconds: how long an answer may wait for its reader. Honest ones take a second.
        pipelined: requests that may wait behind one that is being answered; with more the
            connection is closed after its answer. Honest callers send none.
        chunks: the most chunks of a body, beyond one for every 256 of its bytes; 400. A JSON
            encoder that writes piece by piece makes 1 to 5,000.
    """

    connections: int | None = None
    head_bytes: int = 64 * 1024
    headers: int = 128
    held_bytes: int = 16 * 1024 * 1024
    head_seconds: float = 10.0
    body_seconds: float = 40.0
    idle_seconds: float = 75.0
    writing_seconds: float = 30.0
    pipelined: int = 8
    chunks: int = 8192

    def __post_init__(self) -> None:
        counts = (self.head_bytes, self.headers, self.held_bytes, self.pipelined, self.chunks)
        times = (self.head_seconds, self.body_seconds, self.idle_seconds, self.writing_seconds)
        if min(*counts, *times) <= 0 or (self.connections is not None and self.connections < 1):
            raise InvalidArgumentError("server limits", "numbers above zero")

    def most_connections(self) -> int:
        """Return how many connections may be open, within the limit on open files."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.connections or MOST_CONNECTIONS
        if files == resource.RLIM_INFINITY:
            return wanted
        return min(wanted, max(FEWEST_CONNECTIONS, files - FILES_FOR_OTHERS))
