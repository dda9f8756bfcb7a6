"""Calls to DoorDash Drive, each with a token of its own (its reference of JWTs)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from lifecycle.errors import MissingExtraError
from lifecycle.http import client as http
from lifecycle.http.create_order import JsonRequest

try:
    import jwt
except ModuleNotFoundError:
    raise MissingExtraError("http", "PyJWT") from None

R = TypeVar("R")


def create_request(order_id: str, fields: Mapping[str, Any]) -> JsonRequest:
    """Return a create request of the fields in the provider's reference."""
    return JsonRequest(order_id, {**fields, "external_delivery_id": order_id})


class DriveCalls(http.OrderCalls[R]):
    """The calls, written once; a delivery that a Dasher has is canceled no more."""

    orders = "deliveries"
    cancels: ClassVar[tuple[str, ...]] = ("PUT", "cancel")


class Client(http.HttpClient, DriveCalls[http.Answer]):
    """The provider's API, for threads: `Client(*access(...))`."""


class AsyncClient(http.AsyncHttpClient, DriveCalls[Awaitable[http.Answer]]):
    """As `Client`, for the tasks of one event loop."""


def access(base_url: str, developer_id: str, key_id: str, signing_secret: str) -> http.Access:
    """Return where the API is, its path `/drive/v2` included, and how an access key signs."""
    issuer = http.checked_text("developer_id", developer_id)
    key = http.checked_text("key_id", key_id)
    secret = jwt.utils.base64url_decode(http.checked_text("signing_secret", signing_secret))

    def sign(call: http.Call) -> http.Call:
        now = int(time.time())
        # Our clock may be ahead of theirs, and no token may be from the future.
        claims = {"aud": "doordash", "iss": issuer, "kid": key, "iat": now - 5, "exp": now + 60}
        token = jwt.encode(claims, secret, "HS256", {"dd-ver": "DD-JWT-V1"})
        return call._replace(headers={**call.headers, "authorization": f"Bearer {token}"})

    url = http.checked_url("base_url", base_url, secure=True)
    return http.Access(url, http.SignedCalls(sign))


CLIENT: Final = http.ClientPort.of(Client, AsyncClient, access)
