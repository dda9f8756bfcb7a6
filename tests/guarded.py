"""The server of `lifecycle serve` in a thread, with limits of a test, and raw connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from typing import Any

from lifecycle.http.server import ServerLimits
from lifecycle.http.server.running import GuardedServer
from tests.polling import PATIENCE, wait_until


class Guarded:
    """One server under way."""

    def __init__(self, app: Any, **limits: Any) -> None:
        self.started = threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self._app = app
        self._limits = ServerLimits(**limits)

    @property
    def registry(self) -> Any:
        """Which connections are open."""
        return self.server._connections

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            if hasattr(self._app, "__aenter__"):
                await stack.enter_async_context(self._app)
            self.server = GuardedServer(
                self._app, self._limits, started=self.started.set, finish_seconds=2
            )
            await self.server.serve([self.listening])


@contextmanager
def guarded(app: Any, **limits: Any) -> Iterator[Guarded]:
    """Serve an app, within limits."""
    serving = Guarded(app, **limits)
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    wait_until(lambda: serving.started.is_set() or not thread.is_alive())
    assert serving.started.is_set()
    try:
        yield serving
    finally:
        serving.server.should_exit = True
        thread.join(PATIENCE)
        serving.listening.close()


@contextmanager
def raw(port: int) -> Iterator[socket.socket]:
    """Yield a plain connection."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as connection:
        yield connection


def told(connection: socket.socket) -> bytes:
    """Return all that comes until the other end has closed."""
    came = b""
    try:
        while piece := connection.recv(65536):
            came += piece
    except ConnectionResetError:
        return came
    return came


def one_answer(connection: socket.socket) -> bytes:
    """Return one whole answer."""
    came = b""
    while b"\r\n\r\n" not in came or len(came.partition(b"\r\n\r\n")[2]) < length_in(came):
        piece = connection.recv(65536)
        if not piece:
            return came
        came += piece
    return came


def length_in(answer: bytes) -> int:
    """Return the content-length of an answer."""
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
