"""The receiver as an ASGI app: run it as it is, or mount it in FastAPI, Starlette and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import Any, Self

from lifecycle.errors import LifecycleError
from lifecycle.providers.instacart.receiver.admission import Refused, Ticket
from lifecycle.providers.instacart.receiver.asynchronous import AsyncReceiver
from lifecycle.providers.instacart.receiver.message import Head, Response

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
    try:
        await service.__aenter__()
    except LifecycleError as failed:
        await send({"type": "lifespan.startup.failed", "message": str(failed)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await service.__aexit__(None, None, None)
    await send({"type": "lifespan.shutdown.complete"})


async def serve_request(
    receiver: AsyncReceiver, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one HTTP request of an ASGI server."""
    head = Head(scope["method"], _path_of(scope), scope["headers"])
    seconds = receiver.rules.limits.reading_seconds

    async def read(limit: int, ticket: Ticket | None) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await _read(receive, limit, ticket)
        except TimeoutError:
            raise Refused(408, "the body takes too long to come in") from None

    with suppress(DisconnectedError):
        await _send(send, await receiver.respond(head, read))


async def _read(receive: Receive, limit: int, ticket: Ticket | None) -> bytes:
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


def _path_of(scope: Scope) -> str:
    """Return the path below the place that this app is mounted at."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def _send(send: Send, response: Response) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
