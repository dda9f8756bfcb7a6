"""Scenarios: what can happen to an order, by name.

A create request forces them by its special instructions, `"simulate: lost, stepped-back"`.
The settings give them rates, drawn by the seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["way", "refusal", "answer", "callbacks"]


class Scenario(NamedTuple):
    """One thing that can happen.

    Kinds: a `way` is the course of the order. A `refusal` rejects the first create. An
    `answer` affects the first create or, by rate, any request. `callbacks` affect its callbacks.
    """

    name: str
    kind: Kind
    description: str


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
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
        Scenario("dropped-before", "answer", "the connection closes, no order was made"),
        Scenario("dropped-after", "answer", "the order was made, then the connection closes"),
        Scenario("slow", "answer", "the order is made at once, the answer takes its time"),
        Scenario("error-401", "answer", "the token is no longer taken"),
        Scenario("error-429", "answer", "too many requests"),
        Scenario("error-500", "answer", "a server error: the provider retries by itself"),
        Scenario("error-503", "answer", "overloaded, no order was made"),
        Scenario("overtaking", "callbacks", "the first callback comes before the response"),
        Scenario("repeated", "callbacks", "sent again, with the same event id"),
        Scenario("reordered", "callbacks", "held until the next one was sent"),
        Scenario("delayed", "callbacks", "sent half a minute to twenty minutes late"),
        Scenario("lost", "callbacks", "never sent"),
        Scenario("divergent", "callbacks", "sent again with the same event id, other content"),
        Scenario("skewed", "callbacks", "the timestamp is some seconds wrong, or ties"),
        Scenario("flat", "callbacks", "the order object itself, without id and time"),
        Scenario("enveloped", "callbacks", "in an envelope, with event id and time"),
    )
}
FAULTS: Final = frozenset(
    name
    for name, scenario in SCENARIOS.items()
    if scenario.kind in ("answer", "callbacks") and name not in ("flat", "enveloped")
)
"""The scenarios that have a rate in the settings."""

_ASKED: Final = re.compile(r"\s*simulate:(.*)", re.IGNORECASE | re.DOTALL)


def forced_scenarios_of(request: Mapping[str, Any]) -> frozenset[str]:
    """Return the scenario names in a create request, known or not."""
    said = request.get("special_instructions")
    found = _ASKED.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return frozenset()
    return frozenset(name for part in found[1].split(",") if (name := part.strip().lower()))


def names_of_kind(names: frozenset[str], kind: Kind) -> list[str]:
    """Return the names of one kind, sorted."""
    return sorted(name for name in names if SCENARIOS[name].kind == kind)
