"""The whole future of an order, planned when it is created.

A plan lists what will happen and when, by the provider's clock. It depends only on the
seed, the order id and the request; the retailer's later requests change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

Body = dict[str, Any]
"""A JSON object, as the provider sends it."""


class PlannedEvent(NamedTuple):
    """One event in the future of an order: `order` is how GET shows it from then on.

    `body` is its callback, None if it has none. If `moves`, `name` is a status.
    """

    at: datetime
    name: str
    moves: bool
    order: Body
    body: Body | None


class Plan(Protocol):
    """What will become of one order."""

    @property
    def order_id(self) -> str:
        """The order's id."""

    @property
    def initial_order(self) -> Body:
        """The order object as it is when it was just made."""

    @property
    def events(self) -> list[PlannedEvent]:
        """What will happen, in order."""

    def unplanned(self, at: datetime, current: Body, status: str, **fields: object) -> PlannedEvent:
        """Return an event that the retailer caused; `current` is the order object before it."""


class PlanRequest(NamedTuple):
    """What a plan depends on: `number` counts the orders made under this id."""

    order_id: str
    number: int
    request: Mapping[str, Any]
    at: datetime
    way: str
    forced: frozenset[str]

    def __repr__(self) -> str:
        return f"<PlanRequest {self.way}>"
