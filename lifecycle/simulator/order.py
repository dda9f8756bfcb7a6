"""One order as the provider keeps it: its planned events, and the callbacks it sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any, Final

from lifecycle.simulator.plan import Body, Plan, PlannedEvent
from lifecycle.simulator.port import SimulatedProvider
from lifecycle.simulator.settings import Settings
from lifecycle.simulator.truth import (
    Attempt,
    CallbackFate,
    OrderTruth,
    PastEvent,
    SentCallback,
)


class Outgoing:
    """One callback in transit.

    `attempted` is set once it was sent for the first time, or never will be. `overtaken` is set
    once a later callback of its order was sent, or none is left.
    """

    def __init__(
        self,
        event: PlannedEvent,
        body: Mapping[str, Any],
        marks: frozenset[str],
        stamp: Callable[[Mapping[str, Any]], str | int | None],
    ) -> None:
        self.event = event
        self._stamp = stamp
        self.content = body
        self.body: bytes = encode(body)
        self.marks = marks
        self.fate: CallbackFate = "pending"
        self.attempts: list[Attempt] = []
        self.attempted: asyncio.Event = asyncio.Event()
        self.overtaken: asyncio.Event = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether others need not wait for it."""
        return not self.marks.isdisjoint({"lost", "delayed", "reordered"})

    def copy(self, body: Mapping[str, Any], mark: str) -> Outgoing:
        """Return another callback for the same event."""
        return Outgoing(self.event, body, frozenset({mark}), self._stamp)

    def to_truth(self) -> SentCallback:
        """Return what became of this callback."""
        return SentCallback(
            name=self.event.name,
            occurred_at=self.event.at,
            stamped_at=self._stamp(self.content),
            marks=tuple(sorted(self.marks)),
            body=self.body.decode(),
            fate=self.fate,
            attempts=tuple(self.attempts),
        )


class CreatedOrder:
    """One order that a create request made; a second create with its id makes another.

    `forced_scenarios` apply to every callback of it. `first_attempted` is set once a callback
    was sent, or none will be.
    """

    def __init__(
        self,
        provider: SimulatedProvider,
        plan: Plan,
        way: str,
        at: datetime,
        forced_scenarios: frozenset[str],
    ) -> None:
        self.plan = plan
        self.way = way
        self.forced_scenarios = forced_scenarios
        self.events: list[PlannedEvent] = plan.events
        made = plan.initial_order
        self.creation: PlannedEvent = PlannedEvent(
            at, provider.status(made), moves=True, order=made, body=None
        )
        self.sent: list[Outgoing] = []
        self.resent: list[Outgoing] = []
        self.first_attempted: asyncio.Event = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def order_at(self, now: datetime) -> Body:
        """Return the order object at this time."""
        past = [self.creation, *(one for one in self.events if one.at <= now)]
        return past[-1].order

    def history_at(self, now: datetime) -> list[PlannedEvent]:
        """Return the states entered until now, and the provider's own retries of the creation."""
        return [
            one
            for one in (self.creation, *self.events)
            if one.at <= now and (one.moves or one.body is None)
        ]

    def cancel_planned(self, now: datetime) -> None:
        """Drop every planned event that is still to come."""
        self.events[:] = [one for one in self.events if one.at <= now]

    def drop_planned(self, now: datetime, name: str) -> None:
        """Drop the next planned event of that name."""
        planned = [one for one in self.events if one.at > now and one.name == name]
        for one in planned[:1]:
            self.events.remove(one)

    def insert(self, event: PlannedEvent) -> None:
        """Add an unplanned event, after all others of the same second."""
        earlier = sum(one.at <= event.at for one in self.events)
        self.events.insert(earlier, event)

    def marks(self, settings: Settings, number: int, index: int) -> frozenset[str]:
        """Return the faults of the callback with that index."""
        seed = f"{settings.seed}:callback:{self.plan.order_id}:{number}:{index}"
        drawn = draw_faults(settings, seed, CALLBACK_FAULTS) | (
            self.forced_scenarios & CALLBACK_FAULTS
        )
        return drawn & {"lost"} or drawn


CALLBACK_FAULTS: Final = frozenset(
    {"repeated", "reordered", "delayed", "lost", "divergent", "skewed"}
)


class Order:
    """Everything that the provider keeps under one order id."""

    def __init__(self, order_id: str, provider: SimulatedProvider) -> None:
        self.order_id = order_id
        self.account = ""
        self._provider = provider
        self.created_orders: list[CreatedOrder] = []
        self.request_counts: dict[str, int] = {}

    def count(self, operation: str) -> int:
        """Count a request, and return its number among those of its operation."""
        self.request_counts[operation] = self.request_counts.get(operation, 0) + 1
        return self.request_counts[operation]

    def open_at(self, now: datetime) -> list[Body]:
        """Return the order objects that have not ended."""
        current = [order.order_at(now) for order in self.created_orders]
        return [one for one in current if self._provider.status(one) not in self._provider.ended]

    def to_truth(self, now: datetime) -> OrderTruth:
        """Return the truth about this order id."""
        newest = self.created_orders[-1] if self.created_orders else None
        status = None if newest is None else self._provider.status(newest.order_at(now))
        return OrderTruth(
            order_id=self.order_id,
            creates=len(self.created_orders),
            requests=self.request_counts.get("create", 0),
            way=None if newest is None else newest.way,
            status=status,
            terminal=status in self._provider.ended,
            history=tuple(
                PastEvent(name=one.name, at=one.at)
                for order in self.created_orders
                for one in order.history_at(now)
            ),
            callbacks=tuple(
                sent.to_truth()
                for order in self.created_orders
                for sent in (*order.sent, *order.resent)
            ),
        )


def encode(body: Mapping[str, Any]) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def draw_faults(settings: Settings, seed: str, among: frozenset[str]) -> frozenset[str]:
    """Return the faults drawn for a seed; the same seed draws the same."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    return frozenset(
        name for name in sorted(among) if random.random() < settings.faults.get(name, 0.0)
    )
