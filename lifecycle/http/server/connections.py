"""Which connections are open; where there are too many, which of them has to go.

The one that was idle longest goes first: among those on which nothing was ever accepted, then
among the others. So whoever opens a thousand and says nothing closes their own.
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
        ...

    @property
    def deadline(self) -> float:
        """When it will have taken too long over what it does."""
        ...

    def drop(self) -> None:
        """Close it at once."""
        ...

    def end_late(self, now: float) -> None:
        """End what has taken too long."""
        ...


class Connections:
    """The open connections of one event loop, idle longest first."""

    def __init__(self, limits: ServerLimits) -> None:
        self.most = limits.most_connections()
        self.log = LimitedLogger(LOG)
        self.held_bytes = 0
        self._most_held = limits.held_bytes
        self._strangers: OrderedDict[Connection, None] = OrderedDict()
        self._known: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def add(self, connection: Connection) -> bool:
        """Take a connection in; False where there is no room and none that could go."""
        if len(self) >= self.most and not self.close_idlest():
            self.log.warning("all %d connections are busy; refused one, answered 503", self.most)
            return False
        self._strangers[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._strangers.pop(connection, None)
        self._known.pop(connection, None)

    def answered(self, connection: Connection, *, accepted: bool) -> None:
        """Note that a connection was of use just now, and whether its request was accepted."""
        known = accepted or connection in self._known
        if connection in self._known or connection in self._strangers:
            self.remove(connection)
            (self._known if known else self._strangers)[connection] = None

    def hold(self, size: int) -> None:
        """Count bytes that came before their request can be looked at; room is made for them."""
        self.held_bytes += size
        while self.held_bytes > self._most_held and self.close_idlest():
            continue

    def close_idlest(self) -> bool:
        """Close the connection that was idle longest; False where all are busy."""
        for connection in self._idle():
            self.remove(connection)
            connection.drop()
            self.log.warning("too many connections: closed the one that was idle longest")
            return True
        return False

    def end_late(self, now: float) -> None:
        """End whatever has taken too long."""
        for connection in [*self._strangers, *self._known]:
            if connection.deadline <= now:
                connection.end_late(now)

    def _idle(self) -> Iterator[Connection]:
        every = chain(self._strangers, self._known)
        return (connection for connection in every if not connection.is_busy)
