"""A customer for the checkouts of the examples, and a simulated provider that delivers to her."""

import secrets
import socket
import threading
from collections.abc import Callable
from functools import partial
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import httpx2
import uvicorn

from lifecycle.providers.instacart.simulator import Simulator
from lifecycle.simulator import RunningSimulator

LISTENER = socket.create_server(("127.0.0.1", 0))
HOST, PORT = LISTENER.getsockname()[:2]
URL = f"http://{HOST}:{PORT}"
# Yours come from where you keep secrets.
SECRET, KEY = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
PROVIDER = RunningSimulator(
    Simulator(
        callback_url=f"{URL}/instacart/callbacks",
        callback_token_url=f"{URL}/instacart/oauth/token",
        callback_client_secret=SECRET,
    )
)
FORM = {
    "order_id": "xyz123456",
    "service_option_hold_id": 42,
    "location_code": "1003",
    "locale": "en-US",
    "first_name": "Kamal",
    "last_name": "Singh",
    "user_phone": "+18005550101",
    "items_count": 12,
    "items_weight": 15,
    "address": {"address_line_1": "50 Beale St", "postal_code": "nowhere"},
}
CORRECTION = {"address": {"address_line_1": "50 Beale St", "postal_code": "94105"}}


def visit(app: Any) -> None:
    """Serve an ASGI app, order at it, correct what it prompts for, and look at the order."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))

    def stop() -> None:
        server.should_exit = True

    _order(partial(server.run, sockets=[LISTENER]), stop)


def visit_wsgi(app: Any) -> None:
    """Do the same with a WSGI app, and a thread for each request."""
    with _Threads((HOST, PORT), _Quiet, bind_and_activate=False) as server:
        server.socket.close()
        server.socket, server.server_name, server.server_port = LISTENER, HOST, PORT
        server.setup_environ()
        server.set_app(app)
        _order(server.serve_forever, server.shutdown)


class _Threads(ThreadingMixIn, WSGIServer):
    """Serves each request in a thread of its own."""


class _Quiet(WSGIRequestHandler):
    """Keeps its access log to itself."""

    def log_message(self, *_: object) -> None:
        return


def _order(serve: Callable[[], None], stop: Callable[[], None]) -> None:
    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with PROVIDER, httpx2.Client(base_url=URL, trust_env=False, timeout=30) as browser:
            for form in (FORM, FORM | CORRECTION):
                reply = browser.post("/checkout", json=form)
                print(reply.status_code, reply.json())
            PROVIDER.settle()
            order = browser.get(f"/orders/{FORM['order_id']}").json()
            print(*[step["status"] for step in order["path"]])
            assert order["status"] == "delivered"
            assert not order["missing"], "every callback came"
    finally:
        stop()
        serving.join()
