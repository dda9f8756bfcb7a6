"""The simulator: plays a provider over real HTTP, with faults by seed.

    order_api ─→ provider's checks ─→ plan ─→ delivery ─→ webhook_sender ─→ callback endpoint
    (create)     (errors)             (all of its (each event (posts it,    of the retailer
                                       future)     in time)    with faults)

| module | holds |
|---|---|
| `port` | what a provider says of itself: `SimulatedProvider` |
| `requests` | routes as a table, and cancellation |
| `bodies`, `stepped`, `recordings` | providers whose orders go in plain steps |
| `settings`, `scenarios` | credentials, callbacks, faults, clock; what can happen |
| `app` | `Simulator`: the ASGI application |
| `server` | `serve` on a socket, `RunningSimulator` in a thread |
| `order_api`, `order`, `plan` | creates, shows and changes orders, and what becomes of them |
| `delivery`, `webhook_sender` | events in time, callbacks with faults |
| `truth` | what really happened, for tests to compare views with |
| `samples` | whole orders in memory, and what faulty delivery makes of them |
| `clock`, `http`, `tokens` | its time, its requests and replies, its tokens |

The same seed, order ids and requests give the same orders, faults and bodies. Only the time
of delivery on the socket differs.
"""

from lifecycle.simulator.app import Simulator
from lifecycle.simulator.http import Reply, Request
from lifecycle.simulator.plan import Plan, PlannedEvent, PlanRequest
from lifecycle.simulator.port import Answers, Route, SimulatedProvider
from lifecycle.simulator.requests import cancel_to, route_by
from lifecycle.simulator.scenarios import ANSWERS, CALLBACKS, Scenario, with_faults
from lifecycle.simulator.server import RunningSimulator, serve
from lifecycle.simulator.settings import Settings
from lifecycle.simulator.truth import Attempt, OrderTruth, PastEvent, SentCallback

__all__ = [
    "ANSWERS",
    "CALLBACKS",
    "Answers",
    "Attempt",
    "OrderTruth",
    "PastEvent",
    "Plan",
    "PlanRequest",
    "PlannedEvent",
    "Reply",
    "Request",
    "Route",
    "RunningSimulator",
    "Scenario",
    "SentCallback",
    "Settings",
    "SimulatedProvider",
    "Simulator",
    "cancel_to",
    "route_by",
    "serve",
    "with_faults",
]
