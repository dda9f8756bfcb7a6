"""A body that a framework or its middleware has read already: kept whole, or refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.test import override_settings
from flask import Flask, request

from lifecycle import Orders, connect, connect_async
from lifecycle.http.receiver import BearerTokens, Receiver, Request, SyncReceiver
from lifecycle.http.receiver.django import async_view, view
from lifecycle.log.codec import split
from lifecycle.log.contract import CONTROL
from tests.http import django_urls
from tests.receiving import BODY, CLIENT, SETUP

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
IN_PARTS = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
LENGTH = {"CONTENT_LENGTH": str(len(BODY))}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}

django_urls.set_up()


@pytest.fixture
def orders() -> Iterator[Orders]:
    with connect("memory:") as orders:
        yield orders


def bodies(orders: Orders) -> list[bytes]:
    return [split(record)[1] for record in orders.log.scan() if record.stream != CONTROL]


def environ(receiver: SyncReceiver, body: bytes, **said: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/callbacks"}
    setup_testing_defaults(made)
    token = receiver.gate.tokens.issue(CLIENT)
    return made | {"wsgi.input": io.BytesIO(body), "HTTP_AUTHORIZATION": f"Bearer {token}"} | said


def nobody(_: HttpRequest) -> None:
    return


def the_body(asked: HttpRequest) -> None:
    assert isinstance(asked.body, bytes)


def the_body_twice(asked: HttpRequest) -> None:
    the_body(asked)
    asked.read(9)


def the_form(asked: HttpRequest) -> None:
    assert asked.POST is not None


def ten_bytes(asked: HttpRequest) -> None:
    asked.read(10)


def a_line(asked: HttpRequest) -> None:
    asked.readline()


READERS = [nobody, the_body, the_body_twice, the_form, ten_bytes, a_line]
LOSES = {ten_bytes, a_line}
"""What they read they do not keep."""


def named(reader: Callable[..., object]) -> str:
    return reader.__name__


@pytest.mark.parametrize("reads", READERS, ids=named)
@pytest.mark.parametrize("said", [LENGTH, CHUNKED], ids=["length", "chunks"])
def test_a_body_that_django_read_before_is_recorded_whole_or_refused(reads, said, orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    asked = WSGIRequest(environ(receiver, BODY, CONTENT_TYPE=FORM, **said))
    reads(asked)
    answer = view(receiver)(asked, "callbacks")
    # Without a length Django reads nothing at all, so nothing is lost.
    lost = reads in LOSES and said is LENGTH
    assert (answer.status_code, bodies(orders)) == ((400, []) if lost else (200, [BODY]))


@pytest.mark.parametrize("reads", READERS, ids=named)
def test_a_body_that_django_read_before_under_asgi_is_recorded_whole_or_refused(reads):
    async def call() -> tuple[int, list[bytes]]:
        async with connect_async("memory:") as orders:
            receiver = Receiver(orders, BearerTokens(**SETUP))
            token = receiver.gate.tokens.issue(CLIENT).encode()
            said = [(b"authorization", b"Bearer " + token), (b"content-type", FORM.encode())]
            scope = {"type": "http", "method": "POST", "path": "/callbacks", "headers": said}
            asked = ASGIRequest(scope, io.BytesIO(BODY))
            reads(asked)
            answer = await async_view(receiver)(asked, "callbacks")
            return answer.status_code, bodies(orders)

    assert async_to_sync(call)() == ((400, []) if reads in LOSES else (200, [BODY]))


@pytest.mark.parametrize("reads", [nobody, the_body, the_form, ten_bytes], ids=named)
def test_parts_of_a_form_that_django_took_apart_are_recorded_whole_or_refused(reads, orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    said = {"CONTENT_TYPE": MULTIPART, "CONTENT_LENGTH": str(len(IN_PARTS))}
    asked = WSGIRequest(environ(receiver, IN_PARTS, **said))
    reads(asked)
    answer = view(receiver)(asked, "callbacks")
    lost = reads in {the_form, ten_bytes}
    assert (answer.status_code, bodies(orders)) == ((400, []) if lost else (200, [IN_PARTS]))


@pytest.mark.parametrize("reads", READERS, ids=named)
def test_a_content_length_with_chunks_is_refused_even_if_the_framework_read_the_body(reads, orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    asked = WSGIRequest(environ(receiver, BODY, CONTENT_LENGTH="9", **CHUNKED))
    reads(asked)
    assert view(receiver)(asked, "callbacks").status_code == 400
    assert bodies(orders) == []


def test_the_limit_that_django_sets_on_uploads_is_not_that_of_callbacks(orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
        for said in (LENGTH, CHUNKED):
            asked = WSGIRequest(environ(receiver, BODY, **said))
            assert view(receiver)(asked, "callbacks").status_code == 200


def test_a_sync_view_may_run_under_asgi(orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    token = receiver.gate.tokens.issue(CLIENT).encode()
    said = [(b"authorization", b"Bearer " + token), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/callbacks", "headers": said}
    assert view(receiver)(ASGIRequest(scope, io.BytesIO(BODY)), "callbacks").status_code == 200
    assert bodies(orders) == [BODY]


@pytest.mark.parametrize("reads", ["nothing", "data", "form"])
@pytest.mark.parametrize("said", [LENGTH, CHUNKED], ids=["length", "chunks"])
@pytest.mark.parametrize("kind", ["application/json", FORM])
def test_a_body_that_flask_read_before_is_recorded_whole_or_refused(reads, said, kind, orders):
    receiver = SyncReceiver(orders, BearerTokens(**SETUP))
    app = Flask("shop")

    @app.before_request
    def read_it() -> None:
        if reads == "data":
            request.get_data()
        elif reads == "form":
            assert request.form is not None

    @app.post("/callbacks")
    def callbacks() -> Any:
        head = (request.method, request.path, request.headers.items())
        answer = receiver.handle(Request(*head, request.get_data()))
        return answer.body, answer.status, answer.headers

    answered: list[str] = []
    app(
        environ(receiver, BODY, CONTENT_TYPE=kind, **said),
        lambda status, *_: answered.append(status),
    )
    if (reads, kind) == ("form", FORM):
        assert answered[0][:3] in {"400", "411"}
        assert bodies(orders) == []
    else:
        assert answered[0][:3] == "200"
        assert bodies(orders) == [BODY]
