"""Plans of statuses at even times: what becomes of an order at most providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lifecycle.simulator.plan import Body, PlannedEvent, PlanRequest

_EVERY_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, repr=False)
class StatusPlans:
    """Plans that go through the statuses of a way, one after the other.

        StatusPlans({"delivered": ("booked", "landed")}, order=order_object, callback=callback)

    Attributes:
        ways: the statuses of each way; the first is that of an order that was just made.
        order: the order object with a status.
        callback: the body of the callback about an order object, at its time.
        every: how long after each other they are entered.
    """

    ways: Mapping[str, Sequence[str]]
    order: Callable[[PlanRequest, str], Body]
    callback: Callable[[Body, datetime], Body]
    every: timedelta = _EVERY_MINUTE

    def __repr__(self) -> str:
        return f"<StatusPlans of {', '.join(self.ways)}>"

    def __call__(self, _settings: Any, wanted: PlanRequest) -> StatusPlan:
        """Return the plan of an order; whole seconds, as answers have them in `Date`."""
        return StatusPlan(self, wanted)


class StatusPlan:
    """What will become of one order."""

    def __init__(self, plans: StatusPlans, wanted: PlanRequest) -> None:
        self._plans = plans
        self._wanted = wanted
        statuses = plans.ways[wanted.way]
        self.order_id = wanted.order_id
        self.initial_order = plans.order(wanted, statuses[0])
        self.events = [
            self._event(wanted.at + number * plans.every, status, {})
            for number, status in enumerate(statuses)
        ]

    def __repr__(self) -> str:
        return f"<StatusPlan of {len(self.events)} events>"

    def unplanned(self, at: datetime, current: Body, status: str, **fields: object) -> PlannedEvent:
        """Return an event that the retailer caused; `current` is the order object before it."""
        return self._event(at, status, current, fields)

    def _event(
        self, at: datetime, status: str, current: Body, fields: Mapping[str, object] | None = None
    ) -> PlannedEvent:
        whole = at.replace(microsecond=0)
        order = {**current, **self._plans.order(self._wanted, status), **(fields or {})}
        body = self._plans.callback(order, whole)
        return PlannedEvent(whole, status, moves=True, order=order, body=body)
