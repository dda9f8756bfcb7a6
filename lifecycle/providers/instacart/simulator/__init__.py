"""A simulated provider: everything that Instacart Connect does for a last mile order.

    create ─→ validation ─→ planning ─→ dispatch ─→ courier ─→ the retailer's callback endpoint
    (office)  refusals      the whole   at its      badly, if
                            future      time        asked to            truth: what really was

| module | holds |
|---|---|
| `settings` | who may call, whom to call back, and how badly |
| `scenarios` | what can be made to happen, by name |
| `app` | `Simulator`: the ASGI application |
| `serving` | `serve` on a socket, `RunningSimulator` in a thread |
| `truth` | what really happened, for a test to hold views against |

The same seed, order ids and requests give the same orders, faults and bodies; only when a
socket delivers is the machine's matter.
"""

from lifecycle.providers.instacart.simulator.app import Simulator
from lifecycle.providers.instacart.simulator.scenarios import SCENARIOS, Scenario
from lifecycle.providers.instacart.simulator.server import RunningSimulator, serve
from lifecycle.providers.instacart.simulator.settings import Settings, hostile
from lifecycle.providers.instacart.simulator.truth import (
    Attempt,
    Happened,
    OrderTruth,
    SentCallback,
)

__all__ = [
    "SCENARIOS",
    "Attempt",
    "Happened",
    "OrderTruth",
    "RunningSimulator",
    "Scenario",
    "SentCallback",
    "Settings",
    "Simulator",
    "hostile",
    "serve",
]
