"""The receiver as an ASGI app: run it as it is, or mount it in FastAPI, Starlette and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final, Self

from lifecycle.errors import LifecycleError
from lifecycle.http.receiver.admission import NotAdmittedError
from lifecycle.http.receiver.asynchronous import AsyncReceiver
from lifecycle.http.receiver.message import Head, Response, as_json
from lifecycle.http.receiver.request_flow import Reserve

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI app."""


class DisconnectedError(ConnectionError):
    """The client disconnected before its body was read: nothing was recorded."""


class Receiver(AsyncReceiver):
    """The receiver as an ASGI app; its lifespan opens and closes the orders.

    An app that mounts it opens the orders itself: most frameworks run no lifespan of a
    mounted app.
    """

    _opened_here = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run one lifespan."""
        match scope["type"]:
            case "http":
                await serve_request(self, scope, receive, send)
            case "lifespan":
                await run_lifespan(self, receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def __aenter__(self) -> Self:
        """Open the orders unless they are open."""
        if not self.orders.is_open:
            await self.orders.__aenter__()
            self._opened_here = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish callbacks in progress, and close the orders if they were opened here."""
        await self.stop()
        if self._opened_here:
            await self.orders.close()


async def run_lifespan(
    service: AbstractAsyncContextManager[object], receive: Receive, send: Send
) -> None:
    """Keep a service open during one lifespan of an ASGI server."""
    await receive()
    if not await _run_lifespan_step(service.__aenter__(), "lifespan.startup", send):
        return
    await receive()
    await _run_lifespan_step(service.__aexit__(None, None, None), "lifespan.shutdown", send)


async def _run_lifespan_step(step: Awaitable[object], name: str, send: Send) -> bool:
    """Run one step of a lifespan, and report to the server whether it succeeded.

    An exception would make the server believe that the app supports no lifespan.
    """
    try:
        await step
    except Exception as failed:  # noqa: BLE001 - whatever it is, the server is to stop
        # The text of a foreign error may hold anything.
        why = str(failed) if isinstance(failed, LifecycleError) else type(failed).__name__
        await send({"type": f"{name}.failed", "message": why})
        return False
    await send({"type": f"{name}.complete"})
    return True


async def serve_request(
    receiver: AsyncReceiver, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one HTTP request of an ASGI server."""
    if len(scope["headers"]) > receiver.limits.headers:
        await _send(send, _TOO_MANY_HEADERS)
        return
    address = (scope.get("client") or (None,))[0]
    query = scope.get("query_string", b"").decode("latin-1")
    head = Head(scope["method"], path_under_mount(scope), scope["headers"], address, query)
    if scope.get("http_version") == "1.1" and len(head.values(b"host")) != 1:
        await _send(send, _NO_HOST)
        return
    seconds = receiver.limits.reading_seconds

    async def read(limit: int, reserve: Reserve) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await _read(receive, limit, reserve)
        except TimeoutError:
            raise NotAdmittedError(408, "the body takes too long to come in") from None

    with suppress(DisconnectedError):
        await _send(send, await receiver.respond(head, read))


async def _read(receive: Receive, limit: int, reserve: Reserve) -> bytes:
    """Return a body; of one above the limit, enough to show that."""
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
        reserve(len(piece))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def path_under_mount(scope: Scope) -> str:
    """Return the path without the path that this app is mounted at.

    Some servers put the mount path first, some do not, and a mount path that ends in a slash
    leaves two of them.
    """
    path: str = scope["path"]
    mount = mount_path(scope)
    for known in (mount, mount.removeprefix("/")):
        if known and path.startswith(f"{known}/"):
            path = path.removeprefix(known)
            break
    doubled = scope.get("root_path", "").endswith("/") and path.startswith("//")
    return path[1:] if doubled else path


def mount_path(scope: Scope) -> str:
    """Return where this app is mounted: empty, or a path without a trailing slash."""
    mount: str = scope.get("root_path", "").strip("/")
    return f"/{mount}" if mount else ""


async def _send(send: Send, response: Response) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


_NO_HOST: Final = as_json(400, {"error": "a request of HTTP/1.1 has one host header"})
_TOO_MANY_HEADERS: Final = as_json(431, {"error": "too many headers"})
