"""The receiver as an ASGI app: run it as it is, or mount it in FastAPI, Starlette and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Final, Self

from lifecycle.errors import LifecycleError
from lifecycle.providers.instacart.receiver.admission import AnyTicket, Refused
from lifecycle.providers.instacart.receiver.asynchronous import AsyncReceiver
from lifecycle.providers.instacart.receiver.message import Head, Response, as_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI app."""


class DisconnectedError(ConnectionError):
    """The client went away before its body was read: nothing was recorded."""


class Receiver(AsyncReceiver):
    """The receiver as an ASGI app; its lifespan opens the orders and closes them at the end.

    Mounted in another app it is given orders that the app opens: most frameworks do not
    tell a mounted app of their lifespan.
    """

    _opened_here = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through one lifespan."""
        match scope["type"]:
            case "http":
                await serve_request(self, scope, receive, send)
            case "lifespan":
                await live(self, receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def __aenter__(self) -> Self:
        """Open the orders unless they are open."""
        if not self.orders.is_open:
            await self.orders.__aenter__()
            self._opened_here = True
        return self

    async def __aexit__(
        self,
        failed: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what is under way, and close the orders if they were opened here."""
        await self.stop()
        if self._opened_here:
            await self.orders.close()


async def live(service: AbstractAsyncContextManager[object], receive: Receive, send: Send) -> None:
    """Keep a service open for one lifespan of an ASGI server."""
    await receive()
    if not await _told(service.__aenter__(), "lifespan.startup", send):
        return
    await receive()
    await _told(service.__aexit__(None, None, None), "lifespan.shutdown", send)


async def _told(step: Awaitable[object], name: str, send: Send) -> bool:
    """Take one step of a lifespan and tell the server how it went.

    A server takes an exception to mean that the app knows no lifespan, and goes on without.
    """
    try:
        await step
    except Exception as failed:  # noqa: BLE001 - whatever it is, the server is to stop
        # The text of an error that is not ours may hold anything.
        why = str(failed) if isinstance(failed, LifecycleError) else type(failed).__name__
        await send({"type": f"{name}.failed", "message": why})
        return False
    await send({"type": f"{name}.complete"})
    return True


async def serve_request(
    receiver: AsyncReceiver, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one HTTP request of an ASGI server."""
    if len(scope["headers"]) > receiver.rules.limits.headers:
        await _send(send, _TOO_MANY_HEADERS)
        return
    address = (scope.get("client") or (None,))[0]
    head = Head(scope["method"], path_below(scope), scope["headers"], address)
    if scope.get("http_version") == "1.1" and len(head.values(b"host")) != 1:
        await _send(send, _NO_HOST)
        return
    seconds = receiver.rules.limits.reading_seconds

    async def read(limit: int, ticket: AnyTicket | None) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await _read(receive, limit, ticket)
        except TimeoutError:
            raise Refused(408, "the body takes too long to come in") from None

    with suppress(DisconnectedError):
        await _send(send, await receiver.respond(head, read))


async def _read(receive: Receive, limit: int, ticket: AnyTicket | None) -> bytes:
    """Return a body; of one above the limit, as much as shows that."""
    pieces: list[bytes] = []
    size, more = 0, True
    while more and size <= limit:
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(piece)
        pieces.append(piece)
        if ticket is not None:
            ticket.take(len(piece))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def path_below(scope: Scope) -> str:
    """Return the path below the place that this app is mounted at.

    Some servers put the place before the path, some do not, and a place that ends in a slash
    comes out with two of them.
    """
    below: str = scope["path"]
    place = place_of(scope)
    for known in (place, place.removeprefix("/")):
        if known and below.startswith(f"{known}/"):
            below = below.removeprefix(known)
            break
    doubled = scope.get("root_path", "").endswith("/") and below.startswith("//")
    return below[1:] if doubled else below


def place_of(scope: Scope) -> str:
    """Return where this app is mounted: empty, or a path without a slash at its end."""
    place: str = scope.get("root_path", "").strip("/")
    return f"/{place}" if place else ""


async def _send(send: Send, response: Response) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


_NO_HOST: Final = as_json(400, {"error": "a request of HTTP/1.1 has one host header"})
_TOO_MANY_HEADERS: Final = as_json(431, {"error": "too many headers"})
