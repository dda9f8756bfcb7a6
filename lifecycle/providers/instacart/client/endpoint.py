"""The provider's URLs, checked when a client is made."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart.client.exchange import Call
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.service.arrival_reader import Body, as_bytes, checked_order_id

_GRANT_PATH: Final = "/v2/oauth/token"
_USERS_PATH: Final = "/v2/fulfillment/users"
_HEADERS: Final[Mapping[str, str]] = {
    "accept": "application/json",
    # Bodies are kept verbatim as evidence, so they must not be compressed.
    "accept-encoding": "identity",
    "user-agent": "order-lifecycle",
}


@dataclass(frozen=True, repr=False)
class Endpoint:
    """One provider's URLs; `user_id` is for calls without one."""

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
        base = _checked_url("base_url", base_url, secure=secure)
        token = base + _GRANT_PATH
        if token_url is not None:
            token = _checked_url("token_url", token_url, secure=secure)
        return cls(base, token, None if user_id is None else _checked_text("user_id", user_id))

    def token(self, client_id: str, client_secret: str, scope: str | None) -> Call:
        """Return the token request: credentials in the body, never in the URL.

        Raises:
            InvalidArgumentError: a credential is no text, or empty.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": _checked_text("client_id", client_id),
            "client_secret": _checked_text("client_secret", client_secret),
        }
        body = urlencode(form if scope is None else form | {"scope": scope}).encode()
        headers = {**_HEADERS, "content-type": "application/x-www-form-urlencoded"}
        return Call("token", "POST", self.token_url, headers, body)

    def create(self, request: bytes | CreateOrder, user_id: str | None) -> Call:
        """Return the call that creates a last mile order."""
        body = request.body() if isinstance(request, CreateOrder) else as_bytes(request)
        return Call("create", "POST", self._orders(user_id) + "/last_mile", _with_json(body), body)

    def get(self, order_id: str | int, user_id: str | None) -> Call:
        """Return the call that gets an order."""
        return Call("get", "GET", self._order(order_id, user_id), _HEADERS)

    def cancel(self, order_id: str | int, user_id: str | None) -> Call:
        """Return the call that cancels an order; it has no body."""
        return Call("cancel", "POST", self._order(order_id, user_id) + "/cancel", _HEADERS)

    def stage(self, order_id: str | int, body: Body, user_id: str | None) -> Call:
        """Return the call that reports an order as staged."""
        content = as_bytes(body)
        url = self._order(order_id, user_id) + "/staged"
        return Call("stage", "POST", url, _with_json(content), content)

    def _order(self, order_id: str | int, user_id: str | None) -> str:
        return f"{self._orders(user_id)}/{_segment(checked_order_id(order_id))}"

    def _orders(self, user_id: str | None) -> str:
        user = self.user_id if user_id is None else _checked_text("user_id", user_id)
        if user is None:
            raise InvalidArgumentError("user_id", "the customer's id, here or for the client")
        return f"{self.base_url}{_USERS_PATH}/{_segment(user)}/orders"


def _with_json(body: bytes) -> Mapping[str, str]:
    return {**_HEADERS, "content-type": "application/json"} if body else _HEADERS


def _segment(text: str) -> str:
    """Return one part of a path; dots are escaped too, since `..` would climb out of it."""
    try:
        escaped = quote(text, safe="")
        return escaped if text.strip(".") else escaped.replace(".", "%2E")
    except UnicodeEncodeError:
        raise InvalidArgumentError("order_id or user_id", "Unicode text") from None


def _checked_text(argument: str, text: Any) -> str:
    if isinstance(text, str) and text:
        return text
    raise InvalidArgumentError(argument, "text that is not empty")


def _checked_url(argument: str, url: Any, *, secure: bool) -> str:
    wanted = "an https URL without user, query or fragment; plain http for this machine alone"
    try:
        parts = urlsplit(url)
        fits = parts.port != 0 and bool(parts.hostname) and "@" not in parts.netloc
    except (AttributeError, TypeError, ValueError):
        raise InvalidArgumentError(argument, wanted) from None
    plain_is_fine = not secure or _is_loopback(parts.hostname or "")
    known = parts.scheme == "https" or (parts.scheme == "http" and plain_is_fine)
    if not isinstance(url, str) or not fits or not known or "?" in url or "#" in url:
        raise InvalidArgumentError(argument, wanted)
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
