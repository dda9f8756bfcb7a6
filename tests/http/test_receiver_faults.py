"""The receiver when things go wrong: slow, locked and dead stores, clients that leave, stops."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from lifecycle import connect
from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.http.receiver import BearerTokens, Receiver, ReceiverLimits, Request, Service
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.polling import wait_until
from tests.receiving import BODY, SECRET, SETUP, locked, orders_on
from tests.serving import Answer, asgi_server, ask, bearer, connected

CANARY = "Kamal-800-555-0101-Beale"


def receiver_on(path: Path, *, retry_timeout: float = 30, on_change=None, **limits) -> Receiver:
    """Return a receiver whose store gives up after some seconds."""
    orders = orders_on(path, retry_timeout)
    return Receiver(
        orders, BearerTokens(**SETUP), limits=ReceiverLimits(**limits), on_change=on_change
    )


def numbered(number: int) -> bytes:
    return json.dumps({"id": f"o{number}", "status": "brand_new", "name": CANARY}).encode()


def post(port: int, token: dict[str, str], body: bytes = BODY) -> Answer:
    with connected(port) as connection:
        return ask(connection, "POST", "/callbacks", body, token)


def health(port: int) -> tuple[int, list[str]]:
    with connected(port) as connection:
        answer = ask(connection, "GET", "/health")
    return answer.status, json.loads(answer.body)["wrong"]


def stored(path: Path) -> list[bytes]:
    with connect(f"sqlite:///{path}", create=False) as orders:
        return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


def test_with_a_slow_store_the_answer_is_503_and_the_callback_is_still_recorded(path):
    receiver = receiver_on(path, store_seconds=0.2)
    with asgi_server(receiver) as port:
        token = bearer(port)
        with locked(path):
            answer = post(port, token)
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert receiver.admission.waiting == 1, "it keeps its place until the store is done"
        wait_until(lambda: receiver.admission.waiting == 0)
        assert json.loads(post(port, token).body) == {"outcome": "duplicate"}
    assert stored(path) == [BODY]


def test_a_store_that_fails_is_answered_503_and_works_again_without_a_restart(path, caplog):
    receiver = receiver_on(path, retry_timeout=0.1, store_seconds=60)
    with asgi_server(receiver) as port:
        token = bearer(port)
        with locked(path):
            answer = post(port, token, numbered(1))
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert health(port) == (503, ["the last callback could not be recorded"])
        assert post(port, token, numbered(1)).status == 200
        assert health(port) == (200, [])
    assert stored(path) == [numbered(1)]
    [said] = [each.getMessage() for each in caplog.records if each.name == "lifecycle.receiver"]
    assert said == "callback not recorded: StoreUnavailableError; answered 503"


def test_a_failure_that_is_over_does_not_keep_callbacks_away_for_ever(path):
    receiver = receiver_on(path, retry_timeout=0.01, store_seconds=1)
    with asgi_server(receiver) as port:
        token = bearer(port)
        with locked(path):
            assert post(port, token).status == 503
            assert health(port)[0] == 503
            wait_until(lambda: health(port) == (200, []))


def test_more_callbacks_than_there_is_room_for_are_refused_at_once(path):
    receiver = receiver_on(path, waiting=3, store_seconds=60)
    with asgi_server(receiver) as port, ThreadPoolExecutor(3) as callers:
        token = bearer(port)
        with locked(path):
            waiting = [callers.submit(post, port, token, numbered(n)) for n in range(3)]
            wait_until(lambda: receiver.admission.waiting == 3)
            refused = post(port, token, numbered(3))
            assert refused.status == 503
            assert refused.headers["retry-after"]
            assert health(port) == (503, ["full: too many callbacks wait for the store"])
        assert [each.result().status for each in waiting] == [200] * 3
        assert post(port, token, numbered(3)).status == 200
    assert sorted(stored(path)) == [numbered(n) for n in range(4)]


def test_more_bytes_than_there_is_room_for_are_refused_and_given_back(path):
    receiver = receiver_on(path, waiting_bytes=MAX_KEPT_BYTES + 10, store_seconds=60)
    with asgi_server(receiver) as port, ThreadPoolExecutor(1) as callers:
        token = bearer(port)
        with locked(path):
            waiting = callers.submit(post, port, token, b"x" * MAX_KEPT_BYTES)
            wait_until(lambda: receiver.admission.bytes == MAX_KEPT_BYTES)
            assert post(port, token).status == 503
            assert receiver.admission.waiting == 1
        assert waiting.result().status == 200
        wait_until(lambda: receiver.admission.bytes == 0)
        assert post(port, token).status == 200


def head_of(token: dict[str, str], length: int) -> bytes:
    lines = (
        "POST /callbacks HTTP/1.1",
        "host: receiver.example",
        f"authorization: {token['Authorization']}",
        f"content-length: {length}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_client_that_leaves_while_its_body_is_read_leaves_nothing_behind(path, caplog):
    receiver = receiver_on(path)
    with asgi_server(receiver) as port:
        token = bearer(port)
        for sent in (b"", BODY[:-1]):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(head_of(token, len(BODY)) + sent)
                wait_until(lambda: receiver.admission.waiting == 1)
            wait_until(lambda: receiver.admission.waiting == 0)
        assert post(port, token, numbered(1)).status == 200
    assert stored(path) == [numbered(1)]
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_client_that_leaves_once_its_body_was_read_is_recorded(path, caplog):
    receiver = receiver_on(path)
    with asgi_server(receiver) as port:
        token = bearer(port)
        with locked(path), socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head_of(token, len(BODY)) + BODY)
            wait_until(lambda: receiver.admission.bytes == len(BODY))
        wait_until(lambda: receiver.admission.waiting == 0)
    assert stored(path) == [BODY]
    assert "Traceback" not in caplog.text


def test_a_task_that_is_canceled_once_its_body_was_read_is_recorded(path):
    async def cancel_it() -> None:
        receiver = receiver_on(path)
        async with receiver:
            token = receiver.gate.tokens.issue("instacart").encode()
            scope = {"type": "http", "method": "POST", "path": "/callbacks"}
            scope["headers"] = [(b"authorization", b"Bearer " + token)]

            async def receive():
                return {"type": "http.request", "body": BODY}

            async def send(_):
                raise AssertionError

            with locked(path):
                task = asyncio.ensure_future(receiver(scope, receive, send))
                while not receiver.admission.bytes:  # noqa: ASYNC110 - the receiver sets no event
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait((task,))
                assert task.cancelled()
            await receiver.settled()

    asyncio.run(cancel_it())
    assert stored(path) == [BODY]


def test_a_body_that_never_comes_is_given_up(path):
    with asgi_server(receiver_on(path, reading_seconds=0.2)) as port:
        token = bearer(port)
        for sent in (b"", BODY[:5]):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(head_of(token, len(BODY)) + sent)
                assert client.recv(65536).startswith(b"HTTP/1.1 408")
    assert stored(path) == []


def test_a_stop_under_load_loses_nothing_that_was_acknowledged(path):
    acknowledged: set[bytes] = set()
    refused: list[int] = []

    def call(first: int) -> None:
        with connected(port) as connection:
            for number in range(first, first + 100_000):
                try:
                    answer = ask(connection, "POST", "/callbacks", numbered(number), token)
                except (HTTPException, OSError):
                    return
                if answer.status == 200:
                    acknowledged.add(numbered(number))
                else:
                    refused.append(answer.status)
                    return

    with ThreadPoolExecutor(8) as callers:
        with asgi_server(receiver_on(path)) as port:
            token = bearer(port)
            calls = [callers.submit(call, first * 1_000_000) for first in range(8)]
            wait_until(lambda: len(acknowledged) > 200)
        for each in calls:
            each.result(60)
    assert acknowledged <= set(stored(path))
    assert set(refused) <= {503}


def test_a_receiver_that_closes_takes_no_more_and_finishes_what_it_has(path):
    async def close_it() -> list[int]:
        receiver = receiver_on(path)
        async with receiver:
            token = receiver.gate.tokens.issue("instacart")
            request = Request("POST", "/callbacks", {"authorization": f"Bearer {token}"}, BODY)
            with locked(path):
                first = asyncio.ensure_future(receiver.handle(request))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                stopping = asyncio.ensure_future(receiver.stop())
                await asyncio.sleep(0)
                late = await receiver.handle(request)
                assert not stopping.done()
            await stopping
            return [(await first).status, late.status]

    assert asyncio.run(close_it()) == [200, 503]
    assert stored(path) == [BODY]


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_on_change_is_called_for_each_change_in_order_whatever_it_raises(path, kind, caplog):
    told: list[str] = []

    def tell(receipt) -> None:
        told.append(receipt.change.after)
        raise RuntimeError(CANARY)

    async def tell_later(receipt) -> None:
        await asyncio.sleep(0)
        tell(receipt)

    receiver = receiver_on(path, on_change=tell if kind == "plain" else tell_later)
    with asgi_server(receiver) as port:
        token = bearer(port)
        statuses = ("brand_new", "acknowledged", "acknowledged", "at_store", "delivered")
        for status in statuses:
            body = json.dumps({"id": "x", "status": status}).encode()
            assert post(port, token, body).status == 200
        assert post(port, token, b"no JSON").status == 200
    assert told == ["brand_new", "acknowledged", "at_store", "delivered"]
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text


def test_a_slow_on_change_holds_no_acknowledgement_up_and_its_backlog_is_bounded(path, caplog):
    go_on = threading.Event()
    told: list[str] = []

    def tell(receipt) -> None:
        assert go_on.wait(60)
        told.append(receipt.event.order_id)

    receiver = receiver_on(path, on_change=tell, waiting=5)
    with asgi_server(receiver) as port:
        token = bearer(port)
        for number in range(20):
            assert post(port, token, numbered(number)).status == 200
        go_on.set()
    assert told == sorted(told, key=lambda order_id: int(order_id[1:]))
    assert 5 <= len(told) <= 6
    assert "too slow" in caplog.text


def test_a_failed_background_task_shows_only_in_health(path, caplog):
    running = threading.Event()

    async def fail(_) -> None:
        raise RuntimeError(CANARY)

    async def run(orders) -> None:
        assert orders.is_open
        running.set()
        await asyncio.Event().wait()

    async def page(scope, _, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["root_path"].encode()})

    service = Service(
        receiver_on(path),
        mounts={"/pages": page},
        background={"reconciling": fail, "looking": run},
    )
    with asgi_server(service) as port:
        assert running.wait(60)
        wait_until(lambda: health(port)[1])
        assert health(port) == (503, ["reconciling failed with RuntimeError"])
        assert post(port, bearer(port)).status == 200
        with connected(port) as connection:
            assert ask(connection, "GET", "/pages/x").body == b"/pages"
            assert ask(connection, "GET", "/pagesx").status == 404
    assert CANARY not in caplog.text


def test_no_secret_no_token_and_nothing_of_a_body_is_ever_logged(path, caplog):
    caplog.set_level(logging.DEBUG)
    receiver = receiver_on(path, retry_timeout=0.05, store_seconds=5)
    with asgi_server(receiver) as port:
        token = bearer(port)
        bad = {"Authorization": token["Authorization"] + CANARY}
        with locked(path):
            assert post(port, token, numbered(1)).status == 503
        for headers, body, status in (
            (token, numbered(2), 200),
            (token, CANARY.encode(), 200),
            (bad, numbered(3), 401),
        ):
            assert post(port, headers, body).status == status
        with connected(port) as connection:
            form = f"client_id={CANARY}&client_secret={SECRET}x".encode()
            assert ask(connection, "POST", f"/oauth/token?a={CANARY}", form).status == 401
    assert "callback refused" in caplog.text
    assert "callback quarantined" in caplog.text
    for secret in (CANARY, SECRET, token["Authorization"].partition(" ")[2]):
        assert secret not in caplog.text


def test_an_idle_server_has_nothing_under_way(path):
    receiver = receiver_on(path)
    with asgi_server(receiver) as port:
        token = bearer(port)
        for body in (b"", BODY, b"x" * 100_000, b"y" * (MAX_KEPT_BYTES + 1)):
            post(port, token, body)
        wait_until(lambda: receiver.admission.waiting == 0)
        assert receiver.admission.bytes == 0
