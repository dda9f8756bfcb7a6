"""Calls to DoorDash Drive, each with a token of its own (its reference of JWTs)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

from lifecycle.errors import MissingExtraError
from lifecycle.http.client import (
    Access,
    Answer,
    AsyncHttpClient,
    Call,
    Calls,
    ClientPort,
    HttpClient,
    SignedCalls,
    checked_text,
    checked_url,
    json_call,
    segment,
)
from lifecycle.http.create_order import JsonRequest

try:
    import jwt
except ModuleNotFoundError:
    raise MissingExtraError("http", "PyJWT") from None

R = TypeVar("R")


def create_request(order_id: str, fields: Mapping[str, Any]) -> JsonRequest:
    """Return a create request of the fields in the provider's reference."""
    return JsonRequest(order_id, {**fields, "external_delivery_id": order_id})


class DriveCalls(Calls[R]):
    """The calls, written once; `R` is an `Answer`, or an awaitable of one."""

    def create(self, request: bytes) -> R:
        """Send a create request once; `create_order` is what sends it again."""
        return self._once(json_call("create", "POST", self._url(), request))

    def get(self, order_id: str | int, *, tries: int | None = None) -> R:
        """Get a delivery; retries up to `tries` times where that may help."""
        return self._retried(json_call("get", "GET", self._url(order_id)), tries)

    def cancel(self, order_id: str | int) -> R:
        """Cancel a delivery; the provider refuses once a Dasher has it."""
        return self._renewed(json_call("cancel", "PUT", self._url(order_id) + "/cancel"))

    def _url(self, *order_id: str | int) -> str:
        ids = (segment("order_id", str(each)) for each in order_id)
        return "/".join((self.base_url, "deliveries", *ids))


class Client(HttpClient, DriveCalls[Answer]):
    """The provider's API, for threads: `Client(*access(...))`."""


class AsyncClient(AsyncHttpClient, DriveCalls[Awaitable[Answer]]):
    """As `Client`, for the tasks of one event loop."""


def access(base_url: str, developer_id: str, key_id: str, signing_secret: str) -> Access:
    """Return where the API is, its path `/drive/v2` included, and how an access key signs."""
    issuer, key = checked_text("developer_id", developer_id), checked_text("key_id", key_id)
    secret = jwt.utils.base64url_decode(checked_text("signing_secret", signing_secret))

    def sign(call: Call) -> Call:
        now = int(time.time())
        # Our clock may be ahead of theirs, and no token may be from the future.
        claims = {"aud": "doordash", "iss": issuer, "kid": key, "iat": now - 5, "exp": now + 60}
        token = jwt.encode(claims, secret, "HS256", {"dd-ver": "DD-JWT-V1"})
        return call._replace(headers={**call.headers, "authorization": f"Bearer {token}"})

    return Access(checked_url("base_url", base_url, secure=True), SignedCalls(sign))


CLIENT: Final = ClientPort.of(
    Client,
    AsyncClient,
    access,
    needed=("base_url", "developer_id", "key_id", "signing_secret"),
)
