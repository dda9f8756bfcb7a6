"""The simulator: the provider's side of everything, as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from lifecycle.providers.instacart.error_bodies import NOT_FOUND, error_body
from lifecycle.providers.instacart.order_generator import http_date
from lifecycle.providers.instacart.simulator.clock import ProviderClock
from lifecycle.providers.instacart.simulator.delivery import Dispatch
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
from lifecycle.providers.instacart.simulator.order_api import UNAUTHORIZED, Office
from lifecycle.providers.instacart.simulator.settings import Settings
from lifecycle.providers.instacart.simulator.tokens import Tokens
from lifecycle.providers.instacart.simulator.truth import OrderTruth

_ELSEWHERE: Final = Reply(404, NOT_FOUND)
_WRONG_METHOD: Final = Reply(405, error_body("Method not allowed", None))
_LONGEST_MOVE: Final = 1e9
_TOO_BIG: Final = Reply(413, error_body("The body is too big", None))


class Simulator:
    """A provider to test against; `settings`, or their fields, say how it behaves.

    Everything is in memory. One event loop serves it; `serve` runs it on a socket.

    Raises:
        InvalidArgumentError: a field of the settings is unknown or of no use.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        tell: Callable[[], float] = time.monotonic,
        **fields: Any,
    ) -> None:
        self.settings = settings or Settings.read(**fields)
        starts_at = self.settings.first_instant(datetime.now(UTC))
        self.clock = ProviderClock(starts_at, speed=self.settings.speed, tell=tell)
        self._dispatch = Dispatch(self.settings, self.clock)
        self._office = Office(self.settings, self.clock, self._dispatch)
        self._tokens = Tokens(self.settings)

    def __repr__(self) -> str:
        return f"<Simulator of {len(self._office.orders)} orders>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = await read_request(scope, receive)
        reply = _TOO_BIG if request is None else await self._reply(request)
        if reply.status == 0:
            await cut(scope, receive, send)
        else:
            await send_reply(reply, http_date(reply.at or self.clock.now()), send)

    @property
    def truth(self) -> Mapping[str, OrderTruth]:
        """What is true now about every order that anybody asked to create, by its id."""
        now = self.clock.now()
        return {name: order.as_truth(now) for name, order in tuple(self._office.orders.items())}

    def advance(self, seconds: float) -> None:
        """Move the provider's clock on: what was to happen by then happens now."""
        self.clock.advance(seconds)

    async def settle(self, *, advance: bool = False) -> None:
        """Wait until everything has happened and was delivered, or given up.

        With `advance` the clock is moved on to whatever is next; without, it takes its time.
        """
        await self._dispatch.settle(advance=advance)

    async def close(self) -> None:
        """Drop what is still to happen, and close every connection."""
        await self._dispatch.close()

    async def _live(self, receive: Receive, send: Send) -> None:
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
                if not self._tokens.is_good(request):
                    return UNAUTHORIZED
                return await self._provide(request, user_id, tuple(rest))
            case ("simulator", *rest):
                return await self._tell_truth(request, tuple(rest))
            case _:
                return _ELSEWHERE

    async def _provide(self, request: Request, user_id: str, rest: tuple[str, ...]) -> Reply:
        match (request.method, *rest):
            case ("POST", "last_mile"):
                return await self._office.create(request, user_id)
            case ("GET", order_id):
                return await self._office.show(order_id, user_id)
            case ("POST", order_id, "cancel"):
                return await self._office.cancel(order_id, user_id)
            case ("POST", order_id, "staged"):
                return await self._office.stage(order_id, user_id)
            case (_, _) | (_, _, "cancel" | "staged"):
                return _WRONG_METHOD
            case _:
                return _ELSEWHERE

    async def _tell_truth(self, request: Request, rest: tuple[str, ...]) -> Reply:
        match (request.method, *rest):
            case ("GET", "orders"):
                return Reply(200, [order.model_dump(mode="json") for order in self.truth.values()])
            case ("GET", "orders", order_id):
                found = self._office.orders.get(order_id)
                if found is None:
                    return _ELSEWHERE
                return Reply(200, found.as_truth(self.clock.now()).model_dump(mode="json"))
            case ("POST", "advance"):
                return self._moved_on((request.json() or {}).get("seconds"))
            case ("POST", "settle"):
                await self.settle(advance=bool((request.json() or {}).get("advance")))
                return Reply(200, {"settled": True})
            case _:
                return _ELSEWHERE

    def _moved_on(self, seconds: object) -> Reply:
        if not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST_MOVE:
            return Reply(400, error_body("expected a number of seconds", None, "seconds"))
        self.advance(seconds)
        return Reply(200, {"now": http_date(self.clock.now())})
