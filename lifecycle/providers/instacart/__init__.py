"""Instacart Connect: last mile delivery orders.

| module | holds |
|---|---|
| `definition` | states, ranks, moves |
| `words` | the provider's spellings |
| `bodies` | the shapes of its bodies |
| `details` | the details of an order |
| `exchanges` | what the response to a create request means |
| `reader` | all of these together: an arrival in, an event out |

The modules that use HTTP (extra `http`); none of the above imports them:

| module | does |
|---|---|
| `request`, `client` | a create request as a model; calls to the provider |
| `dialogue` | creates an order, and never twice |
| `reconcile` | polls orders that wait too long |
| `receiver` | receives callbacks |
| `flow` | runs `client`, `dialogue` and `reconcile`, sync and async |

Stand-ins for the provider: `simulator` over HTTP, `sample_orders` in memory, and `recordings`
for tests. They share `order_generator` and `sample_scenarios`.
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
    """The provider `instacart`, a `lifecycle.core.provider.Provider`."""

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
"""The name under which every provider package exports its provider."""

# Source: the provider's how-to on asynchronous creation. None of it can be checked from here.
PREREQUISITES: Final = (
    "asynchronous order creation is enabled in your retailer configuration",
    "the last mile delivery workflow is implemented on your site",
    "the Brand New callback is enabled for that workflow",
)
"""What must be in place before orders can be created; your Instacart representative can help."""
