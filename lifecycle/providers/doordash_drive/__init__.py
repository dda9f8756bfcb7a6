"""DoorDash Drive: deliveries, known by the merchant's `external_delivery_id`.

| module | holds |
|---|---|
| `definition` | states, ranks, moves, and the details of a delivery |
| `reader` | what an arrival says |

Source, where nothing else is named: the provider's reference pages of the Drive API, version 2
(`developer.doordash.com/en-US/docs/drive/reference`): webhooks, delivery statuses, errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import Arrival
from lifecycle.core.provider import JsonObject, NoReading, Reading
from lifecycle.providers.doordash_drive.definition import DELIVERY
from lifecycle.providers.doordash_drive.reader import read


@dataclass(frozen=True)
class DoorDashDrive:
    """The provider `doordash_drive`, a `lifecycle.core.provider.Provider`."""

    name: str = "doordash_drive"
    definition: Definition = DELIVERY
    kept_headers: frozenset[str] = frozenset()

    def read(self, arrival: Arrival, body: JsonObject | None) -> Reading | NoReading:
        """Return what an arrival says, or why it says nothing."""
        return read(arrival, body)


PROVIDER: Final = DoorDashDrive()

DISTINCTIVE: Final = frozenset(
    {
        "dasher",
        "doordash",
        "external_delivery_id",
    }
)
"""Words that are this provider's alone: nothing outside of its folder may say them."""
