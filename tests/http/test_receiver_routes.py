"""The receiver as an ASGI app, asked by a server: paths, methods, places, lifespans, hosts."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from statistics import median
from time import perf_counter
from typing import Any, NoReturn

import pytest

from lifecycle import AsyncOrders, NotEnteredError, StoreUnavailableError, connect_async
from lifecycle.http.receiver import BearerTokens, Receiver, Service
from lifecycle.providers.instacart.simulator import Simulator
from lifecycle.registry import known_providers
from lifecycle.simulator import RunningSimulator
from tests.polling import answered_at_once
from tests.receiving import BODY, SETUP
from tests.serving import asgi_server, ask, connected

App = Callable[..., Awaitable[None]]


def asked(app: App, method: str, path: str, **scope: Any) -> tuple[int, dict[str, str], Any]:
    """Return what an app answers that nobody opened: the status, headers, JSON."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asking = {"type": "http", "method": method, "path": path, "headers": []} | scope
    asyncio.run(app(asking, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = sent[-1]["body"]
    return sent[0]["status"], headers, json.loads(body) if body else None


def receiver() -> Receiver:
    return Receiver(connect_async("memory:"), BearerTokens(**SETUP))


async def page(scope: Any, _: Any, send: Any) -> None:
    told = json.dumps([scope["root_path"], scope["path"]]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


def test_health_before_the_orders_were_opened_is_503_and_says_why():
    status, _, told = asked(receiver(), "GET", "/health")
    assert (status, told["ok"]) == (503, False)
    assert told["wrong"] == ["the orders were not opened: run the lifespan of the app, or enter it"]


def test_a_callback_before_the_orders_were_opened_is_503_and_may_be_sent_again():
    unopened = receiver()
    token = unopened.gate.tokens.issue("instacart").encode()
    status, headers, _ = asked(
        unopened, "POST", "/callbacks", headers=[(b"authorization", b"Bearer " + token)]
    )
    assert (status, headers["retry-after"]) == (503, "5")


def test_orders_that_were_not_opened_say_so_whatever_is_asked_of_them():
    orders = connect_async("memory:")
    for use in (lambda: orders.log.url, lambda: orders.views, orders.close):
        with pytest.raises(NotEnteredError):
            asyncio.run(use()) if use == orders.close else use()


@pytest.mark.parametrize("root", ["", "/", "/api", "/api/", "api", "api/", "/a/b", "/a/b/"])
@pytest.mark.parametrize("joined", ["as uvicorn joins them", "without a doubled slash", "apart"])
def test_a_route_is_found_below_every_place_that_a_server_may_name(root, joined):
    below = "/oauth/token"
    path = {
        "as uvicorn joins them": root + below,
        "without a doubled slash": root.rstrip("/") + below,
        "apart": below,
    }[joined]
    status, headers, _ = asked(receiver(), "GET", path, root_path=root)
    assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("root", ["", "/api", "/api/"])
def test_a_part_that_is_mounted_learns_where_and_a_neighbor_of_its_name_does_not(root):
    service = Service(receiver(), mounts={"/pages": page})
    place = root.rstrip("/")
    expected = [f"{place}/pages", f"{place}/pages/x"]
    assert asked(service, "GET", f"{root}/pages/x", root_path=root)[2] == expected
    assert asked(service, "GET", f"{root}/pagesx", root_path=root)[0] == 404


@pytest.mark.parametrize("path", ["/callbacks", "/oauth/token", "/health"])
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "post"]
)
def test_each_route_answers_405_with_what_it_allows_to_every_other_method(path, method):
    status, headers, _ = asked(receiver(), method, path)
    allowed = ["GET", "HEAD"] if path == "/health" else ["POST"]
    assert (status == 405) == (method not in allowed)
    assert headers.get("allow", ", ".join(allowed)) == ", ".join(allowed)
    assert status != 405 or "allow" in headers


@pytest.mark.parametrize("path", ["/health/", "//health", "/Health", "/healt", "/health/x", "/é"])
def test_a_path_that_only_resembles_a_route_is_404(path):
    assert asked(receiver(), "GET", path)[0] == 404


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", [], 400),
        ("1.1", [b"a", b"b"], 400),
        ("1.1", [b"a"], 405),
        ("1.1", [b""], 405),
        ("1.0", [], 405),
        ("2", [], 405),
    ],
)
def test_a_request_of_http_1_1_has_one_host(version, hosts, status):
    headers = [(b"host", host) for host in hosts]
    assert (
        asked(receiver(), "GET", "/callbacks", headers=headers, http_version=version)[0] == status
    )


def lived(app: App) -> list[dict[str, Any]]:
    """Return what an app tells a server over one lifespan."""
    told: list[dict[str, Any]] = []
    coming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return told


async def never_resumed(*_: object) -> NoReturn:
    raise AssertionError("nothing is resumed here")


def orders_that_fail(failure: Exception) -> AsyncOrders:
    def fail() -> Any:
        raise failure

    providers = known_providers()
    return AsyncOrders(fail, providers, providers["instacart"], lambda: None, never_resumed)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (StoreUnavailableError("sqlite:///x.db", "locked"), "locked"),
        (OSError("hush-hush"), "OSError"),
    ],
    ids=["ours", "another's"],
)
def test_orders_that_cannot_be_opened_fail_the_startup_whatever_was_raised(failure, why):
    [told] = lived(Receiver(orders_that_fail(failure), BearerTokens(**SETUP)))
    assert told["type"] == "lifespan.startup.failed"
    assert why in told["message"]
    assert "hush" not in told["message"]


def test_orders_that_cannot_be_closed_fail_the_shutdown():
    class Unclosable(AsyncOrders):
        async def close(self) -> None:
            await super().close()
            raise OSError("hush-hush")

    known = connect_async("memory:")
    orders = Unclosable(
        known._open_log, known._providers, known.provider, known._clock, never_resumed
    )
    told = lived(Receiver(orders, BearerTokens(**SETUP)))
    assert [each["type"] for each in told] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.failed",
    ]
    assert told[-1]["message"] == "OSError"


def test_a_websocket_is_closed():
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    asyncio.run(receiver()({"type": "websocket", "path": "/callbacks"}, receive, send))
    assert sent == ["websocket.close"]


@pytest.mark.parametrize("target", ["/health?a=b", "/%68ealth", "http://elsewhere/health"])
def test_a_query_an_escape_or_a_whole_url_changes_no_route(target):
    with asgi_server(receiver()) as port, connected(port) as connection:
        assert ask(connection, "GET", target).status == 200


def kept_connection_seconds(port: int, request: bytes) -> float:
    """Return the median time of an answer on a connection that is kept."""
    took = []
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(15):
            begun = perf_counter()
            connection.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer or b"}" not in answer:
                answer += connection.recv(4096)
            took.append(perf_counter() - begun)
    return median(took)


def test_the_simulated_provider_answers_at_once_on_a_connection_that_is_kept():
    with RunningSimulator(Simulator()) as simulator:
        port = int(simulator.url.rpartition(":")[2])
        request = b"POST /v2/oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\na=b"
        assert answered_at_once(lambda: kept_connection_seconds(port, request))
