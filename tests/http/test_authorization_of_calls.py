"""How a client of another provider shows who it is, over real sockets: headers and signatures."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable
from typing import Any, TypeVar

import pytest

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client import (
    Answer,
    AsyncHttpClient,
    Authorization,
    Call,
    Calls,
    ClientPort,
    FixedHeaders,
    HttpClient,
    SignedCalls,
    json_call,
)
from tests.http.scripted import Scripted, answer

R = TypeVar("R")
KEY = "a key of thirty-two letters, all."


class ShopCalls(Calls[R]):
    """All that a provider writes: which call does what."""

    url: str

    def get(self, order_id: str, *, tries: int | None = None) -> R:
        return self._retried(json_call("get", "GET", f"{self.url}/orders/{order_id}"), tries)

    def cancel(self, order_id: str) -> R:
        return self._renewed(json_call("cancel", "POST", f"{self.url}/orders/{order_id}/cancel"))


class Shop(HttpClient, ShopCalls[Answer]):
    def __init__(self, url: str, authorization: Authorization) -> None:
        self.url = url
        super().__init__(url, lambda _http, _policy: authorization, first_wait=0.01)


class AsyncShop(AsyncHttpClient, ShopCalls[Awaitable[Answer]]):
    def __init__(self, url: str, authorization: Authorization) -> None:
        self.url = url
        super().__init__(url, lambda _http, _policy: authorization, first_wait=0.01)


def signed(call: Call) -> Call:
    """Sign the method and the URL, as some providers want it."""
    content = f"{call.method} {call.url}".encode()
    signature = hmac.digest(KEY.encode(), content, hashlib.sha256).hex()
    return call._replace(headers={**call.headers, "x-signature": signature})


def asked_by(kind: str, server: Scripted, authorization: Authorization, name: str) -> Any:
    if kind == "sync":
        with Shop(server.url, authorization) as shop:
            return getattr(shop, name)("o-1")

    async def main() -> Answer:
        async with AsyncShop(server.url, authorization) as shop:
            await shop.authorize()
            return await getattr(shop, name)("o-1")

    return asyncio.run(main())


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_fixed_headers_come_with_every_call_and_a_401_is_not_asked_again(kind, server):
    server.always("get", answer(401, {}))
    got = asked_by(kind, server, FixedHeaders.basic("shop", KEY), "get")
    assert (got.http_status, server.count("get")) == (401, 1)
    assert server.asked[0].headers["authorization"].startswith("Basic ")
    assert server.count("token") == 0


def test_a_signature_is_made_anew_for_a_call_that_was_answered_401(kind, server):
    server.on("cancel", answer(401, {})).always("cancel", answer(200, {}))
    got = asked_by(kind, server, SignedCalls(signed), "cancel")
    assert (got.http_status, server.count("cancel")) == (200, 2)
    assert all(asked.headers["x-signature"] for asked in server.asked)


def test_no_authorization_shows_its_secret():
    for authorization in (FixedHeaders({"x-key": KEY}), SignedCalls(signed)):
        assert KEY not in repr(authorization)
        assert KEY not in str(vars(authorization))


def test_an_unknown_setting_of_a_client_is_refused():
    with pytest.raises(TypeError, match="patience"):
        HttpClient("https://shop.example", lambda *_: FixedHeaders({}), patience=3)


PORT = ClientPort(Shop, AsyncShop, settings={"URL": "base_url"}, optional={"KEY": "key"})


def test_a_client_is_made_from_the_environment_and_what_is_missing_is_named():
    environment = {"LIFECYCLE_PROVIDER_URL": "https://shop.example"}
    assert PORT.arguments(environment) == {"base_url": "https://shop.example"}
    both = environment | {"LIFECYCLE_PROVIDER_KEY": KEY}
    assert PORT.arguments(both)["key"] == KEY
    with pytest.raises(InvalidArgumentError, match="LIFECYCLE_PROVIDER_URL"):
        PORT.arguments({})


def test_a_client_checks_the_url_of_its_provider_and_drops_the_slash_at_its_end():
    with pytest.raises(InvalidArgumentError):
        HttpClient("http://shop.example", FixedHeaders({}))
    with HttpClient("https://shop.example/v1/", FixedHeaders({})) as client:
        assert client.base_url == "https://shop.example/v1"
        assert "https://shop.example/v1" in repr(client)
