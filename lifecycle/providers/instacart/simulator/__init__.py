"""A simulated provider: everything that Instacart Connect does for a last mile order.

    order_api ─→ validation ─→ schedule ─→ delivery ─→ webhook_sender ─→ callback endpoint
    (create)     (errors)      (all of its (each event (posts it,        of the retailer
                               future)     in time)    with faults)

| module | holds |
|---|---|
| `settings` | credentials, callbacks, faults, clock |
| `scenarios` | what can happen to an order, by name |
| `app` | `Simulator`: the ASGI application |
| `server` | `serve` on a socket, `RunningSimulator` in a thread |
| `truth` | what really happened, for tests to compare views with |

The same seed, order ids and requests give the same orders, faults and bodies. Only the time
of delivery on the socket differs.
"""

from lifecycle.providers.instacart.simulator.app import Simulator
from lifecycle.providers.instacart.simulator.scenarios import SCENARIOS, Scenario
from lifecycle.providers.instacart.simulator.server import RunningSimulator, serve
from lifecycle.providers.instacart.simulator.settings import Settings, hostile
from lifecycle.providers.instacart.simulator.truth import (
    Attempt,
    OrderTruth,
    PastEvent,
    SentCallback,
)

__all__ = [
    "SCENARIOS",
    "Attempt",
    "OrderTruth",
    "PastEvent",
    "RunningSimulator",
    "Scenario",
    "SentCallback",
    "Settings",
    "Simulator",
    "hostile",
    "serve",
]
