"""The simulator as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lifecycle.simulator.clock import ProviderClock
from lifecycle.simulator.delivery import CallbackDelivery
from lifecycle.simulator.http import (
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    cut,
    http_date,
    read_request,
    send_reply,
)
from lifecycle.simulator.order_api import OrderApi
from lifecycle.simulator.port import Route, SimulatedProvider
from lifecycle.simulator.settings import Settings
from lifecycle.simulator.tokens import Tokens
from lifecycle.simulator.truth import OrderTruth

_LONGEST_ADVANCE: Final = 1e9


class Simulator:
    """A provider to test against, configured by `settings` or by their fields.

    `provider` is what its folder exports as `simulator.SIMULATED`.

    It keeps everything in memory and belongs to one event loop; `serve` runs it on a socket.

    Raises:
        InvalidArgumentError: a setting is unknown or invalid.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(
        self,
        provider: SimulatedProvider,
        settings: Settings | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        **fields: Any,
    ) -> None:
        self._provider = provider
        self._answers = provider.answers
        self.settings: Settings = settings or provider.settings.read(**fields)
        starts_at = self.settings.first_instant(datetime.now(UTC))
        self.clock: ProviderClock = ProviderClock(
            starts_at, speed=self.settings.speed, monotonic=monotonic
        )
        self._delivery = CallbackDelivery(provider, self.settings, self.clock)
        self._order_api = OrderApi(provider, self.settings, self.clock, self._delivery)
        self._tokens = Tokens(self.settings)

    def __repr__(self) -> str:
        return f"<Simulator of {len(self._order_api.orders)} orders>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        request = await read_request(scope, receive)
        reply = self._answers.too_big if request is None else await self._reply(request)
        if reply.status == 0:
            await cut(scope, receive, send)
        else:
            await send_reply(reply, http_date(reply.at or self.clock.now()), send)

    @property
    def truth(self) -> Mapping[str, OrderTruth]:
        """The truth about every order that was ever requested, by its id."""
        now = self.clock.now()
        return {name: order.to_truth(now) for name, order in tuple(self._order_api.orders.items())}

    def advance(self, seconds: float) -> None:
        """Advance the provider's clock: events due by then happen now."""
        self.clock.advance(seconds)

    async def settle(self, *, advance: bool = False) -> None:
        """Wait until all planned events happened and every callback was delivered or given up.

        `advance`: move the clock to each next event instead of waiting for it.
        """
        await self._delivery.settle(advance=advance)

    async def close(self) -> None:
        """Cancel what is pending, and close every connection."""
        await self._delivery.close()

    async def _run_lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _reply(self, request: Request) -> Reply:
        if request.path[:1] == ("simulator",):
            return await self._serve_truth(request, request.path[1:])
        if request.path == self._provider.token_path:
            return self._grant(request)
        route = self._provider.route(request)
        return self._answers.not_found if route is None else await self._serve(request, route)

    async def _serve(self, request: Request, route: Route) -> Reply:
        if not self._is_authorized(request):
            return self._answers.unauthorized
        match route.operation:
            case "not_found":
                return self._answers.not_found
            case "wrong_method":
                return self._answers.wrong_method
            case "create":
                return await self._order_api.create(request, route.account)
            case "list":
                return await self._order_api.list_orders(request, route.account)
            case other:
                return await self._order_api.about_order(other, route.order_id, route.account)

    def _grant(self, request: Request) -> Reply:
        if request.method != "POST":
            return self._answers.wrong_method
        return self._tokens.grant(request)

    def _is_authorized(self, request: Request) -> bool:
        if self._provider.is_authorized is not None:
            return self._provider.is_authorized(request, self.settings)
        return self._tokens.is_valid(request)

    async def _serve_truth(self, request: Request, rest: tuple[str, ...]) -> Reply:
        match (request.method, *rest):
            case ("GET", "orders"):
                return Reply(200, [order.model_dump(mode="json") for order in self.truth.values()])
            case ("GET", "orders", order_id):
                found = self._order_api.orders.get(order_id)
                if found is None:
                    return self._answers.not_found
                return Reply(200, found.to_truth(self.clock.now()).model_dump(mode="json"))
            case ("POST", "advance"):
                return self._advance((request.json() or {}).get("seconds"))
            case ("POST", "settle"):
                await self.settle(advance=bool((request.json() or {}).get("advance")))
                return Reply(200, {"settled": True})
            case _:
                return self._answers.not_found

    def _advance(self, seconds: object) -> Reply:
        if not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST_ADVANCE:
            return Reply(400, {"error": "expected a number of seconds"})
        self.advance(seconds)
        return Reply(200, {"now": http_date(self.clock.now())})
