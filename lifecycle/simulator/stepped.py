"""Orders that go step by step: their plans, their scenarios, and what their requests need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, Final, NamedTuple

from lifecycle.simulator.bodies import Bodies
from lifecycle.simulator.http import Reply
from lifecycle.simulator.order import Order
from lifecycle.simulator.order_api import OrderApi
from lifecycle.simulator.plan import Body, Plan, PlannedEvent, PlanRequest
from lifecycle.simulator.port import Reject
from lifecycle.simulator.scenarios import Scenario, with_faults
from lifecycle.simulator.settings import Settings

_SHORTEST_STEP: Final = 20
_LONGEST_STEP: Final = 600
_ROUNDED_UP: Final = timedelta(microseconds=999_999)


class Way(NamedTuple):
    """One course of an order after it was made: the names of what happens, in order."""

    description: str
    names: tuple[str, ...]


class SteppedPlan:
    """The future of one order: what `names` say, each at a whole second of its own.

    Callbacks and polls then agree: a `Date` counts whole seconds.
    """

    def __init__(
        self, bodies: Bodies, wanted: PlanRequest, names: tuple[str, ...], seed: str
    ) -> None:
        self.order_id = wanted.order_id
        self.initial_order = bodies.order(self.order_id, bodies.birth)
        self._bodies = bodies
        self._number = wanted.number
        self.events: list[PlannedEvent] = []
        random, current = Random(seed), self.initial_order  # noqa: S311 - repeatable on purpose
        at = (wanted.at + _ROUNDED_UP).replace(microsecond=0)
        for name in names:
            at += timedelta(seconds=random.randint(_SHORTEST_STEP, _LONGEST_STEP))
            if name in bodies.definition.ranks:
                current = bodies.order(self.order_id, name)
            self.events.append(self._event(at, name, current))

    def unplanned(self, at: datetime, current: Body, status: str, **fields: object) -> PlannedEvent:
        """Return an event that the retailer caused; `current` is the order object before it."""
        order = {**current, **self._bodies.order(self.order_id, status), **fields}
        return self._event(at.replace(microsecond=0), status, order)

    def _event(self, at: datetime, name: str, order: Body) -> PlannedEvent:
        own = f"{self.order_id}.{self._number}.{len(self.events)}.{name}"
        body = self._bodies.callback(order, name, at, own)
        return PlannedEvent(at, name, name in self._bodies.definition.ranks, order, body)


def planned(bodies: Bodies, ways: Mapping[str, Way]) -> Callable[[Any, PlanRequest], Plan]:
    """Return what plans an order, in the way that was drawn for it."""

    def plan(settings: Any, wanted: PlanRequest) -> SteppedPlan:
        seed = f"{settings.seed}:plan:{wanted.number}:{wanted.order_id}"
        return SteppedPlan(bodies, wanted, ways[wanted.way].names, seed)

    return plan


def scenarios_of(ways: Mapping[str, Way]) -> Mapping[str, Scenario]:
    """Return the scenarios of these ways, and every fault."""
    return with_faults(*(Scenario(name, "way", way.description) for name, way in ways.items()))


def settings_of(ways: Mapping[str, Way]) -> type[Settings]:
    """Return the class of settings of a provider with these ways that has no others.

    Its callbacks carry no token: `callback_client_secret` may sign them.
    """

    class SteppedSettings(Settings):
        """How the provider behaves; see `lifecycle.simulator.Settings`."""

        scenarios: ClassVar[Mapping[str, Scenario]] = scenarios_of(ways)
        fetches_token: ClassVar[bool] = False

    return SteppedSettings


def requiring(fields: Iterable[str], rejection: Callable[..., Reply]) -> Reject:
    """Return what rejects a create request for want of a text in one of these fields.

    `rejection` makes the answer of the names of the fields that are missing.
    """
    needed = tuple(fields)

    def reject(
        _api: OrderApi, _order: Order, body: Mapping[str, Any], _forced: frozenset[str]
    ) -> Reply | None:
        missing = [name for name in needed if not _is_text(body.get(name))]
        return rejection(*missing) if missing else None

    return reject


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
