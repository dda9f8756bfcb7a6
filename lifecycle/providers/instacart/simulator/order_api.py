"""The office: where orders are created, shown, canceled and staged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any, Final

from lifecycle.providers.instacart.error_bodies import (
    INVALID,
    NOT_FOUND,
    SERVER_ERROR,
    Complaint,
    error_body,
    refusal,
)
from lifecycle.providers.instacart.order_generator import Recording
from lifecycle.providers.instacart.simulator.clock import ProviderClock
from lifecycle.providers.instacart.simulator.delivery import Dispatch
from lifecycle.providers.instacart.simulator.http import CUT, Reply, Request
from lifecycle.providers.instacart.simulator.order import (
    Making,
    Order,
    drawn_faults,
)
from lifecycle.providers.instacart.simulator.scenarios import SCENARIOS, asked_for, of_kind
from lifecycle.providers.instacart.simulator.schedule import plan
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.validation import (
    FORCED,
    NO_CAPACITY,
    REPEATED,
    complaints_about,
)

UNAUTHORIZED: Final = Reply(401, error_body("The token is missing, unknown or expired", None))

_BEFORE: Final = {
    "dropped-before": CUT,
    "error-401": UNAUTHORIZED,
    "error-429": Reply(429, error_body("Too many requests", 2003)),
    "error-503": Reply(503, error_body("Service unavailable, try again later", 2003)),
}
_AFTER: Final = {"error-500": Reply(500, SERVER_ERROR), "dropped-after": CUT}
_DOOR_FAULTS: Final = frozenset({*_BEFORE, *_AFTER, "slow"})
_STAGED_AT_ONCE: Final = frozenset({"created", "brand_new", "rescheduled"})
_RETRIED_WAYS: Final = ("server-failed", "server-recovered")
_LONGEST_OVERTAKING: Final = 5.0


class Office:
    """Serves the retailer's requests; every answer comes from one order at most."""

    def __init__(self, settings: Settings, clock: ProviderClock, dispatch: Dispatch) -> None:
        self._settings = settings
        self._clock = clock
        self._dispatch = dispatch
        self.orders: dict[str, Order] = {}
        # Asked for and never created: counted all the same, so that faults do not repeat for ever.
        self._strangers: dict[str, Order] = {}

    async def create(self, request: Request, user_id: str) -> Reply:
        """Return the answer to a create request."""
        body = request.json()
        if body is None:
            return Reply(400, error_body("The body is no JSON object", 4001))
        named = body.get("order_id")
        order_id = named if isinstance(named, str) else ""
        order = self._known(order_id)
        forced = asked_for(body) & SCENARIOS.keys()
        first = order.count("create") == 1
        if order_id:
            self.orders[order_id] = order
            self._strangers.pop(order_id, None)

        async def make(marks: frozenset[str]) -> Reply:
            complaints = self._complaints(order, body, forced if first else frozenset())
            if complaints:
                return Reply(400, refusal(complaints))
            return await self._create(order, user_id, body, forced, hit="error-500" in marks)

        return await self._at_the_door(order, "create", make, forced if first else frozenset())

    async def show(self, order_id: str, user_id: str) -> Reply:
        """Return the order as it stands."""
        return await self._about(
            order_id, user_id, "get", lambda _order, making: self._shown(making)
        )

    async def cancel(self, order_id: str, user_id: str) -> Reply:
        """Return the canceled order; refused once it is no longer brand new."""
        return await self._about(order_id, user_id, "cancel", self._cancel)

    async def stage(self, order_id: str, user_id: str) -> Reply:
        """Return the order, staged by the retailer."""
        return await self._about(order_id, user_id, "stage", self._stage)

    async def _at_the_door(
        self,
        order: Order,
        operation: str,
        act: Callable[[frozenset[str]], Awaitable[Reply]],
        forced: frozenset[str] = frozenset(),
    ) -> Reply:
        """Return what `act` answers, unless something goes wrong before or after it."""
        seeded = f"{self._settings.seed}:{operation}:{order.asked[operation]}:{order.order_id}"
        marks = drawn_faults(self._settings, seeded, _DOOR_FAULTS) | forced
        for name, reply in _BEFORE.items():
            if name in marks:
                return reply
        reply = await act(marks)
        if reply.status != 200:
            return reply
        if "slow" in marks:
            await asyncio.sleep(self._settings.slow_seconds)
        return next((after for name, after in _AFTER.items() if name in marks), reply)

    async def _about(
        self,
        order_id: str,
        user_id: str,
        operation: str,
        act: Callable[[Order, Making], Reply],
    ) -> Reply:
        order = self._known(order_id)
        order.count(operation)

        async def answer(_marks: frozenset[str]) -> Reply:
            if not order.makings or order.user_id != user_id:
                return Reply(404, NOT_FOUND)
            return act(order, order.makings[-1])

        return await self._at_the_door(order, operation, answer)

    def _known(self, order_id: str) -> Order:
        return self.orders.get(order_id) or self._strangers.setdefault(order_id, Order(order_id))

    def _complaints(
        self, order: Order, body: Mapping[str, Any], forced: frozenset[str]
    ) -> Sequence[Complaint]:
        wrong = complaints_about(body, self._settings)
        if wrong:
            return wrong
        for name in of_kind(forced, "refusal"):
            return FORCED[name]
        if order.makings and self._settings.on_repeat == "refuse":
            return REPEATED
        return NO_CAPACITY if self._is_full(str(body["location_code"])) else ()

    async def _create(
        self,
        order: Order,
        user_id: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        hit: bool,
    ) -> Reply:
        making = self._make(order, user_id, body, forced, hit=hit)
        await self._overtake(making, order)
        if making.way in _RETRIED_WAYS:
            return Reply(500, SERVER_ERROR)
        return await self._answer(making)

    def _make(
        self,
        order: Order,
        user_id: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        hit: bool,
    ) -> Making:
        """Make an order: from here on it goes its way, whatever is answered."""
        now, number = self._clock.now(), len(order.makings) + 1
        random = Random(f"{self._settings.seed}:way:{number}:{order.order_id}")  # noqa: S311
        way = self._way(forced, random, hit=hit)
        callbacks = next(
            (shape for shape in ("flat", "enveloped") if shape in forced), self._settings.callbacks
        )
        planner = plan(
            self._settings, order.order_id, number, body, now, way=way, callbacks=callbacks
        )
        making = Making(planner, way, now.replace(microsecond=0), forced)
        order.user_id = user_id
        order.makings.append(making)
        self._dispatch.run(making, number)
        return making

    def _way(self, forced: frozenset[str], random: Random, *, hit: bool) -> str:
        weights = self._settings.ways
        drawn = random.choices(list(weights), weights=list(weights.values()))[0]
        retried = random.choice(_RETRIED_WAYS)
        asked = of_kind(forced, "way")
        if asked:
            return asked[0]
        return retried if hit else drawn

    async def _overtake(self, making: Making, order: Order) -> None:
        """Wait with the answer until a callback was sent, if callbacks are to overtake it."""
        seeded = f"{self._settings.seed}:overtaking:{order.order_id}"
        rate = frozenset({"overtaking"})
        if not (making.lasting & rate or drawn_faults(self._settings, seeded, rate)):
            return
        await self._dispatch.first_tried(making, _LONGEST_OVERTAKING)

    async def _answer(self, making: Making) -> Reply:
        if self._settings.answers == "full":
            states = [one for one in making.happenings if one.moves]
            await self._clock.until(states[0].at)
            return self._shown(making)
        return Reply(200, making.created.order)

    def _shown(self, making: Making) -> Reply:
        # One instant for both: a later `Date` would claim more than was looked at.
        now = self._clock.now()
        return Reply(200, making.stands_at(now), at=now)

    def _cancel(self, order: Order, making: Making) -> Reply:
        now = self._clock.now()
        standing = making.stands_at(now)
        if standing["status"] != "brand_new":
            return Reply(400, error_body("Order can no longer be canceled", INVALID, "status"))
        making.cut(now)
        self._intervene(order, making, "canceled", now, cancellation_reason="retailer_driven")
        return self._shown(making)

    def _stage(self, order: Order, making: Making) -> Reply:
        now = self._clock.now()
        status = making.stands_at(now)["status"]
        if status in ("delivered", "canceled"):
            return Reply(400, error_body("Order can no longer be staged", INVALID, "status"))
        if status in _STAGED_AT_ONCE:
            making.drop_planned(now, "staged")
            self._intervene(order, making, "staged", now)
        return self._shown(making)

    def _intervene(
        self, order: Order, making: Making, status: str, now: datetime, **told: object
    ) -> None:
        standing: Recording = making.stands_at(now)
        making.insert(making.planner.unplanned(now, standing, status, **told))
        self._dispatch.run(making, order.makings.index(making) + 1)

    def _is_full(self, store: str) -> bool:
        now, most = self._clock.now(), self._settings.capacity
        if most is None:
            return False
        return sum(order.is_open_at(now, store) for order in self.orders.values()) >= most
