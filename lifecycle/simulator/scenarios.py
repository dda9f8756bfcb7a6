"""Scenarios: what can happen to an order, by name.

The settings give them rates, drawn by the seed; a create request may force them, in a way
that the provider's simulator knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from lifecycle.errors import InvalidArgumentError

Kind = Literal["way", "refusal", "answer", "callbacks"]


class Scenario(NamedTuple):
    """One thing that can happen.

    Kinds: a `way` is the course of the order. A `refusal` rejects the first create. An
    `answer` affects the first create or, by rate, any request. `callbacks` affect its callbacks.
    """

    name: str
    kind: Kind
    description: str


ANSWERS: Final = (
    Scenario("dropped-before", "answer", "the connection closes, no order was made"),
    Scenario("dropped-after", "answer", "the order was made, then the connection closes"),
    Scenario("slow", "answer", "the order is made at once, the answer takes its time"),
    Scenario("error-401", "answer", "the token is no longer taken"),
    Scenario("error-429", "answer", "too many requests"),
    Scenario("error-500", "answer", "a server error: the provider retries by itself"),
    Scenario("error-503", "answer", "overloaded, no order was made"),
)
"""What can happen to any request."""

CALLBACKS: Final = (
    Scenario("overtaking", "callbacks", "the first callback comes before the response"),
    Scenario("repeated", "callbacks", "sent again, with the same event id"),
    Scenario("reordered", "callbacks", "held until the next one was sent"),
    Scenario("delayed", "callbacks", "sent half a minute to twenty minutes late"),
    Scenario("lost", "callbacks", "never sent"),
    Scenario("divergent", "callbacks", "sent again with the same event id, other content"),
    Scenario("skewed", "callbacks", "the timestamp is some seconds wrong, or ties"),
)
"""What can happen to any callback."""

FAULTS: Final = frozenset(scenario.name for scenario in (*ANSWERS, *CALLBACKS))
"""The scenarios that have a rate in the settings."""


def by_name(scenarios: Iterable[Scenario]) -> Mapping[str, Scenario]:
    """Return scenarios by their names.

    Raises:
        InvalidArgumentError: two have the same, as a way that is called as a fault is.
    """
    named: dict[str, Scenario] = {}
    for scenario in scenarios:
        if named.setdefault(scenario.name, scenario) is not scenario:
            one = "a name of its own for each scenario"
            raise InvalidArgumentError("the name", one, found=scenario.name)
    return named


def with_faults(*own: Scenario) -> Mapping[str, Scenario]:
    """Return scenarios of a provider's own and all that can go wrong, by their names."""
    return by_name((*own, *ANSWERS, *CALLBACKS))


def names_of_kind(names: Iterable[str], kind: Kind, scenarios: Mapping[str, Scenario]) -> list[str]:
    """Return the names of one kind, sorted."""
    return sorted(name for name in names if scenarios[name].kind == kind)
