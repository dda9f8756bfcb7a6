"""A provider asks by GET whether the URL is ours, and wants a value of its query back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import AsyncRequestFactory, RequestFactory

from lifecycle import InvalidArgumentError, connect, connect_async
from lifecycle.http.receiver import Receiver, Request, Routes, StaticToken, SyncReceiver
from lifecycle.http.receiver.django import async_view, view
from lifecycle.http.receiver.message import Head
from tests.http import django_urls
from tests.serving import asgi_server, ask, connected, wsgi_server

GATE = StaticToken({"theirs": "a secret of thirty-two letters.."})
ASKS = Routes(handshake="check")
TEXT = "text/plain; charset=utf-8"


django_urls.set_up()


@pytest.fixture
def orders():
    with connect("memory:") as orders:
        yield orders


@pytest.mark.parametrize("serve", ["asgi", "wsgi"])
@pytest.mark.parametrize("routes", [ASKS, Routes(callbacks="/{order_id}/x", handshake="check")])
def test_the_value_comes_back_over_a_socket(serve, routes, orders):
    path = routes.callbacks.replace("{order_id}", "o1")
    receiver: Any = SyncReceiver(orders, GATE, routes=routes)
    if serve == "asgi":
        receiver = Receiver(connect_async("memory:"), GATE, routes=routes)
    with (
        (asgi_server if serve == "asgi" else wsgi_server)(receiver) as port,
        connected(port) as connection,
    ):
        answer = ask(connection, "GET", f"{path}?other=1&check=a%2Bb%C3%A9%20c&check=d", b"", {})
        without_a_token = ask(connection, "POST", f"{path}?check=a", b"{}", {})

    assert (answer.status, answer.body.decode()) == (200, "a+bé c")
    assert answer.headers["content-type"] == TEXT
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert without_a_token.status == 401
    assert list(orders.log.scan()) == []


def in_django(request: Callable[..., HttpRequest]) -> HttpRequest:
    return request("/provider/callbacks?check=abc")


def test_the_value_comes_back_in_django(orders):
    answer = view(SyncReceiver(orders, GATE, routes=ASKS))(
        in_django(RequestFactory().get), "callbacks"
    )
    assert (answer.status_code, answer.content, answer["content-type"]) == (200, b"abc", TEXT)


def test_the_value_comes_back_in_django_for_coroutines():
    async def run() -> bytes:
        async with connect_async("memory:") as orders:
            answers = async_view(Receiver(orders, GATE, routes=ASKS))
            return (await answers(in_django(AsyncRequestFactory().get), "callbacks")).content

    assert asyncio.run(run()) == b"abc"


def asked(orders: Any, query: str, routes: Routes = ASKS) -> tuple[int, bytes]:
    receiver = SyncReceiver(orders, GATE, routes=routes)
    answer = receiver.handle(Request("GET", "/callbacks", query=query))
    return answer.status, answer.body


@pytest.mark.parametrize(
    "query", ["", "check", "check=", "Check=a", "x=1", "check=" + "a" * 1025, "a&" * 40 + "check=a"]
)
def test_a_query_without_a_usable_value_is_400(query, orders):
    status, body = asked(orders, query)
    assert status == 400
    assert b"aaaa" not in body


@pytest.mark.parametrize("query", ["check=%FF%FE", "check=%00", "check=<script>", "check=\ud800"])
def test_whatever_the_value_is_nothing_fails(query, orders):
    assert asked(orders, query)[0] == 200


def test_without_a_handshake_callbacks_are_post_alone(orders):
    assert asked(orders, "check=abc", Routes())[0] == 405


@pytest.mark.parametrize("name", ["", 7, b"check", ["check"]])
def test_a_handshake_that_names_no_parameter_is_refused(name):
    with pytest.raises(InvalidArgumentError):
        Routes(handshake=name)


def test_no_repr_shows_the_query():
    assert "abc" not in repr(Request("GET", "/", query="check=abc")) + repr(
        Head("GET", "/", query="check=abc")
    )
