"""Instacart Connect to test against: everything that it does for a last mile order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic as monotonic_clock
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from lifecycle import simulator
from lifecycle.core.instant import format_instant
from lifecycle.providers.instacart.error_bodies import (
    BAD_ADDRESS,
    INVALID,
    NOT_FOUND,
    SERVER_ERROR,
    error_body,
    rejection_body,
)
from lifecycle.providers.instacart.order_generator import divergent
from lifecycle.providers.instacart.simulated_checks import REPEATED, reject
from lifecycle.providers.instacart.simulated_orders import plan
from lifecycle.providers.instacart.simulated_scenarios import (
    MIXED_WAYS,
    RETRIED_WAYS,
    SCENARIOS,
    forced_scenarios_of,
)
from lifecycle.simulator import (
    Answers,
    Reply,
    Request,
    Route,
    Scenario,
    SimulatedProvider,
    cancel_to,
)
from lifecycle.simulator.order import CreatedOrder, Order
from lifecycle.simulator.order_api import OrderApi
from lifecycle.simulator.plan import Body

__all__ = ["SIMULATED", "Settings", "Simulator", "hostile"]

_STAGED_AT_ONCE: Final = frozenset({"created", "brand_new", "rescheduled"})
_ENDED: Final = frozenset({"delivered", "canceled"})


class Settings(simulator.Settings):
    """How the simulated provider behaves; see `lifecycle.simulator.Settings`."""

    scenarios: ClassVar[Mapping[str, Scenario]] = SCENARIOS

    callback_client_id: str = Field("instacart", description="as whom it fetches a token")
    callbacks: Literal["enveloped", "flat", "mixed"] = Field(
        "enveloped", description="the shape of callbacks; mixed: drawn for each"
    )

    @classmethod
    def hostile(cls, rate: float) -> dict[str, Any]:
        """Return settings with every fault at one rate, and callbacks of both shapes."""
        return {**super().hostile(rate), "callbacks": "mixed"}


def _route(request: Request) -> Route | None:
    match request.path:
        case ("v2", "fulfillment", "users", user_id, "orders", *rest):
            return _order_route(request.method, tuple(rest), user_id)
        case _:
            return None


def _order_route(method: str, rest: tuple[str, ...], user_id: str) -> Route:
    match (method, *rest):
        case ("POST", "last_mile"):
            return Route("create", "", user_id)
        case ("GET", order_id):
            return Route("get", order_id, user_id)
        case ("POST", order_id, "cancel"):
            return Route("cancel", order_id, user_id)
        case ("POST", order_id, "staged"):
            return Route("stage", order_id, user_id)
        case (_, _) | (_, _, "cancel" | "staged"):
            return Route("wrong_method")
        case _:
            return Route("not_found")


def _order_id(body: Mapping[str, Any]) -> str | None:
    named = body.get("order_id")
    return named if isinstance(named, str) else None


async def _answer_created(api: OrderApi, created: CreatedOrder) -> Reply:
    if api.settings.answers == "full":
        states = [one for one in created.events if one.moves]
        await api.clock.wait_until(states[0].at)
        return api.show(created)
    return Reply(200, created.creation.order)


def _stage(api: OrderApi, order: Order, created: CreatedOrder) -> Reply:
    """Note that the retailer staged an order."""
    now = api.clock.now()
    status = api.status(created, now)
    if status in _ENDED:
        return Reply(400, error_body("Order can no longer be staged", INVALID, "status"))
    if status in _STAGED_AT_ONCE:
        created.drop_planned(now, "staged")
        api.apply(order, created, "staged", now)
    return api.show(created)


def _stamp(body: Mapping[str, Any]) -> str | None:
    stamped = body.get("event_timestamp")
    return stamped if isinstance(stamped, str) else None


def _restamped(body: Body, at: datetime) -> Body:
    return {**body, "event_timestamp": format_instant(at)}


SIMULATED: Final = SimulatedProvider(
    settings=Settings,
    route=_route,
    token_path=("v2", "oauth", "token"),
    answers=Answers(
        unauthorized=Reply(401, error_body("The token is missing, unknown or expired", None)),
        not_found=Reply(404, NOT_FOUND),
        wrong_method=Reply(405, error_body("Method not allowed", None)),
        not_json=Reply(400, error_body("The body is no JSON object", 4001)),
        too_big=Reply(413, error_body("The body is too big", None)),
        busy=Reply(429, error_body("Too many requests", 2003)),
        unavailable=Reply(503, error_body("Service unavailable, try again later", 2003)),
        server_error=Reply(500, SERVER_ERROR),
        rejected=Reply(400, rejection_body(BAD_ADDRESS)),
        repeated=Reply(400, rejection_body(REPEATED)),
    ),
    order_id=_order_id,
    forced=forced_scenarios_of,
    reject=reject,
    plan=plan,
    answer_created=_answer_created,
    operations={
        "cancel": cancel_to(
            "canceled",
            while_in={"brand_new"},
            refused=Reply(400, error_body("Order can no longer be canceled", INVALID, "status")),
            cancellation_reason="retailer_driven",
        ),
        "stage": _stage,
    },
    status=lambda order: str(order["status"]),
    ended=_ENDED,
    retried_ways=RETRIED_WAYS,
    mixed_ways=MIXED_WAYS,
    stamp=_stamp,
    restamped=_restamped,
    divergent=divergent,
)


def hostile(rate: float = 0.1) -> dict[str, Any]:
    """Return settings with every fault at one rate; see `SimulatedProvider.hostile`."""
    return SIMULATED.hostile(rate)


class Simulator(simulator.Simulator):
    """Everything that Instacart Connect does; see `lifecycle.simulator.Simulator`."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        monotonic: Callable[[], float] = monotonic_clock,
        **fields: Any,
    ) -> None:
        super().__init__(SIMULATED, settings, monotonic=monotonic, **fields)
