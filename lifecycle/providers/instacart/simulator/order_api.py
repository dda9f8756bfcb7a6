"""The order API: orders are created, shown, canceled and staged here."""

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
    FieldError,
    error_body,
    rejection_body,
)
from lifecycle.providers.instacart.order_generator import Recording
from lifecycle.providers.instacart.simulator.clock import ProviderClock
from lifecycle.providers.instacart.simulator.delivery import CallbackDelivery
from lifecycle.providers.instacart.simulator.http import CUT, Reply, Request
from lifecycle.providers.instacart.simulator.order import (
    CreatedOrder,
    Order,
    draw_faults,
)
from lifecycle.providers.instacart.simulator.scenarios import (
    SCENARIOS,
    forced_scenarios_of,
    names_of_kind,
)
from lifecycle.providers.instacart.simulator.schedule import plan
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.validation import (
    FORCED_ERRORS,
    NO_CAPACITY,
    REPEATED,
    find_field_errors,
)

UNAUTHORIZED: Final = Reply(401, error_body("The token is missing, unknown or expired", None))

_FAULTS_BEFORE: Final = {
    "dropped-before": CUT,
    "error-401": UNAUTHORIZED,
    "error-429": Reply(429, error_body("Too many requests", 2003)),
    "error-503": Reply(503, error_body("Service unavailable, try again later", 2003)),
}
_FAULTS_AFTER: Final = {"error-500": Reply(500, SERVER_ERROR), "dropped-after": CUT}
_REQUEST_FAULTS: Final = frozenset({*_FAULTS_BEFORE, *_FAULTS_AFTER, "slow"})
_STAGED_AT_ONCE: Final = frozenset({"created", "brand_new", "rescheduled"})
_RETRIED_WAYS: Final = ("server-failed", "server-recovered")
_LONGEST_WAIT_FOR_CALLBACK: Final = 5.0


class OrderApi:
    """Answers the retailer's requests about orders."""

    def __init__(
        self, settings: Settings, clock: ProviderClock, delivery: CallbackDelivery
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._delivery = delivery
        self.orders: dict[str, Order] = {}
        # Requested and never created: counted too, so that their faults do not repeat for ever.
        self._never_created: dict[str, Order] = {}

    async def create(self, request: Request, user_id: str) -> Reply:
        """Return the answer to a create request."""
        body = request.json()
        if body is None:
            return Reply(400, error_body("The body is no JSON object", 4001))
        named = body.get("order_id")
        order_id = named if isinstance(named, str) else ""
        order = self._order(order_id)
        forced = forced_scenarios_of(body) & SCENARIOS.keys()
        first = order.count("create") == 1
        if order_id:
            self.orders[order_id] = order
            self._never_created.pop(order_id, None)

        async def make(marks: frozenset[str]) -> Reply:
            errors = self._field_errors(order, body, forced if first else frozenset())
            if errors:
                return Reply(400, rejection_body(errors))
            return await self._create(
                order, user_id, body, forced, server_error="error-500" in marks
            )

        return await self._with_faults(order, "create", make, forced if first else frozenset())

    async def show(self, order_id: str, user_id: str) -> Reply:
        """Return the current order."""
        return await self._about_order(
            order_id, user_id, "get", lambda _order, created: self._show(created)
        )

    async def cancel(self, order_id: str, user_id: str) -> Reply:
        """Return the canceled order; refused once it is no longer brand new."""
        return await self._about_order(order_id, user_id, "cancel", self._cancel)

    async def stage(self, order_id: str, user_id: str) -> Reply:
        """Return the order, staged by the retailer."""
        return await self._about_order(order_id, user_id, "stage", self._stage)

    async def _with_faults(
        self,
        order: Order,
        operation: str,
        act: Callable[[frozenset[str]], Awaitable[Reply]],
        forced: frozenset[str] = frozenset(),
    ) -> Reply:
        """Return the reply of `act`, unless a fault strikes before or after it."""
        seed = (
            f"{self._settings.seed}:{operation}:{order.request_counts[operation]}:{order.order_id}"
        )
        marks = draw_faults(self._settings, seed, _REQUEST_FAULTS) | forced
        for name, reply in _FAULTS_BEFORE.items():
            if name in marks:
                return reply
        reply = await act(marks)
        if reply.status != 200:
            return reply
        if "slow" in marks:
            await asyncio.sleep(self._settings.slow_seconds)
        return next((after for name, after in _FAULTS_AFTER.items() if name in marks), reply)

    async def _about_order(
        self,
        order_id: str,
        user_id: str,
        operation: str,
        act: Callable[[Order, CreatedOrder], Reply],
    ) -> Reply:
        order = self._order(order_id)
        order.count(operation)

        async def answer(_marks: frozenset[str]) -> Reply:
            if not order.created_orders or order.user_id != user_id:
                return Reply(404, NOT_FOUND)
            return act(order, order.created_orders[-1])

        return await self._with_faults(order, operation, answer)

    def _order(self, order_id: str) -> Order:
        return self.orders.get(order_id) or self._never_created.setdefault(
            order_id, Order(order_id)
        )

    def _field_errors(
        self, order: Order, body: Mapping[str, Any], forced: frozenset[str]
    ) -> Sequence[FieldError]:
        wrong = find_field_errors(body, self._settings)
        if wrong:
            return wrong
        for name in names_of_kind(forced, "refusal"):
            return FORCED_ERRORS[name]
        if order.created_orders and self._settings.on_repeat == "refuse":
            return REPEATED
        return NO_CAPACITY if self._is_full(str(body["location_code"])) else ()

    async def _create(
        self,
        order: Order,
        user_id: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        server_error: bool,
    ) -> Reply:
        created = self._create_order(order, user_id, body, forced, server_error=server_error)
        await self._let_callback_overtake(created, order)
        if created.way in _RETRIED_WAYS:
            return Reply(500, SERVER_ERROR)
        return await self._created_reply(created)

    def _create_order(
        self,
        order: Order,
        user_id: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        server_error: bool,
    ) -> CreatedOrder:
        """Create an order and start its events, whatever the reply will be."""
        now, number = self._clock.now(), len(order.created_orders) + 1
        random = Random(f"{self._settings.seed}:way:{number}:{order.order_id}")  # noqa: S311
        way = self._choose_way(forced, random, server_error=server_error)
        callbacks = next(
            (shape for shape in ("flat", "enveloped") if shape in forced), self._settings.callbacks
        )
        planner = plan(
            self._settings, order.order_id, number, body, now, way=way, callbacks=callbacks
        )
        created = CreatedOrder(planner, way, now.replace(microsecond=0), forced)
        order.user_id = user_id
        order.created_orders.append(created)
        self._delivery.run(created, number)
        return created

    def _choose_way(self, forced: frozenset[str], random: Random, *, server_error: bool) -> str:
        weights = self._settings.ways
        drawn = random.choices(list(weights), weights=list(weights.values()))[0]
        retried = random.choice(_RETRIED_WAYS)
        request_counts = names_of_kind(forced, "way")
        if request_counts:
            return request_counts[0]
        return retried if server_error else drawn

    async def _let_callback_overtake(self, created: CreatedOrder, order: Order) -> None:
        """Delay the reply until a callback was sent, if callbacks are to overtake it."""
        seed = f"{self._settings.seed}:overtaking:{order.order_id}"
        rate = frozenset({"overtaking"})
        if not (created.forced_scenarios & rate or draw_faults(self._settings, seed, rate)):
            return
        await self._delivery.wait_for_first_attempt(created, _LONGEST_WAIT_FOR_CALLBACK)

    async def _created_reply(self, created: CreatedOrder) -> Reply:
        if self._settings.answers == "full":
            states = [one for one in created.events if one.moves]
            await self._clock.wait_until(states[0].at)
            return self._show(created)
        return Reply(200, created.creation.order)

    def _show(self, created: CreatedOrder) -> Reply:
        # One instant for both: a later `Date` would claim a later look.
        now = self._clock.now()
        return Reply(200, created.order_at(now), at=now)

    def _cancel(self, order: Order, created: CreatedOrder) -> Reply:
        now = self._clock.now()
        current = created.order_at(now)
        if current["status"] != "brand_new":
            return Reply(400, error_body("Order can no longer be canceled", INVALID, "status"))
        created.cancel_planned(now)
        self._apply(order, created, "canceled", now, cancellation_reason="retailer_driven")
        return self._show(created)

    def _stage(self, order: Order, created: CreatedOrder) -> Reply:
        now = self._clock.now()
        status = created.order_at(now)["status"]
        if status in ("delivered", "canceled"):
            return Reply(400, error_body("Order can no longer be staged", INVALID, "status"))
        if status in _STAGED_AT_ONCE:
            created.drop_planned(now, "staged")
            self._apply(order, created, "staged", now)
        return self._show(created)

    def _apply(
        self, order: Order, created: CreatedOrder, status: str, now: datetime, **fields: object
    ) -> None:
        current: Recording = created.order_at(now)
        created.insert(created.planner.unplanned(now, current, status, **fields))
        self._delivery.run(created, order.created_orders.index(created) + 1)

    def _is_full(self, store: str) -> bool:
        now, most = self._clock.now(), self._settings.capacity
        if most is None:
            return False
        return sum(order.is_open_at(now, store) for order in self.orders.values()) >= most
