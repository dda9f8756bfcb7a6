"""Plans the whole future of an order when it is created.

A plan lists what will happen and when, by the provider's clock. It depends only on the
seed, the order id and the request; the retailer's later requests change it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from lifecycle.providers.instacart.order_generator import OrderGenerator
from lifecycle.providers.instacart.sample_scenarios import SAMPLE_DELIVERIES, deliver
from lifecycle.simulator.plan import PlannedEvent, PlanRequest
from lifecycle.simulator.samples import Recording

RETRIED: Final = "retried"
"""In an order's history: the provider retried the creation by itself."""

_ROUNDED_UP: Final = timedelta(microseconds=999_999)


class Planner(OrderGenerator):
    """Plans the events of an accepted order.

    Each event has a whole second of its own: callbacks and polls, which show whole seconds
    only, then agree.
    """

    def __init__(
        self, random: Random, order_id: str, at: datetime, *, store: str, callbacks: str
    ) -> None:
        whole = (at + _ROUNDED_UP).replace(microsecond=0)
        super().__init__(random, order_id, whole, flat=callbacks == "flat", store=store)
        self._mixed = callbacks == "mixed"
        self._reason: Recording = {}
        self._event_name = "created"
        self.status = "created"
        self.events: list[PlannedEvent] = []
        self.initial_order: dict[str, Any] = self.partial_order()

    def wait(self, least: float, most: float) -> None:
        """Move the clock on, to a whole second."""
        super().wait(least, most)
        self.at = self.at.replace(microsecond=0)

    def callback(self, name: str, **fields: object) -> None:
        """Plan an enveloped callback; an account with flat callbacks gets those of states only."""
        if not self.flat or name == self.status:
            self._event_name = name
            super().callback(name, **fields)

    def enter(self, status: str, **fields: object) -> None:
        """Plan a state and its callback, in the shape that this account gets."""
        if self._mixed:
            self.flat: bool = self.chance(0.5)
        self._reason = {k: v for k, v in fields.items() if k == "cancellation_reason"}
        self._event_name = status
        super().enter(status, **fields)

    def retry_creation(self) -> None:
        """Plan a failed retry of the creation, by the provider itself."""
        self.wait(20, 200)
        order = self.partial_order()
        self.events.append(PlannedEvent(self.at, RETRIED, moves=False, order=order, body=None))

    def unplanned(
        self, at: datetime, current: Recording, status: str, **fields: object
    ) -> PlannedEvent:
        """Return an event that the retailer caused; `current` is the order object before it."""
        order = {**current, "status": status, **fields}
        self.at: datetime = at.replace(microsecond=0)
        body = order if self.flat else self.envelope(status, **fields)
        return PlannedEvent(self.at, status, moves=True, order=order, body=body)

    def poll(self) -> None:
        """Plan nothing: polls are the retailer's own."""

    def _add_callback(self, body: Recording) -> None:
        moves = self._event_name == self.status
        order = self.order(**self._reason)
        self.events.append(PlannedEvent(self.at, self._event_name, moves, order, body))


def plan(settings: Any, wanted: PlanRequest) -> Planner:
    """Return the planner with all events."""
    random = Random(f"{settings.seed}:plan:{wanted.number}:{wanted.order_id}")  # noqa: S311 - repeatable on purpose
    shapes = (shape for shape in ("flat", "enveloped") if shape in wanted.forced)
    callbacks = next(shapes, settings.callbacks)
    store = str(wanted.request["location_code"])
    planner = Planner(random, wanted.order_id, wanted.at, store=store, callbacks=callbacks)
    _PLANS[wanted.way](planner)
    return planner


def _server_failed(planner: Planner) -> None:
    planner.retry_creation()
    planner.retry_creation()
    planner.wait(2, 10)
    planner.enter("canceled", cancellation_reason="instacart_driven")


def _server_recovered(planner: Planner) -> None:
    planner.retry_creation()
    deliver(planner)


_PLANS: Final[Mapping[str, Callable[[Planner], None]]] = {
    "delivered": deliver,
    "stepped-back": SAMPLE_DELIVERIES["dropped_out"].generate,
    "rescheduled": SAMPLE_DELIVERIES["rescheduled"].generate,
    "customer-missing": SAMPLE_DELIVERIES["customer_missing"].generate,
    "canceled-later": SAMPLE_DELIVERIES["customer_canceled"].generate,
    "creation-failed": SAMPLE_DELIVERIES["creation_failed"].generate,
    "under-way": SAMPLE_DELIVERIES["under_way"].generate,
    "server-failed": _server_failed,
    "server-recovered": _server_recovered,
}
