"""DoorDash Drive: deliveries, known by the merchant's `external_delivery_id`.

| module | holds |
|---|---|
| `definition` | states, ranks, moves, and the details of a delivery |
| `reader` | what an arrival says |

Source, where nothing else is named: the provider's reference pages of the Drive API, version 2
(`developer.doordash.com/en-US/docs/drive/reference`): webhooks, delivery statuses, errors.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.provider import PlainProvider
from lifecycle.providers.doordash_drive.definition import DELIVERY
from lifecycle.providers.doordash_drive.reader import READER

PROVIDER: Final = PlainProvider("doordash_drive", DELIVERY, READER.read)

DISTINCTIVE: Final = frozenset({"dasher", "doordash", "external_delivery_id"})
"""Words that are this provider's alone: nothing outside of its folder may say them."""
