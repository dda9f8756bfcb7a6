"""A simulated provider on a real socket, and a receiver for its callbacks on another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, make_server

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.registry import part_of
from lifecycle.service.orders import Orders
from lifecycle.simulator import RunningSimulator, Simulator

if TYPE_CHECKING:
    from lifecycle.http.receiver import Gate


class Simulated(Protocol):
    """A running simulator; every method may be called from any thread."""

    url: str

    @property
    def truth(self) -> Mapping[str, Any]:
        """The truth about every order, by its id."""

    def advance(self, seconds: float) -> None:
        """Advance the provider's clock: events due by then happen now."""

    def settle(self, *, advance: bool = True, timeout: float = 60) -> None:
        """Wait until all planned events happened and every callback was delivered or given up."""

    def close(self) -> None:
        """Stop, and cancel what is pending."""


@contextmanager
def receiving(orders: Orders, gate: Gate) -> Iterator[str]:
    """Yield the URL at which callbacks for these orders come in, on a free port of the loopback.

    Raises:
        MissingExtraError: the extra `http` is not installed.
    """
    from lifecycle.http.receiver import SyncReceiver

    receiver = SyncReceiver(orders, gate)
    with make_server("127.0.0.1", 0, receiver, handler_class=_Silent) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/callbacks"
        finally:
            server.shutdown()
            thread.join()


class _Silent(WSGIRequestHandler):
    """Keeps its log of requests to itself."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def simulated(*, provider: str = DEFAULT_PROVIDER, **settings: Any) -> Iterator[Simulated]:
    """Yield a simulated provider on a free port of the loopback, and stop it at the end.

    `settings` are those of its simulator: `callback_url`, `seed`, `faults`, ...

    Raises:
        InvalidArgumentError: the provider has no simulator, or a setting is invalid.
        MissingExtraError: the extra `http` is not installed.
    """
    simulated_provider = part_of(provider, "simulator")
    with RunningSimulator(Simulator(simulated_provider, **settings)) as running:
        yield running
