"""Calls to Uber Direct, which knows a delivery by its own id alone."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from lifecycle.core.strict_json import object_in
from lifecycle.http import client as http
from lifecycle.http.create_order import JsonRequest

SCOPE: Final = "eats.deliveries"
R = TypeVar("R")


def create_request(order_id: str, fields: Mapping[str, Any]) -> JsonRequest:
    """Return a create request of the fields in the provider's reference.

    Sent twice, it makes one delivery: the provider keeps the key for an hour.
    """
    return JsonRequest(order_id, {**fields, "external_id": order_id, "idempotency_key": order_id})


class DirectCalls(http.OwnIdCalls[R]):
    """The calls, written once; a delivery that was picked up is canceled no more."""

    orders = "deliveries"
    cancels: ClassVar[tuple[str, ...]] = ("POST", "cancel")
    detail = "delivery_id"

    def is_absent(self, answer: http.Answer) -> bool:
        """Tell whether the provider answered that it has no such delivery."""
        code = (object_in(answer.body) or {}).get("code")
        is_unknown = answer.http_status == 404 and code == "delivery_not_found"
        return is_unknown or not answer.about_order


class Client(http.HttpClient, DirectCalls[http.Answer]):
    """The provider's API, for threads: `Client(*access(...))`."""


class AsyncClient(http.AsyncHttpClient, DirectCalls[Awaitable[http.Answer]]):
    """As `Client`, for the tasks of one event loop."""


def access(
    base_url: str, token_url: str, customer_id: str, client_id: str, client_secret: str
) -> http.Access:
    """Return where the API of a customer is, `base_url` ends in `/v1`, and who grants tokens."""
    customer = http.segment("customer_id", http.checked_text("customer_id", customer_id))
    token = http.checked_url("token_url", token_url, secure=True)
    return http.Access(
        f"{http.checked_url('base_url', base_url, secure=True)}/customers/{customer}",
        http.client_credentials(http.token_call(token, client_id, client_secret, SCOPE)),
    )


CLIENT: Final = http.ClientPort.of(Client, AsyncClient, access)
