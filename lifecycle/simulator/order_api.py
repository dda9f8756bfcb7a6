"""The order API: orders are created, shown and changed here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from random import Random
from typing import Any, Final

from lifecycle.simulator.clock import ProviderClock
from lifecycle.simulator.delivery import CallbackDelivery
from lifecycle.simulator.http import CUT, Reply, Request
from lifecycle.simulator.order import CreatedOrder, Order, draw_faults
from lifecycle.simulator.plan import Body, PlanRequest
from lifecycle.simulator.port import SimulatedProvider
from lifecycle.simulator.scenarios import ANSWERS, names_of_kind

_REQUEST_FAULTS: Final = frozenset(scenario.name for scenario in ANSWERS)
_LONGEST_WAIT_FOR_CALLBACK: Final = 5.0


class OrderApi:
    """Answers the retailer's requests about orders.

    A provider's functions are given it: `settings`, `clock`, `orders` by id, `status`,
    `show` and `apply`.
    """

    def __init__(
        self,
        provider: SimulatedProvider,
        settings: Any,
        clock: ProviderClock,
        delivery: CallbackDelivery,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.orders: dict[str, Order] = {}
        self._provider = provider
        self._delivery = delivery
        # Requested and never created: counted too, so that their faults do not repeat for ever.
        self._never_created: dict[str, Order] = {}
        answers = provider.answers
        self._faults_before = {
            "dropped-before": CUT,
            "error-401": answers.unauthorized,
            "error-429": answers.busy,
            "error-503": answers.unavailable,
        }
        self._faults_after = {"error-500": answers.server_error, "dropped-after": CUT}

    async def create(self, request: Request, account: str) -> Reply:
        """Return the answer to a create request."""
        body = request.json()
        if body is None:
            return self._provider.answers.not_json
        order_id = self._provider.order_id(body) or ""
        order = self._order(order_id)
        forced = self._provider.forced(body) & self._provider.scenarios.keys()
        first = order.count("create") == 1
        if order_id:
            self.orders[order_id] = order
            self._never_created.pop(order_id, None)

        async def make(marks: frozenset[str]) -> Reply:
            rejected = self._provider.rejection(self, order, body, forced if first else frozenset())
            if rejected is not None:
                return rejected
            return await self._create(
                order, account, body, forced, server_error="error-500" in marks
            )

        return await self._with_faults(order, "create", make, forced if first else frozenset())

    async def about_order(self, operation: str, order_id: str, account: str) -> Reply:
        """Return the answer to a get, or to another operation on an order."""
        act = self._provider.operations.get(operation)
        order = self._order(order_id)
        order.count(operation)

        async def answer(_marks: frozenset[str]) -> Reply:
            if not order.created_orders or order.account != account:
                return self._provider.answers.not_found
            newest = order.created_orders[-1]
            return self.show(newest) if act is None else act(self, order, newest)

        return await self._with_faults(order, operation, answer)

    async def list_orders(self, request: Request, account: str) -> Reply:
        """Return the answer to a request for the orders of an account."""
        everyone = self._order("")
        everyone.count("list")

        async def answer(_marks: frozenset[str]) -> Reply:
            if self._provider.listing is None:
                return self._provider.answers.not_found
            now = self.clock.now()
            made = [one for order in self.orders.values() for one in order.created_orders]
            shown = [
                one.order_at(now)
                for one in made
                if self.orders[one.plan.order_id].account == account
            ]
            return Reply(200, self._provider.listing(shown[::-1], request), at=now)

        return await self._with_faults(everyone, "list", answer)

    def show(self, created: CreatedOrder) -> Reply:
        """Return the current order."""
        # One instant for both: a later `Date` would claim a later look.
        now = self.clock.now()
        return Reply(200, created.order_at(now), at=now)

    def status(self, created: CreatedOrder, now: datetime) -> str:
        """Return the status of an order."""
        return self._provider.status(created.order_at(now))

    def apply(
        self, order: Order, created: CreatedOrder, status: str, now: datetime, **fields: object
    ) -> None:
        """Let an order enter a state that the retailer caused, and call back."""
        current: Body = created.order_at(now)
        created.insert(created.plan.unplanned(now, current, status, **fields))
        self._delivery.run(created, order.created_orders.index(created) + 1)

    async def _with_faults(
        self,
        order: Order,
        operation: str,
        act: Callable[[frozenset[str]], Awaitable[Reply]],
        forced: frozenset[str] = frozenset(),
    ) -> Reply:
        """Return the reply of `act`, unless a fault strikes before or after it."""
        seed = (
            f"{self.settings.seed}:{operation}:{order.request_counts[operation]}:{order.order_id}"
        )
        marks = draw_faults(self.settings, seed, _REQUEST_FAULTS) | forced
        for name, reply in self._faults_before.items():
            if name in marks:
                return reply
        reply = await act(marks)
        if reply.status // 100 != 2:
            return reply
        if "slow" in marks:
            await asyncio.sleep(self.settings.slow_seconds)
        return next((after for name, after in self._faults_after.items() if name in marks), reply)

    def _order(self, order_id: str) -> Order:
        return self.orders.get(order_id) or self._never_created.setdefault(
            order_id, Order(order_id, self._provider)
        )

    async def _create(
        self,
        order: Order,
        account: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        server_error: bool,
    ) -> Reply:
        created = self._create_order(order, account, body, forced, server_error=server_error)
        await self._let_callback_overtake(created, order)
        if created.way in self._provider.retried_ways:
            return self._provider.answers.server_error
        if self._provider.answer_created is None:
            return self.show(created)
        return await self._provider.answer_created(self, created)

    def _create_order(
        self,
        order: Order,
        account: str,
        body: Mapping[str, Any],
        forced: frozenset[str],
        *,
        server_error: bool,
    ) -> CreatedOrder:
        """Create an order and start its events, whatever the reply will be."""
        now, number = self.clock.now(), len(order.created_orders) + 1
        random = Random(f"{self.settings.seed}:way:{number}:{order.order_id}")  # noqa: S311 - repeatable on purpose
        way = self._choose_way(forced, random, server_error=server_error)
        wanted = PlanRequest(order.order_id, number, body, now, way, forced)
        plan = self._provider.plan(self.settings, wanted)
        created = CreatedOrder(self._provider, plan, way, now.replace(microsecond=0), forced)
        order.account = account
        order.created_orders.append(created)
        self._delivery.run(created, number)
        return created

    def _choose_way(self, forced: frozenset[str], random: Random, *, server_error: bool) -> str:
        weights: Mapping[str, float] = self.settings.ways
        drawn = random.choices(list(weights), weights=list(weights.values()))[0]
        retried = random.choice(self._provider.retried_ways or (drawn,))
        wanted = names_of_kind(forced, "way", self._provider.scenarios)
        if wanted:
            return wanted[0]
        return retried if server_error else drawn

    async def _let_callback_overtake(self, created: CreatedOrder, order: Order) -> None:
        """Delay the reply until a callback was sent, if callbacks are to overtake it."""
        seed = f"{self.settings.seed}:overtaking:{order.order_id}"
        rate = frozenset({"overtaking"})
        if not (created.forced_scenarios & rate or draw_faults(self.settings, seed, rate)):
            return
        await self._delivery.wait_for_first_attempt(created, _LONGEST_WAIT_FOR_CALLBACK)
