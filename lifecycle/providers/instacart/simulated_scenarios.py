"""What can happen to a simulated order.

A create request forces scenarios by its special instructions, `"simulate: lost, stepped-back"`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from lifecycle.simulator.scenarios import ANSWERS, CALLBACKS, Scenario, by_name

SCENARIOS: Final = by_name(
    (
        Scenario("delivered", "way", "everything goes well"),
        Scenario("stepped-back", "way", "a shopper drops out, the next one delivers"),
        Scenario("rescheduled", "way", "moved to a later window, then delivered"),
        Scenario("customer-missing", "way", "nobody opens, the order is canceled"),
        Scenario("canceled-later", "way", "the customer cancels some time after Brand New"),
        Scenario("creation-failed", "way", "accepted, then canceled without a Brand New"),
        Scenario("under-way", "way", "stops somewhere and never ends"),
        Scenario("server-failed", "way", "answered 500, retried twice, then canceled"),
        Scenario("server-recovered", "way", "answered 500, made by a retry, then delivered"),
        Scenario("bad-address", "refusal", "400, one error about `address`"),
        Scenario("bad-fields", "refusal", "400, two errors in the 9999 wrapper"),
        Scenario("unknown-store", "refusal", "400 about `location_code`"),
        Scenario("no-capacity", "refusal", "400 about `service_option_hold_id`"),
        *ANSWERS,
        *CALLBACKS,
        Scenario("flat", "callbacks", "the order object itself, without id and time"),
        Scenario("enveloped", "callbacks", "in an envelope, with event id and time"),
    )
)

RETRIED_WAYS: Final = ("server-failed", "server-recovered")
"""The ways of an order whose create is answered with a server error."""

MIXED_WAYS: Final = {
    "delivered": 50,
    "stepped-back": 12,
    "rescheduled": 10,
    "customer-missing": 8,
    "canceled-later": 10,
    "creation-failed": 10,
}
"""The weights of ways in hostile settings."""

_ASKED: Final = re.compile(r"\s*simulate:(.*)", re.IGNORECASE | re.DOTALL)


def forced_scenarios_of(request: Mapping[str, Any]) -> frozenset[str]:
    """Return the scenario names in a create request, known or not."""
    said = request.get("special_instructions")
    found = _ASKED.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return frozenset()
    return frozenset(name for part in found[1].split(",") if (name := part.strip().lower()))
