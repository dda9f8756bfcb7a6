"""One receiver, many frameworks, real sockets: the same answers, the same bytes in the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from fastapi import FastAPI
from flask import Flask, request
from starlette.applications import Starlette
from starlette.routing import Mount

from lifecycle import connect, connect_async
from lifecycle.event import MAX_KEPT_BYTES, Event
from lifecycle.providers.instacart.receiver import Receiver, SyncReceiver
from lifecycle.providers.instacart.receiver.django import async_view, view
from lifecycle.providers.instacart.receiver.synchronous import head_of, read_body
from lifecycle.stored import decode, split
from tests.hostile_corpus import CORPUS
from tests.http import django_urls
from tests.receiving import BODY, SETUP
from tests.serving import asgi_server, ask, bearer, connected, wsgi_server

BELOW = "/provider"
BODIES = list(CORPUS.values())
CALLERS = 8
Served = AbstractContextManager[tuple[int, str]]


@contextmanager
def bare(url: str) -> Iterator[tuple[int, str]]:
    with asgi_server(Receiver(connect_async(url), **SETUP)) as port:
        yield port, ""


@contextmanager
def in_fastapi(url: str) -> Iterator[tuple[int, str]]:
    orders = connect_async(url)

    @asynccontextmanager
    async def lifespan(_):
        async with orders:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount(BELOW, Receiver(orders, **SETUP))
    with asgi_server(app) as port:
        yield port, BELOW


@contextmanager
def in_starlette(url: str) -> Iterator[tuple[int, str]]:
    receiver = Receiver(connect_async(url), **SETUP)

    @asynccontextmanager
    async def lifespan(_):
        async with receiver:
            yield

    app = Starlette(routes=[Mount(BELOW, app=receiver)], lifespan=lifespan)
    with asgi_server(app) as port:
        yield port, BELOW


@contextmanager
def in_django(url: str) -> Iterator[tuple[int, str]]:
    with connect(url) as orders:
        django_urls.set_up()
        django_urls.serve(view(SyncReceiver(orders, **SETUP)))
        with wsgi_server(get_wsgi_application()) as port:
            yield port, BELOW


@contextmanager
def in_async_django(url: str) -> Iterator[tuple[int, str]]:
    django_urls.set_up()
    receiver = Receiver(connect_async(url), **SETUP)
    app = get_asgi_application()
    django_urls.serve(async_view(receiver))

    async def with_lifespan(scope, receive, send):
        # Django leaves the lifespan to whoever serves it.
        await (receiver if scope["type"] == "lifespan" else app)(scope, receive, send)

    with asgi_server(with_lifespan) as port:
        yield port, BELOW


@contextmanager
def in_flask(url: str) -> Iterator[tuple[int, str]]:
    app = Flask("shop")
    with connect(url) as orders:
        receiver = SyncReceiver(orders, **SETUP)

        @app.route(f"{BELOW}/<path:rest>", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
        def provider(rest: str):
            head = head_of(request.environ | {"PATH_INFO": f"/{rest}"})
            answer = receiver.respond(head, lambda limit: read_body(request.environ, limit))
            return answer.body, answer.status, dict(answer.headers)

        with wsgi_server(app) as port:
            yield port, BELOW


@contextmanager
def as_wsgi(url: str) -> Iterator[tuple[int, str]]:
    with connect(url) as orders, wsgi_server(SyncReceiver(orders, **SETUP)) as port:
        yield port, ""


MOUNTS: dict[str, Callable[[str], Served]] = {
    "uvicorn": bare,
    "fastapi": in_fastapi,
    "starlette": in_starlette,
    "django": in_django,
    "django, async": in_async_django,
    "flask": in_flask,
    "wsgi": as_wsgi,
}


def told(
    serve: Callable[[str], Served], url: str, sent: Sequence[tuple[bytes, str]]
) -> Counter[tuple[int, bytes]]:
    """Return what a mount answered to bodies and their content types, over a few connections."""

    def send(share: Iterable[tuple[bytes, str]]) -> list[tuple[int, bytes]]:
        with connected(port) as connection:
            answers = [
                ask(connection, "POST", path, body, token | {"Content-Type": kind})
                for body, kind in share
            ]
        return [(answer.status, answer.body) for answer in answers]

    with serve(url) as (port, below), ThreadPoolExecutor(CALLERS) as callers:
        token, path = bearer(port, below), f"{below}/callbacks"
        shares = (sent[caller::CALLERS] for caller in range(CALLERS))
        return Counter(answer for answers in callers.map(send, shares) for answer in answers)


def library_told(url: str, bodies: Iterable[bytes]) -> Counter[tuple[int, bytes]]:
    """Return what should be answered: what the library says, asked without any server."""
    lines = [{"kind": "callback", "body": body} for body in bodies]
    with connect(url) as orders:
        outcomes = [receipt.outcome.value for receipt in orders.record_many(lines)]
    bodies_told = (json.dumps({"outcome": o}, separators=(",", ":")) for o in outcomes)
    return Counter((200, told.encode()) for told in bodies_told)


def stored(url: str) -> list[bytes]:
    with connect(url, create=False) as orders:
        return [split(record)[1] for record in orders.log.scan()]


def identities(url: str) -> Counter[str]:
    """Return what is stored: events by their identity, all else by its bytes."""
    with connect(url, create=False) as orders:
        entries = [decode(record) for record in orders.log.scan()]
    return Counter(
        f"{entry.stream} {entry.key} {entry.digest}"
        if isinstance(entry, Event)
        else sha256(entry.body).hexdigest()
        for entry in entries
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> tuple[Counter[tuple[int, bytes]], Counter[str]]:
    """Return what the library says to the corpus, and what it then holds."""
    url = f"sqlite:///{tmp_path_factory.mktemp('expected')}/orders.db"
    return library_told(url, BODIES), identities(url)


@pytest.mark.parametrize("mount", MOUNTS)
def test_the_hostile_corpus_is_answered_alike_and_kept_byte_for_byte(
    mount: str, expected, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    sent = [(body, "application/json") for body in BODIES]
    assert (told(MOUNTS[mount], url, sent), identities(url)) == expected
    assert not set(stored(url)) - set(BODIES)


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_mount_answers_alike_whatever_is_asked(mount: str, tmp_path: Path) -> None:
    with (
        MOUNTS[mount](f"sqlite:///{tmp_path}/orders.db") as (port, below),
        connected(port) as connection,
    ):
        token = bearer(port, below)
        found = [
            ask(connection, method, below + path, body, headers).status
            for method, path, body, headers in (
                ("POST", "/callbacks", BODY, {}),
                ("POST", "/callbacks", BODY, token | {"Content-Type": "multipart/form-data"}),
                ("POST", "/callbacks", BODY, token | {"Content-Type": "text/html; charset=x"}),
                ("POST", "/callbacks?id=1", BODY, token),
                ("GET", "/callbacks", None, token),
                ("POST", "/oauth/token", b"client_id=instacart&client_secret=no", {}),
                ("POST", "/oauth/token?client_id=instacart", b"", {}),
                ("POST", "/oauth/token", b"\xff&%zz=%&==", {}),
                ("GET", "/health", None, {}),
                ("HEAD", "/health", None, {}),
                ("POST", "/callbacks/", BODY, token),
                ("POST", "/callbacks", b"x" * MAX_KEPT_BYTES, token),
                ("POST", "/callbacks", b"x" * (MAX_KEPT_BYTES + 1), token),
                ("POST", "/callbacks", BODY, token),
            )
        ]
    assert found == [401, 200, 200, 200, 405, 401, 401, 401, 200, 200, 404, 200, 413, 200]


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_body_in_chunks_is_counted_as_it_comes(mount: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db"
    if mount == "django":
        pytest.skip("Django under WSGI takes a body without a length for an empty one")
    with MOUNTS[mount](url) as (port, below), connected(port) as connection:
        token = bearer(port, below)
        path = f"{below}/callbacks"
        sizes = ([BODY[:9], BODY[9:]], [b"x" * 65536] * 256, [b"x" * 65536] * 256 + [b"x"])
        found = [
            ask(connection, "POST", path, iter(pieces), token, encode_chunked=True).status
            for pieces in sizes
        ]
    assert found == [200, 200, 413]
    assert stored(url) == [BODY, b"x" * MAX_KEPT_BYTES]
