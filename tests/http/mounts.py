"""One receiver in each framework, on real sockets: what tests of every mount share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lifecycle import connect, connect_async
from lifecycle.http.receiver import BearerTokens, Receiver, SyncReceiver
from lifecycle.http.receiver.django import async_view, view
from tests.http import django_urls
from tests.receiving import SETUP
from tests.serving import (
    asgi_server,
    gunicorn_server,
    runserver,
    waitress_server,
    wsgi_server,
    wsgiref_server,
)

BELOW = "/provider"
Served = AbstractContextManager[tuple[int, str]]
WSGIServer = Callable[[Any], AbstractContextManager[int]]


@contextmanager
def bare(url: str) -> Iterator[tuple[int, str]]:
    with asgi_server(Receiver(connect_async(url), BearerTokens(**SETUP))) as port:
        yield port, ""


@contextmanager
def in_fastapi(url: str) -> Iterator[tuple[int, str]]:
    orders = connect_async(url)

    @asynccontextmanager
    async def lifespan(_):
        async with orders:
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount(BELOW, Receiver(orders, BearerTokens(**SETUP)))
    with asgi_server(app) as port:
        yield port, BELOW


@contextmanager
def in_starlette(url: str) -> Iterator[tuple[int, str]]:
    receiver = Receiver(connect_async(url), BearerTokens(**SETUP))

    @asynccontextmanager
    async def lifespan(_):
        async with receiver:
            yield

    app = Starlette(routes=[Mount(BELOW, app=receiver)], lifespan=lifespan)
    with asgi_server(app) as port:
        yield port, BELOW


@contextmanager
def in_async_django(url: str) -> Iterator[tuple[int, str]]:
    django_urls.set_up()
    receiver = Receiver(connect_async(url), BearerTokens(**SETUP))
    app = get_asgi_application()
    django_urls.serve(async_view(receiver))

    async def with_lifespan(scope, receive, send):
        # Django leaves the lifespan to whoever serves it.
        await (receiver if scope["type"] == "lifespan" else app)(scope, receive, send)

    with asgi_server(with_lifespan) as port:
        yield port, BELOW


@contextmanager
def django_app(url: str) -> Iterator[Any]:
    with connect(url) as orders:
        django_urls.set_up()
        django_urls.serve(view(SyncReceiver(orders, BearerTokens(**SETUP))))
        yield get_wsgi_application()


@contextmanager
def flask_app(url: str) -> Iterator[Any]:
    app = Flask("shop")
    app.config["MAX_CONTENT_LENGTH"] = 10  # what Flask takes is not what the receiver takes
    with connect(url) as orders:
        yield DispatcherMiddleware(
            app.wsgi_app, {BELOW: SyncReceiver(orders, BearerTokens(**SETUP))}
        )


@contextmanager
def wsgi_app(url: str) -> Iterator[Any]:
    """Mounted by hand, below a path as all others are."""
    with connect(url) as orders:
        receiver = SyncReceiver(orders, BearerTokens(**SETUP))

        def app(environ, start_response):
            path = environ["PATH_INFO"].removeprefix(BELOW)
            return receiver(environ | {"PATH_INFO": path}, start_response)

        yield app


WSGI: dict[str, Callable[[str], AbstractContextManager[Any]]] = {
    "django": django_app,
    "flask": flask_app,
    "wsgi": wsgi_app,
}


@contextmanager
def served(server: WSGIServer, kind: str, url: str) -> Iterator[tuple[int, str]]:
    """Serve one kind of mount with one WSGI server."""
    with WSGI[kind](url) as app, server(app) as port:
        yield port, BELOW


MOUNTS: dict[str, Callable[[str], Served]] = {
    "uvicorn": bare,
    "fastapi": in_fastapi,
    "starlette": in_starlette,
    "django, async": in_async_django,
} | {kind: partial(served, wsgi_server, kind) for kind in WSGI}


@contextmanager
def on_gunicorn(kind: str, url: str) -> Iterator[tuple[int, str]]:
    told = {"MOUNT": kind, "MOUNT_DB": url, "MOUNT_SETUP": json.dumps(SETUP)}
    with gunicorn_server("tests.http.gunicorn_app:app", told) as port:
        yield port, BELOW


SERVERS: dict[str, Callable[[str], Served]] = (
    {f"{kind} on wsgiref": partial(served, wsgiref_server, kind) for kind in WSGI}
    | {f"{kind} on waitress": partial(served, waitress_server, kind) for kind in WSGI}
    | {f"{kind} on gunicorn": partial(on_gunicorn, kind) for kind in WSGI}
    | {"django on runserver": partial(served, runserver, "django")}
)
"""Other servers, which treat bodies without a length each in a way of its own."""
