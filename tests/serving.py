"""Real servers on loopback for tests: uvicorn for ASGI apps, and several for WSGI apps."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref import simple_server

import pytest
import uvicorn
from django.core.servers import basehttp
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.polling import PATIENCE, wait_until
from tests.receiving import FORM, token_request

ROOT = Path(__file__).parents[1]


class Answer(NamedTuple):
    """What came back over a socket."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Quiet(WSGIRequestHandler):
    """Keeps connections open, and its access log to itself."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        return


@contextmanager
def asgi_server(app: Any, **settings: Any) -> Iterator[int]:
    """Serve an ASGI app in a thread and yield the port; stop gracefully afterwards."""
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, **settings)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive())
    assert server.started
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


@contextmanager
def wsgi_server(app: Any) -> Iterator[int]:
    """Serve a WSGI app with a thread per connection and yield the port."""
    with make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class ThreadingWSGIServer(ThreadingMixIn, simple_server.WSGIServer):
    """The server of the standard library, a thread for each connection."""

    daemon_threads = True


class QuietHandler(simple_server.WSGIRequestHandler):
    """Keeps its access log to itself, and what it says of a client that left."""

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def wsgiref_server(app: Any) -> Iterator[int]:
    """Serve a WSGI app with the server of the standard library, which reads no chunks."""
    with simple_server.make_server(
        "127.0.0.1", 0, app, ThreadingWSGIServer, QuietHandler
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


class QuietDjango(basehttp.WSGIRequestHandler):
    """Keeps its access log to itself."""

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def runserver(app: Any) -> Iterator[int]:
    """Serve a WSGI app with what Django's `runserver` is made of."""
    with basehttp.WSGIServer(("127.0.0.1", 0), QuietDjango, ipv6=False) as server:
        server.set_app(app)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@contextmanager
def waitress_server(app: Any) -> Iterator[int]:
    """Serve a WSGI app with waitress, which reads a body before it calls the app."""
    waitress = pytest.importorskip("waitress")
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    try:
        yield server.effective_port
    finally:
        server.close()


@contextmanager
def gunicorn_server(app: str, environment: Mapping[str, str]) -> Iterator[int]:
    """Serve the WSGI app that a name leads to in a process of its own."""
    pytest.importorskip("gunicorn")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        listening.set_inheritable(True)
        settings = ["--bind", f"fd://{listening.fileno()}", "--threads", "4", "--no-control-socket"]
        serving = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *settings, app],
            env=os.environ | environment,
            pass_fds=(listening.fileno(),),
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield port
        finally:
            serving.terminate()
            serving.wait(PATIENCE)


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    """Yield one connection to a port."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        yield connection


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    **how: Any,
) -> Answer:
    """Send one request over a connection and return the answer."""
    connection.request(method, path, body, dict(headers or {}), **how)
    answer = connection.getresponse()
    return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


def bearer(port: int, below: str = "", form: Mapping[str, str] = FORM) -> dict[str, str]:
    """Return the header with a token that the receiver at a port gave."""
    with connected(port) as connection:
        granted = ask(connection, "POST", f"{below}/oauth/token", token_request(form).body)
    return {"Authorization": f"Bearer {json.loads(granted.body)['access_token']}"}
