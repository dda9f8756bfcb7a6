"""Calls to Uber Direct, which knows a delivery by its own id alone.

While that id is not known, the list of deliveries is looked through: it tells whether a
create request that went unanswered made one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from lifecycle.core.strict_json import object_in
from lifecycle.core.view import OrderView
from lifecycle.http.client import (
    Access,
    Answer,
    AsyncHttpClient,
    Calls,
    ClientPort,
    HttpClient,
    checked_text,
    checked_url,
    client_credentials,
    json_call,
    segment,
    token_call,
)
from lifecycle.http.create_order import JsonRequest
from lifecycle.http.flow import Flow

SCOPE: Final = "eats.deliveries"
PAGE: Final = 100
MOST_PAGES: Final = 20
R = TypeVar("R")


def create_request(order_id: str, fields: Mapping[str, Any]) -> JsonRequest:
    """Return a create request of the fields in the provider's reference.

    Sent twice, it makes one delivery: the provider keeps the key for an hour.
    """
    return JsonRequest(order_id, {**fields, "external_id": order_id, "idempotency_key": order_id})


class DirectCalls(Calls[R]):
    """The calls, written once; `R` is an `Answer`, or an awaitable of one."""

    def create(self, request: bytes) -> R:
        """Send a create request once; `create_order` is what sends it again."""
        return self._once(json_call("create", "POST", self._url(), request))

    def get(
        self, order_id: str | int, *, delivery_id: str | None = None, tries: int | None = None
    ) -> R:
        """Get a delivery by the provider's id, else by ours; retries up to `tries` times."""
        return self._run(self._get(str(order_id), delivery_id, tries))

    def cancel(self, order_id: str | int, *, delivery_id: str | None = None) -> R:
        """Cancel a delivery; the provider refuses once it is picked up."""
        return self._run(self._cancel(str(order_id), delivery_id))

    def where(self, view: OrderView) -> Mapping[str, Any]:
        """Return the provider's id of a delivery."""
        return {"delivery_id": getattr(view.details, "delivery_id", None)}

    def is_absent(self, answer: Answer) -> bool:
        """Tell whether the provider answered that it has no such delivery."""
        said = object_in(answer.body) or {}
        is_unknown = answer.http_status == 404 and said.get("code") == "delivery_not_found"
        return is_unknown or (answer.http_status == 200 and said.get("data") == [])

    def _get(self, order_id: str, delivery_id: str | None, tries: int | None) -> Flow[Answer]:
        found = delivery_id or (yield from self._located(order_id, tries))
        if isinstance(found, Answer):
            return found
        call = json_call("get", "GET", self._url(found))
        return (yield from self._operations.retried(call, tries))

    def _cancel(self, order_id: str, delivery_id: str | None) -> Flow[Answer]:
        found = delivery_id or (yield from self._located(order_id, None))
        if isinstance(found, Answer):
            return found
        call = json_call("cancel", "POST", self._url(found) + "/cancel")
        return (yield from self._operations.renewed(call))

    def _located(self, order_id: str, tries: int | None) -> Flow[str | Answer]:
        """Return the provider's id of a delivery, or the answer that does not show it.

        Entries of other orders are nobody's matter here, and are not returned.
        """
        for offset in range(0, MOST_PAGES * PAGE, PAGE):
            call = json_call("list", "GET", f"{self._url()}?limit={PAGE}&offset={offset}")
            answer = yield from self._operations.retried(call, tries)
            listed = (object_in(answer.body) or {}).get("data")
            if answer.http_status != 200 or type(listed) is not list:
                return answer
            for each in listed:
                if type(each) is dict and each.get("external_id") == order_id and each.get("id"):
                    return str(each["id"])
            if len(listed) < PAGE:
                return answer._replace(body=b'{"object":"list","data":[]}')
        return answer._replace(body=b'{"object":"list"}')

    def _url(self, *delivery_id: str) -> str:
        ids = (segment("delivery_id", each) for each in delivery_id)
        return "/".join((self.base_url, "deliveries", *ids))


class Client(HttpClient, DirectCalls[Answer]):
    """The provider's API, for threads: `Client(*access(...))`."""


class AsyncClient(AsyncHttpClient, DirectCalls[Awaitable[Answer]]):
    """As `Client`, for the tasks of one event loop."""


def access(
    base_url: str, token_url: str, customer_id: str, client_id: str, client_secret: str
) -> Access:
    """Return where the API of a customer is, `base_url` ends in `/v1`, and who grants tokens."""
    customer = segment("customer_id", checked_text("customer_id", customer_id))
    token = checked_url("token_url", token_url, secure=True)
    return Access(
        f"{checked_url('base_url', base_url, secure=True)}/customers/{customer}",
        client_credentials(token_call(token, client_id, client_secret, SCOPE)),
    )


CLIENT: Final = ClientPort.of(
    Client,
    AsyncClient,
    access,
    needed=("base_url", "token_url", "customer_id", "client_id", "client_secret"),
)
