"""Uber Direct: deliveries, known by the merchant's `external_id`.

Source, where nothing else is named: the provider's reference pages of the Direct API
(`developer.uber.com/docs/deliveries`): its webhooks, Create, Get and List Delivery.
"""

from __future__ import annotations

from typing import Final

from lifecycle.core.provider import PlainProvider
from lifecycle.providers.uber_direct.definition import DELIVERY
from lifecycle.providers.uber_direct.reader import READER

PROVIDER: Final = PlainProvider("uber_direct", DELIVERY, READER.read)
TESTING: Final = PlainProvider("uber_direct", DELIVERY, READER.read, takes_tests=True)
"""For an account in test mode: `--provider lifecycle.providers.uber_direct:TESTING`."""

DISTINCTIVE: Final = frozenset({"courier_imminent", "uber", "undeliverable_reason"})
"""Words that are this provider's alone: nothing outside of its folder may say them."""
