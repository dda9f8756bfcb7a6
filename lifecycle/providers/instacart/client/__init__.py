"""The client: creates, gets, stages and cancels last mile orders at the provider.

    Client, AsyncClient ─→ operations: flows, with retries
                              ├─→ token: fetched once, renewed in time
                              ├─→ endpoint: URLs and headers
                              └─→ transport: the sockets

Each call returns an `Answer` of any status, or raises a `ProviderError` that tells whether
the request was sent. It records nothing: see `lifecycle.providers.instacart.dialogue`.
Needs the extra `http`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from lifecycle.http.flow import run, run_async
from lifecycle.providers.instacart.client.endpoint import Endpoint
from lifecycle.providers.instacart.client.exchange import Answer
from lifecycle.providers.instacart.client.operations import Operations
from lifecycle.providers.instacart.client.retries import RetryPolicy, checked_seconds
from lifecycle.providers.instacart.client.token import Tokens
from lifecycle.providers.instacart.client.transport import (
    AsyncHttp,
    AsyncTransport,
    Http,
    SyncHttp,
    SyncTransport,
)
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrival_reader import Body

__all__ = ["Answer", "AsyncClient", "Client"]

TIMEOUT: Final = 20.0
TRIES: Final = 3
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 10.0


class _BaseClient:
    """What both clients share; see `Client`."""

    def __init__(
        self,
        http: Http,
        endpoint: Endpoint,
        credentials: tuple[str, str, str | None],
        retry_policy: RetryPolicy,
    ) -> None:
        client_id, client_secret, scope = credentials
        call = endpoint.token(client_id, client_secret, scope)
        self._operations = Operations(
            endpoint, http, Tokens(call, http, retry_policy), retry_policy
        )

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take, connecting included."""
        return self._operations.longest_seconds

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._operations.endpoint.base_url}>"


class Client(_BaseClient):
    """The provider's API, for threads: any number of them may share one client.

    Args:
        base_url: `https://provider.example`; `http://` only for this machine.
        client_id: our id at the provider.
        client_secret: never in URLs, logs, errors or `repr`.
        user_id: the customer's id at the provider, for calls without one.
        token_url: where tokens come from, if not at `/v2/oauth/token` of `base_url`.
        scope: the scope of tokens, if the provider requires one.
        timeout: seconds to wait for any one part of an answer.
        tries: how often a get is tried, and a create that was not carried out.
        first_wait: seconds before the second try; each later one waits twice as long.
        longest_wait: seconds; an answer that asks to wait longer is returned instead.
        transport: for a proxy or your own certificates; it is then responsible for TLS.

    Raises:
        InvalidArgumentError: a setting is invalid.
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
        retry_policy = RetryPolicy.of(tries, first_wait, longest_wait)
        http = SyncHttp(transport, checked_seconds("timeout", timeout))
        super().__init__(http, endpoint, (client_id, client_secret, scope), retry_policy)
        self._http = http

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
        self._http.close()

    def authorize(self) -> None:
        """Fetch a token unless there is one, so that the next call is sent at once.

        Raises:
            NoTokenError: the provider grants none.
        """
        run(self._operations.authorize())

    def create(self, request: bytes | CreateOrder, *, user_id: str | None = None) -> Answer:
        """Send a create request once, and return the answer; see `dialogue`.

        Raises:
            NeverReachedError, NoTokenError: it was not sent.
            NoAnswerError: it was sent; get the order before sending it again.
        """
        return run(self._operations.create(request, user_id))

    def get(
        self, order_id: str | int, *, user_id: str | None = None, tries: int | None = None
    ) -> Answer:
        """Get an order; retries up to `tries` times where that may help.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._operations.get(order_id, user_id, tries))

    def cancel(self, order_id: str | int, *, user_id: str | None = None) -> Answer:
        """Cancel an order; the provider refuses once a shopper has it.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._operations.cancel(order_id, user_id))

    def stage(
        self, order_id: str | int, body: Body = None, *, user_id: str | None = None
    ) -> Answer:
        """Report an order as staged, so that a shopper is sent for it.

        `body` may hold `items_count`, `bags_count`, `items_weight`, `bag_label` and
        `bag_scan_codes`.

        Raises:
            ProviderError: no answer came, or no token.
        """
        return run(self._operations.stage(order_id, body, user_id))

    def pause(self, answer: Answer | None, tried: int) -> bool:
        """Wait before a create is sent again; False: do not send it again."""
        return run(self._operations.pause(answer, tried))


class AsyncClient(_BaseClient):
    """As `Client`, for the tasks of one event loop."""

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
        retry_policy = RetryPolicy.of(tries, first_wait, longest_wait)
        http = AsyncHttp(transport, checked_seconds("timeout", timeout))
        super().__init__(http, endpoint, (client_id, client_secret, scope), retry_policy)
        self._http = http

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
        await self._http.close()

    async def authorize(self) -> None:
        """As `Client.authorize`."""
        await run_async(self._operations.authorize())

    async def create(self, request: bytes | CreateOrder, *, user_id: str | None = None) -> Answer:
        """As `Client.create`."""
        return await run_async(self._operations.create(request, user_id))

    async def get(
        self, order_id: str | int, *, user_id: str | None = None, tries: int | None = None
    ) -> Answer:
        """As `Client.get`."""
        return await run_async(self._operations.get(order_id, user_id, tries))

    async def cancel(self, order_id: str | int, *, user_id: str | None = None) -> Answer:
        """As `Client.cancel`."""
        return await run_async(self._operations.cancel(order_id, user_id))

    async def stage(
        self, order_id: str | int, body: Body = None, *, user_id: str | None = None
    ) -> Answer:
        """As `Client.stage`."""
        return await run_async(self._operations.stage(order_id, body, user_id))

    async def pause(self, answer: Answer | None, tried: int) -> bool:
        """As `Client.pause`."""
        return await run_async(self._operations.pause(answer, tried))
