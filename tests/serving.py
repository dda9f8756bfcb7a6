"""Real servers on loopback for tests: uvicorn for ASGI apps, werkzeug for WSGI apps."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import uvicorn
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.receiving import FORM, token_request
from tests.waiting import PATIENCE, wait_until


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
