"""Calls to Instacart: creates, gets, stages and cancels last mile orders."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, Final, TypeVar, Unpack

from lifecycle.core.strict_json import object_in
from lifecycle.http.client import (
    Answer,
    AsyncHttpClient,
    Calls,
    ClientPort,
    HttpClient,
    Pacing,
    client_credentials,
    token_call,
)
from lifecycle.http.client.transport import AsyncTransport, SyncTransport
from lifecycle.providers.instacart.bodies import is_error
from lifecycle.providers.instacart.endpoint import Endpoint
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrival_reader import Body

__all__ = ["AsyncClient", "Client"]

R = TypeVar("R")


class InstacartCalls(Calls[R]):
    """The calls, written once; `R` is an `Answer`, or an awaitable of one.

    Each raises a `ProviderError` if no answer came, or no token.
    """

    context_arguments: ClassVar[frozenset[str]] = frozenset({"user_id"})

    _endpoint: Endpoint

    def create(self, request: bytes | CreateOrder, *, user_id: str | None = None) -> R:
        """Send a create request once; `create_order` is what sends it again.

        Raises:
            NeverReachedError, NoTokenError: it was not sent.
            NoAnswerError: it was sent; get the order before sending it again.
        """
        return self._once(self._endpoint.create(request, user_id))

    def get(
        self, order_id: str | int, *, user_id: str | None = None, tries: int | None = None
    ) -> R:
        """Get an order; retries up to `tries` times where that may help."""
        return self._retried(self._endpoint.get(order_id, user_id), tries)

    def cancel(self, order_id: str | int, *, user_id: str | None = None) -> R:
        """Cancel an order; the provider refuses once a shopper has it."""
        return self._renewed(self._endpoint.cancel(order_id, user_id))

    def stage(self, order_id: str | int, body: Body = None, *, user_id: str | None = None) -> R:
        """Report an order as staged, so that a shopper is sent for it.

        `body` may hold `items_count`, `bags_count`, `items_weight`, `bag_label` and
        `bag_scan_codes`.
        """
        return self._renewed(self._endpoint.stage(order_id, body, user_id))

    def is_absent(self, answer: Answer) -> bool:
        """Tell whether the provider itself answered that it has no such order.

        A 404 without its error body comes from a proxy or another server.
        """
        return answer.http_status == 404 and is_error(object_in(answer.body))


class Client(HttpClient, InstacartCalls[Answer]):
    """The provider's API, for threads: any number of them may share one client.

    Args:
        base_url: `https://provider.example`; `http://` only for this machine.
        client_id: our id at the provider.
        client_secret: never in URLs, logs, errors or `repr`.
        user_id: the customer's id at the provider, for calls without one.
        token_url: where tokens come from, if not at `/v2/oauth/token` of `base_url`.
        scope: the scope of tokens, if the provider requires one.
        transport: for a proxy or your own certificates; it is then responsible for TLS.
        pacing: the time limits and retries of `Pacing`.

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
        transport: SyncTransport | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        self._endpoint = Endpoint.of(base_url, token_url, user_id, secure=transport is None)
        call = token_call(self._endpoint.token_url, client_id, client_secret, scope)
        super().__init__(self._endpoint.base_url, client_credentials(call), transport, **pacing)


class AsyncClient(AsyncHttpClient, InstacartCalls[Awaitable[Answer]]):
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
        transport: AsyncTransport | None = None,
        **pacing: Unpack[Pacing],
    ) -> None:
        self._endpoint = Endpoint.of(base_url, token_url, user_id, secure=transport is None)
        call = token_call(self._endpoint.token_url, client_id, client_secret, scope)
        super().__init__(self._endpoint.base_url, client_credentials(call), transport, **pacing)


CLIENT: Final = ClientPort(
    Client,
    AsyncClient,
    settings={
        "URL": "base_url",
        "CLIENT_ID": "client_id",
        "CLIENT_SECRET": "client_secret",
        "USER_ID": "user_id",
    },
    optional={"TOKEN_URL": "token_url"},
)
