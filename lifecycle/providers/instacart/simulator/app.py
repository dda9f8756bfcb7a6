"""The simulator as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lifecycle.providers.instacart.error_bodies import NOT_FOUND, error_body
from lifecycle.providers.instacart.order_generator import http_date
from lifecycle.providers.instacart.simulator.clock import ProviderClock
from lifecycle.providers.instacart.simulator.delivery import CallbackDelivery
from lifecycle.providers.instacart.simulator.http import (
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    cut,
    read_request,
    send_reply,
)
from lifecycle.providers.instacart.simulator.order_api import UNAUTHORIZED, OrderApi
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.tokens import Tokens
from lifecycle.providers.instacart.simulator.truth import OrderTruth

_NOT_FOUND: Final = Reply(404, NOT_FOUND)
_WRONG_METHOD: Final = Reply(405, error_body("Method not allowed", None))
_LONGEST_ADVANCE: Final = 1e9
_TOO_BIG: Final = Reply(413, error_body("The body is too big", None))


class Simulator:
    """A provider to test against, configured by `settings` or by their fields.

    It keeps everything in memory and belongs to one event loop; `serve` runs it on a socket.

    Raises:
        InvalidArgumentError: a setting is unknown or invalid.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        **fields: Any,
    ) -> None:
        self.settings = settings or Settings.read(**fields)
        starts_at = self.settings.first_instant(datetime.now(UTC))
        self.clock = ProviderClock(starts_at, speed=self.settings.speed, monotonic=monotonic)
        self._delivery = CallbackDelivery(self.settings, self.clock)
        self._order_api = OrderApi(self.settings, self.clock, self._delivery)
        self._tokens = Tokens(self.settings)

    def __repr__(self) -> str:
        return f"<Simulator of {len(self._order_api.orders)} orders>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._run_lifespan(receive, send)
            return
        request = await read_request(scope, receive)
        reply = _TOO_BIG if request is None else await self._reply(request)
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
        match request.path:
            case ("v2", "oauth", "token"):
                return self._tokens.grant(request) if request.method == "POST" else _WRONG_METHOD
            case ("v2", "fulfillment", "users", user_id, "orders", *rest):
                if not self._tokens.is_valid(request):
                    return UNAUTHORIZED
                return await self._serve_order_api(request, user_id, tuple(rest))
            case ("simulator", *rest):
                return await self._serve_truth(request, tuple(rest))
            case _:
                return _NOT_FOUND

    async def _serve_order_api(
        self, request: Request, user_id: str, rest: tuple[str, ...]
    ) -> Reply:
        match (request.method, *rest):
            case ("POST", "last_mile"):
                return await self._order_api.create(request, user_id)
            case ("GET", order_id):
                return await self._order_api.show(order_id, user_id)
            case ("POST", order_id, "cancel"):
                return await self._order_api.cancel(order_id, user_id)
            case ("POST", order_id, "staged"):
                return await self._order_api.stage(order_id, user_id)
            case (_, _) | (_, _, "cancel" | "staged"):
                return _WRONG_METHOD
            case _:
                return _NOT_FOUND

    async def _serve_truth(self, request: Request, rest: tuple[str, ...]) -> Reply:
        match (request.method, *rest):
            case ("GET", "orders"):
                return Reply(200, [order.model_dump(mode="json") for order in self.truth.values()])
            case ("GET", "orders", order_id):
                found = self._order_api.orders.get(order_id)
                if found is None:
                    return _NOT_FOUND
                return Reply(200, found.to_truth(self.clock.now()).model_dump(mode="json"))
            case ("POST", "advance"):
                return self._advance((request.json() or {}).get("seconds"))
            case ("POST", "settle"):
                await self.settle(advance=bool((request.json() or {}).get("advance")))
                return Reply(200, {"settled": True})
            case _:
                return _NOT_FOUND

    def _advance(self, seconds: object) -> Reply:
        if not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST_ADVANCE:
            return Reply(400, error_body("expected a number of seconds", None, "seconds"))
        self.advance(seconds)
        return Reply(200, {"now": http_date(self.clock.now())})
