"""The client: last mile orders at the provider, created, asked for, staged, canceled.

    Client, AsyncClient ─→ caller: flows, what may be asked again
                              ├─→ token: fetched once, renewed in time
                              ├─→ endpoint: URLs and headers
                              └─→ wire: the sockets

Each call returns the `Answer` whatever its status, or raises a `ProviderError` that tells
whether anything was sent. It records nothing: see `lifecycle.providers.instacart.dialogue`.
Needs the extra `http`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from lifecycle.providers.instacart.client.endpoint import Endpoint
from lifecycle.providers.instacart.client.exchange import Answer
from lifecycle.providers.instacart.client.operations import Caller
from lifecycle.providers.instacart.client.retries import Patience, checked_seconds
from lifecycle.providers.instacart.client.token import Tokens
from lifecycle.providers.instacart.client.transport import (
    AsyncTransport,
    AsyncWire,
    SyncTransport,
    SyncWire,
    Wire,
)
from lifecycle.providers.instacart.flow import run, run_async
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrivals import Body

__all__ = ["Answer", "AsyncClient", "Client"]

TIMEOUT: Final = 20.0
TRIES: Final = 3
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 10.0


class _Calling:
    """What both clients share: a caller over a wire; see `Client`."""

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        credentials: tuple[str, str, str | None],
        patience: Patience,
    ) -> None:
        client_id, client_secret, scope = credentials
        call = endpoint.token(client_id, client_secret, scope)
        self._caller = Caller(endpoint, wire, Tokens(call, wire, patience), patience)

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take from its start, the connection included."""
        return self._caller.longest_seconds

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._caller.endpoint.base_url}>"


class Client(_Calling):
    """The provider, for threads: any number of them may share one client.

    Args:
        base_url: `https://provider.example`; `http://` for this machine alone.
        client_id: who the provider knows us as.
        client_secret: kept out of URLs, logs, errors and `repr`.
        user_id: the customer's id at the provider, for calls that name none.
        token_url: where tokens come from, if not at `/v2/oauth/token` of `base_url`.
        scope: what to ask a token for, if the provider wants to hear it.
        timeout: seconds to wait for any one part of an answer.
        tries: how often a read is tried, and a create that was not carried out.
        first_wait: seconds before the second try; each later one waits twice as long.
        longest_wait: seconds; an answer that asks to wait longer is given back instead.
        transport: how bytes travel, for a proxy or certificates of your own. TLS
            is then its matter.

    Raises:
        InvalidArgumentError: a setting is of no use.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str,
        client_secret: str,
        user_id: str | None = None,
        token_url: str | None = None,
        scope: str | None = None,
        timeout: float = TIMEOUT,
        tries: int = TRIES,
        first_wait: float = FIRST_WAIT,
        longest_wait: float = LONGEST_WAIT,
        transport: SyncTransport | None = None,
    ) -> None:
        endpoint = Endpoint.of(base_url, token_url, user_id, secure=transport is None)
        patience = Patience.of(tries, first_wait, longest_wait)
        wire = SyncWire(transport, checked_seconds("timeout", timeout))
        super().__init__(wire, endpoint, (client_id, client_secret, scope), patience)
        self._wire = wire

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        failed: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._wire.close()

    def authorize(self) -> None:
        """Make sure that a token is at hand, so that the next call is sent at once.

        Raises:
            NoTokenError: there is none to be had.
        """
        run(self._caller.authorize())

    def create(self, request: bytes | CreateOrder, *, user_id: str | None = None) -> Answer:
        """Send a create request once, and return what was answered; see `dialogue`.

        Raises:
            NeverReachedError, NoTokenError: it was not sent.
            NoAnswerError: it was sent; get the order before sending it again.
        """
        return run(self._caller.create(request, user_id))

    def get(
        self, order_id: str | int, *, user_id: str | None = None, tries: int | None = None
    ) -> Answer:
        """Ask for an order, again after a pause where that may help, at most `tries` times.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._caller.get(order_id, user_id, tries))

    def cancel(self, order_id: str | int, *, user_id: str | None = None) -> Answer:
        """Ask to cancel an order; the provider refuses once a shopper has it.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._caller.cancel(order_id, user_id))

    def stage(
        self, order_id: str | int, body: Body = None, *, user_id: str | None = None
    ) -> Answer:
        """Say that an order is staged, so that a shopper is sent for it.

        `body` may hold `items_count`, `bags_count`, `items_weight`, `bag_label` and
        `bag_scan_codes`.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._caller.stage(order_id, body, user_id))

    def pause(self, answer: Answer | None, tried: int) -> bool:
        """Wait before a create is sent once more; False where it is not worth waiting."""
        return run(self._caller.pause(answer, tried))


class AsyncClient(_Calling):
    """The provider, for the tasks of one event loop; arguments and errors as `Client`'s."""

    def __init__(
        self,
        base_url: str,
        *,
        client_id: str,
        client_secret: str,
        user_id: str | None = None,
        token_url: str | None = None,
        scope: str | None = None,
        timeout: float = TIMEOUT,
        tries: int = TRIES,
        first_wait: float = FIRST_WAIT,
        longest_wait: float = LONGEST_WAIT,
        transport: AsyncTransport | None = None,
    ) -> None:
        endpoint = Endpoint.of(base_url, token_url, user_id, secure=transport is None)
        patience = Patience.of(tries, first_wait, longest_wait)
        wire = AsyncWire(transport, checked_seconds("timeout", timeout))
        super().__init__(wire, endpoint, (client_id, client_secret, scope), patience)
        self._wire = wire

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        failed: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._wire.close()

    async def authorize(self) -> None:
        """Make sure that a token is at hand; as `Client.authorize`."""
        await run_async(self._caller.authorize())

    async def create(self, request: bytes | CreateOrder, *, user_id: str | None = None) -> Answer:
        """Send a create request once; as `Client.create`."""
        return await run_async(self._caller.create(request, user_id))

    async def get(
        self, order_id: str | int, *, user_id: str | None = None, tries: int | None = None
    ) -> Answer:
        """Ask for an order; as `Client.get`."""
        return await run_async(self._caller.get(order_id, user_id, tries))

    async def cancel(self, order_id: str | int, *, user_id: str | None = None) -> Answer:
        """Ask to cancel an order; as `Client.cancel`."""
        return await run_async(self._caller.cancel(order_id, user_id))

    async def stage(
        self, order_id: str | int, body: Body = None, *, user_id: str | None = None
    ) -> Answer:
        """Say that an order is staged; as `Client.stage`."""
        return await run_async(self._caller.stage(order_id, body, user_id))

    async def pause(self, answer: Answer | None, tried: int) -> bool:
        """Wait before a create is sent once more; as `Client.pause`."""
        return await run_async(self._caller.pause(answer, tried))
