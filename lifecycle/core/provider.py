"""The port to a provider: what one folder under `providers/` has to offer."""

from __future__ import annotations

from typing import Protocol

from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival, Event, Unreadable


class Provider(Protocol):
    """One provider: its lifecycle, and how its bodies are read.

    Both methods are pure: they read no clock, file or socket, and never raise for what
    a body says or lacks.
    """

    @property
    def name(self) -> str:
        """The short name, public for ever: it is part of every order's stream."""
        ...

    @property
    def definition(self) -> Definition:
        """The lifecycle of this provider's orders."""
        ...

    @property
    def kept_headers(self) -> frozenset[str]:
        """Names in lower case of the headers to keep beside the usual ones."""
        ...

    def recognize(self, arrival: Arrival) -> Event | Unreadable:
        """Return what an arrival says, or why it cannot be read."""
        ...

    def recall(self, event: Event) -> Event:
        """Return a stored event with what its body says (details, faults, fate) filled in.

        The stored identity and name stand: they are never decided anew.
        """
        ...
