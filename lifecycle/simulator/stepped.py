"""Providers whose orders go step by step: put together from their bodies and their ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar, Final

from lifecycle.core.exchange_reader import Field, found_at
from lifecycle.core.identity import id_text
from lifecycle.core.instant import format_instant
from lifecycle.simulator.bodies import Bodies, Way
from lifecycle.simulator.plan import Body, Plan, PlannedEvent, PlanRequest
from lifecycle.simulator.port import Recorded, SimulatedProvider
from lifecycle.simulator.recordings import generator_of, recordings_of
from lifecycle.simulator.scenarios import Scenario, with_faults
from lifecycle.simulator.settings import Settings

_SHORTEST_STEP: Final = 20
_LONGEST_STEP: Final = 600
_ROUNDED_UP: Final = timedelta(microseconds=999_999)


class SteppedPlan:
    """The future of one order: what `names` say, each at a whole second of its own.

    Callbacks and polls then agree: a `Date` counts whole seconds.
    """

    def __init__(
        self, bodies: Bodies, wanted: PlanRequest, names: tuple[str, ...], seed: str
    ) -> None:
        self.order_id: str = wanted.order_id
        self.initial_order: dict[str, Any] = bodies.order(self.order_id, bodies.birth)
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


def stepped(
    bodies: Bodies,
    ways: Mapping[str, Way],
    *,
    order_id: Field,
    time: str | None = None,
    per_second: int | None = None,
    **others: Any,
) -> SimulatedProvider:
    """Return the simulated provider whose orders go in these ways, step by step.

    `order_id` is the field of a create request that has the order's id, or a function that returns
    it; `time` is the field of a callback which has its time: text, or where `per_second` is given a
    number, which counts so many a second since 1970. `others` are attributes of
    `SimulatedProvider`. Callbacks carry no token: `callback_client_secret` may sign them.
    """
    recordings_for = recordings_of(bodies)
    return SimulatedProvider(
        **{
            "settings": _settings_of(ways),
            "order_id": lambda body: id_text(found_at(dict(body), order_id)),
            "plan": _planned(bodies, ways),
            "ended": bodies.definition.terminal,
            "mixed_ways": {name: way.weight for name, way in ways.items()},
            "recorded": Recorded(recordings_for, generator_of(bodies, ways, recordings_for)),
            **({} if time is None else _timed_by(time, per_second)),
            **others,
        }
    )


def _timed_by(field: str, per_second: int | None) -> dict[str, Any]:
    def written(at: datetime) -> str | int:
        return int(at.timestamp() * per_second) if per_second else format_instant(at)

    return {
        "stamp": lambda body: body.get(field),
        "restamped": lambda body, at: {**body, field: written(at)},
    }


def _planned(bodies: Bodies, ways: Mapping[str, Way]) -> Callable[[Any, PlanRequest], Plan]:
    """Return what plans an order, in the way that was drawn for it."""

    def plan(settings: Any, wanted: PlanRequest) -> SteppedPlan:
        seed = f"{settings.seed}:plan:{wanted.number}:{wanted.order_id}"
        return SteppedPlan(bodies, wanted, ways[wanted.way].names, seed)

    return plan


def _settings_of(ways: Mapping[str, Way]) -> type[Settings]:
    drawn = (Scenario(name, "way", way.description) for name, way in ways.items())

    class SteppedSettings(Settings):
        """How the provider behaves; see `lifecycle.simulator.Settings`."""

        scenarios: ClassVar[Mapping[str, Scenario]] = with_faults(*drawn)
        fetches_token: ClassVar[bool] = False

    return SteppedSettings
