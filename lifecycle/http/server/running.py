"""Uvicorn's server with the limits: what `lifecycle serve` runs."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from lifecycle.errors import MissingExtraError
from lifecycle.http.log_limit import LimitedLines
from lifecycle.http.server.connections import Connections
from lifecycle.http.server.limits import ACCEPTED_AT_ONCE, ServerLimits

try:
    import httptools  # noqa: F401 - uvicorn would do without it
    from uvicorn import Config, Server
except ModuleNotFoundError as _missing:
    raise MissingExtraError("http", _missing.name or "uvicorn") from None

from lifecycle.http.server.protocol import STATE, GuardedProtocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BACKLOG: Final = 2048
SECONDS_TO_FINISH: Final = 30

_EVERY_SECONDS: Final = 0.5
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


class GuardedServer(Server):
    """Serves an ASGI app that is already entered, within limits.

    `started` is called once connections are accepted, `stopping` before requests in progress
    are waited for.
    """

    def __init__(
        self,
        app: App,
        limits: ServerLimits,
        *,
        started: Callable[[], None],
        stopping: Callable[[], None] | None = None,
        finish_seconds: int = SECONDS_TO_FINISH,
    ) -> None:
        self._connections = Connections(limits)
        self._started, self._stopping = started, stopping
        self._sweeping: asyncio.Task[None] | None = None
        super().__init__(
            Config(
                _reporting(app, self._connections),
                http=_guarded(self._connections, limits),
                lifespan="off",
                log_config=None,
                access_log=False,  # it would print query strings, which may hold secrets
                server_header=False,
                proxy_headers=False,
                ws="none",
                # asyncio also accepts that many connections before it can close one.
                backlog=ACCEPTED_AT_ONCE,
                timeout_keep_alive=int(limits.idle_seconds) + 1,
                timeout_graceful_shutdown=finish_seconds,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)
            # Connections inherit it; asyncio sets it only where a socket names its protocol.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        self._sweeping = loop.create_task(self._sweep())
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish requests in progress."""
        if self._stopping is not None:
            self._stopping()
        await super().shutdown(sockets)
        if self._sweeping is not None:
            self._sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._sweeping

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self._connections.end_late(loop.time())

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failed = context.get("exception")
        if not isinstance(failed, OSError) or failed.errno not in _NO_FILES:
            loop.default_exception_handler(context)
            return
        self._connections.log.error("no more files can be opened; raise the limit: ulimit -n")
        self._connections.close_idlest()


def limit_log_lines() -> None:
    """Apply the limit on log lines to every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(LimitedLines())


def _guarded(connections: Connections, limits: ServerLimits) -> type[asyncio.Protocol]:
    settings = {"registry": connections, "limits": limits}
    return type("GuardedProtocol", (GuardedProtocol,), settings)


def _reporting(app: App, connections: Connections) -> App:
    """Return an app that reports to the registry how each request was answered."""

    async def report(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["state"].pop(STATE)

        async def reporting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                posted = scope["method"] == "POST"
                connections.answered(connection, accepted=posted and message["status"] < 300)
            await send(message)

        await app(scope, receive, reporting_send)

    return report
