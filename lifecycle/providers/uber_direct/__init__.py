"""Uber Direct: deliveries, known by the merchant's `external_id`.

| module | holds |
|---|---|
| `definition` | states, ranks, moves, and the details of a delivery |
| `reader` | what an arrival says |

Source, where nothing else is named: the provider's reference pages of the Direct API
(`developer.uber.com/docs/deliveries`): its webhooks, Create, Get and List Delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival
from lifecycle.core.provider import JsonObject, NoReading, Reading
from lifecycle.providers.uber_direct.definition import DELIVERY
from lifecycle.providers.uber_direct.reader import read


@dataclass(frozen=True)
class UberDirect:
    """The provider `uber_direct`, a `lifecycle.core.provider.Provider`.

    `takes_tests`: whether callbacks about test deliveries count. An account that has live
    deliveries quarantines them as `test_event`.
    """

    name: str = "uber_direct"
    definition: Definition = DELIVERY
    kept_headers: frozenset[str] = frozenset()
    takes_tests: bool = False

    def read(self, arrival: Arrival, body: JsonObject | None) -> Reading | NoReading:
        """Return what an arrival says, or why it says nothing."""
        return read(arrival, body)


PROVIDER: Final = UberDirect()
TESTING: Final = UberDirect(takes_tests=True)
"""For an account in test mode: `--provider lifecycle.providers.uber_direct:TESTING`."""

DISTINCTIVE: Final = frozenset(
    {
        "courier_imminent",
        "uber",
        "undeliverable_reason",
    }
)
"""Words that are this provider's alone: nothing outside of its folder may say them."""
