"""The test kit: what you would otherwise write to test an integration.

    recordings ─→ given ─→ when ─→ then           one order, step by step
         │
         ├─→ assert_any_order                     any order, repeats and losses
         ├─→ deliveries, hostile_deliveries       the same, drawn by Hypothesis
         └─→ Golden                               an approved view

    definition ─→ walks_to_states, walks_to_moves ─→ recordings        what to test
               └→ Coverage                                             what is tested

    simulated ─→ a provider on a real socket, with callbacks and its truth
    receiving ─→ a receiver of callbacks on another

The pytest plugin `pytest_lifecycle` is installed with the distribution. Each provider builds
its own recordings, in a module `recordings` of its package.
"""

from lifecycle.testing.any_order import assert_any_order
from lifecycle.testing.clock import STARTS_AT, FixedClock
from lifecycle.testing.coverage import Coverage
from lifecycle.testing.golden import Golden
from lifecycle.testing.handmade import HandMade, Recording, event
from lifecycle.testing.recordings import load_recordings, memory_orders, received_in_order
from lifecycle.testing.scenario import Given, When, given
from lifecycle.testing.simulation import Simulated, receiving, simulated
from lifecycle.testing.strategies import (
    definitions,
    deliveries,
    events_of,
    hostile_bodies,
    hostile_deliveries,
    lifecycles,
)
from lifecycle.testing.walk import Walk, walks_to_moves, walks_to_states

__all__ = [
    "STARTS_AT",
    "Coverage",
    "FixedClock",
    "Given",
    "Golden",
    "HandMade",
    "Recording",
    "Simulated",
    "Walk",
    "When",
    "assert_any_order",
    "definitions",
    "deliveries",
    "event",
    "events_of",
    "given",
    "hostile_bodies",
    "hostile_deliveries",
    "lifecycles",
    "load_recordings",
    "memory_orders",
    "received_in_order",
    "receiving",
    "simulated",
    "walks_to_moves",
    "walks_to_states",
]
