"""The open connections, and which to close if there are too many.

The one that was idle longest is closed first: of those on which no request was ever accepted,
then of the others. A client that opens a thousand idle connections closes its own.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from itertools import chain
from typing import Final, Protocol

from lifecycle.http.log_limit import LimitedLogger
from lifecycle.http.server.limits import ServerLimits

LOG: Final = logging.getLogger("lifecycle.server")


class Connection(Protocol):
    """One open connection."""

    @property
    def is_busy(self) -> bool:
        """Whether a request has come in whole and is being answered."""

    @property
    def deadline(self) -> float:
        """When its current phase times out."""

    def drop(self) -> None:
        """Close it at once."""

    def end_late(self, now: float) -> None:
        """End it, because it timed out."""


class Connections:
    """The open connections of one event loop, idle longest first."""

    def __init__(self, limits: ServerLimits) -> None:
        self.most: int = limits.most_connections()
        self.log: LimitedLogger = LimitedLogger(LOG)
        self.held_bytes: int = 0
        self._most_held = limits.held_bytes
        self._unknown: OrderedDict[Connection, None] = OrderedDict()
        self._known: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._unknown) + len(self._known)

    def add(self, connection: Connection) -> bool:
        """Add a connection; False: there is no room, and none can be closed."""
        if len(self) >= self.most and not self.close_idlest():
            self.log.warning("all %d connections are busy; refused one, answered 503", self.most)
            return False
        self._unknown[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._unknown.pop(connection, None)
        self._known.pop(connection, None)

    def answered(self, connection: Connection, *, accepted: bool) -> None:
        """Note that a request was answered on a connection, and whether it was accepted."""
        known = accepted or connection in self._known
        if connection in self._known or connection in self._unknown:
            self.remove(connection)
            (self._known if known else self._unknown)[connection] = None

    def hold(self, size: int) -> None:
        """Count bytes of incomplete requests, and close connections if there are too many."""
        self.held_bytes += size
        while self.held_bytes > self._most_held and self.close_idlest():
            continue

    def close_idlest(self) -> bool:
        """Close the connection that was idle longest; False: all are busy."""
        for connection in self._idle():
            self.remove(connection)
            connection.drop()
            self.log.warning("too many connections: closed the one that was idle longest")
            return True
        return False

    def end_late(self, now: float) -> None:
        """End every connection that timed out."""
        for connection in [*self._unknown, *self._known]:
            if connection.deadline <= now:
                connection.end_late(now)

    def _idle(self) -> Iterator[Connection]:
        every = chain(self._unknown, self._known)
        return (connection for connection in every if not connection.is_busy)
