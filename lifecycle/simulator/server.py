"""Serves the simulator on a socket, with a server that can cut connections."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from lifecycle.errors import InvalidArgumentError, MissingExtraError
from lifecycle.simulator.app import Simulator
from lifecycle.simulator.http import TRANSPORT
from lifecycle.simulator.truth import OrderTruth

if TYPE_CHECKING:
    from uvicorn import Server

_LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 2048
_GRACE_SECONDS: Final = 2

T = TypeVar("T")


def serve(
    simulator: Simulator,
    *,
    host: str = _LOOPBACK,
    port: int = 0,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve the simulator until the process is interrupted.

    Args:
        simulator: what to serve.
        host: the address to listen at.
        port: 0 takes a free one.
        started: called with the base URL once connections are taken.

    Raises:
        OSError: the address cannot be listened at.
        MissingExtraError: the extra `http` is not installed.
    """
    with closing(_listen(host, port)) as listener:
        server = _server(simulator)
        if started is not None:
            started(_url(listener))
        server.run(sockets=[listener])


class RunningSimulator:
    """A simulator on a real socket, in its own thread; a context manager.

    `url` is its base URL. Every method may be called from any thread.
    """

    def __init__(self, simulator: Simulator, *, host: str = _LOOPBACK, port: int = 0) -> None:
        self.simulator = simulator
        self._listener = _listen(host, port)
        self.url: str = _url(self._listener)
        self._server = _server(simulator)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<RunningSimulator at {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def truth(self) -> Mapping[str, OrderTruth]:
        """The truth about every order, by its id."""

        async def look() -> Mapping[str, OrderTruth]:
            return self.simulator.truth

        return self._call(look(), 30)

    def advance(self, seconds: float) -> None:
        """Advance the provider's clock: events due by then happen now."""
        self._loop.call_soon_threadsafe(self.simulator.advance, seconds)

    def settle(self, *, advance: bool = True, timeout: float = 60) -> None:
        """Wait until all planned events happened and every callback was delivered or given up.

        Raises:
            TimeoutError: it took longer than `timeout` seconds.
        """
        self._call(self.simulator.settle(advance=advance), timeout)

    def close(self) -> None:
        """Stop, and cancel what is pending."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._listener]))
        finally:
            self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except FutureTimeoutError:
            future.cancel()
            raise TimeoutError(f"the simulator had not settled after {timeout:g} s") from None


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 65_536:
        raise InvalidArgumentError("port", "a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Connections inherit it. asyncio sets it by itself only where a socket names its protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(simulator: Simulator) -> Server:
    try:
        from uvicorn import Config, Server  # noqa: PLC0415 - the extra may not be installed
        from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: PLC0415 - as above
    except ImportError:
        raise MissingExtraError("http", "uvicorn") from None

    class TransportExposingProtocol(H11Protocol):
        """Gives its transport to the application, which may abort it."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, TRANSPORT: transport}

    config = Config(
        simulator,
        http=TransportExposingProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        date_header=False,  # the provider's clock tells the date
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return Server(config)
