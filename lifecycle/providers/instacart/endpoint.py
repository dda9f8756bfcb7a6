"""Instacart's URLs, checked when a client is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client import Call
from lifecycle.http.client.url import checked_text, checked_url, json_call, segment
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrival_reader import Body, as_bytes, checked_order_id

_GRANT_PATH: Final = "/v2/oauth/token"
_USERS_PATH: Final = "/v2/fulfillment/users"
_ID: Final = "order_id or user_id"


@dataclass(frozen=True, repr=False)
class Endpoint:
    """The URLs of one account; `user_id` is for calls without one."""

    base_url: str
    token_url: str
    user_id: str | None

    @classmethod
    def of(
        cls, base_url: str, token_url: str | None, user_id: str | None, *, secure: bool
    ) -> Endpoint:
        """Return the checked endpoint; `secure`: plain HTTP only for this machine.

        Raises:
            InvalidArgumentError: a URL or the user id is invalid.
        """
        base = checked_url("base_url", base_url, secure=secure)
        token = base + _GRANT_PATH
        if token_url is not None:
            token = checked_url("token_url", token_url, secure=secure)
        return cls(base, token, None if user_id is None else checked_text("user_id", user_id))

    def create(self, request: bytes | CreateOrder, user_id: str | None) -> Call:
        """Return the call that creates a last mile order."""
        body = request.body() if isinstance(request, CreateOrder) else as_bytes(request)
        return json_call("create", "POST", self._orders(user_id) + "/last_mile", body)

    def get(self, order_id: str | int, user_id: str | None) -> Call:
        """Return the call that gets an order."""
        return json_call("get", "GET", self._order(order_id, user_id))

    def cancel(self, order_id: str | int, user_id: str | None) -> Call:
        """Return the call that cancels an order; it has no body."""
        return json_call("cancel", "POST", self._order(order_id, user_id) + "/cancel")

    def stage(self, order_id: str | int, body: Body, user_id: str | None) -> Call:
        """Return the call that reports an order as staged."""
        return json_call(
            "stage", "POST", self._order(order_id, user_id) + "/staged", as_bytes(body)
        )

    def _order(self, order_id: str | int, user_id: str | None) -> str:
        return f"{self._orders(user_id)}/{segment(_ID, checked_order_id(order_id))}"

    def _orders(self, user_id: str | None) -> str:
        user = self.user_id if user_id is None else checked_text("user_id", user_id)
        if user is None:
            raise InvalidArgumentError("user_id", "the customer's id, here or for the client")
        return f"{self.base_url}{_USERS_PATH}/{segment(_ID, user)}/orders"
