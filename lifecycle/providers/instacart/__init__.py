"""Instacart Connect: last mile delivery orders.

| module | holds |
|---|---|
| `definition` | states, ranks, moves |
| `words` | the provider's spellings |
| `bodies` | the shapes it sends |
| `details` | what it tells about an order |
| `exchanges` | what an HTTP status means for a request |
| `recognizing` | all of these together: an arrival in, an event out |

Beside these, and imported by none of them, what speaks HTTP (extra `http`):

| module | does |
|---|---|
| `request`, `client` | a create request as a model; calls to the provider |
| `dialogue` | creates an order, and never two |
| `reconciling` | asks for orders that wait too long |
| `receiver` | takes callbacks |
| `flow` | what client, dialogue and reconciling are written as |
| `prerequisites` | what has to be in place for all of it |

And what stands in for the provider: `simulator` over HTTP, `stories` in memory, and for tests
`recordings`, a function for each thing that may be sent or come. They share a `storyteller`,
the `ways` that an order can go, `plots` of it with its creation, and the provider's `refusals`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival, Event, Unreadable
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.reader import NAME, recall, recognize


@dataclass(frozen=True)
class Instacart:
    """The provider `instacart`, as `lifecycle.provider.Provider` asks for one."""

    name: str = NAME
    definition: Definition = LAST_MILE
    kept_headers: frozenset[str] = frozenset()

    def recognize(self, arrival: Arrival) -> Event | Unreadable:
        """Return what an arrival says, or why it cannot be read."""
        return recognize(arrival)

    def recall(self, event: Event) -> Event:
        """Return a stored event with details, faults and fate as its body says them."""
        return recall(event)


INSTACART: Final = Instacart()
PROVIDER: Final = INSTACART
"""The name under which a provider's folder offers what it is."""
