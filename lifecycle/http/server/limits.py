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
        connections: the most open ones; None for 1000, or as many as the limit on open files
            allows. A further one closes the one that was idle longest.
        head_bytes: the largest request line with headers.
        headers: the most headers of a request.
        held_bytes: memory for incomplete and waiting requests, of all connections.
        head_seconds: how long a head may take, from its first byte or from the connection on.
        body_seconds: how long a request may take to arrive after its head.
        idle_seconds: how long a connection may be idle between two requests.
        writing_seconds: how long a response may wait for its reader.
        pipelined: requests that may wait on a connection while one is answered.
        chunks: the most chunks of a body, beyond one for every 256 of its bytes.
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
