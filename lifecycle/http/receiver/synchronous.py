"""The receiver for threads, over `Orders`; also a WSGI app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any

from lifecycle.errors import RequestBodyError
from lifecycle.http.body import read_body
from lifecycle.http.flow import run
from lifecycle.http.receiver.admission import Admission, NotAdmittedError
from lifecycle.http.receiver.change_notifier import OnChange, call_on_change
from lifecycle.http.receiver.gate import Gate
from lifecycle.http.receiver.health import Health
from lifecycle.http.receiver.message import Head, Request, Response
from lifecycle.http.receiver.request_flow import Callback, MayRecord, RequestFlow, Reserve
from lifecycle.http.receiver.routes import ReceiverLimits, Routes
from lifecycle.service.costly_bodies import is_costly, uncollected
from lifecycle.service.figures import Figures
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt


class SyncReceiver:
    """Answers requests over `Orders`; safe for threads, and a WSGI app.

    Arguments and errors are those of `Receiver`. `on_change` is called before the answer,
    in the thread of the request; what it raises is logged. The store's own retry policy
    limits how long a callback waits for it.
    """

    def __init__(
        self,
        orders: Orders,
        gate: Gate,
        *,
        on_change: OnChange | None = None,
        may_record: MayRecord | None = None,
        routes: Routes | None = None,
        limits: ReceiverLimits | None = None,
    ) -> None:
        self.orders = orders
        self.gate = gate
        self.limits: ReceiverLimits = limits or ReceiverLimits()
        self._flow = RequestFlow(gate, routes or Routes(), self.limits, may_record)
        self.admission: Admission = self._flow.admission
        self.health: Health = Health(self.admission, self.limits)
        self._on_change = on_change
        self._turn = Lock()

    def handle(self, request: Request) -> Response:
        """Return the answer to a whole request: the plain function for any framework.

        A body in chunks that seems empty is answered 411: many frameworks do not read it.
        """
        head = request.head

        def read(limit: int) -> bytes:
            if not request.body and head.values(b"transfer-encoding"):
                raise RequestBodyError(411, "it came in chunks, which nobody read")
            return request.body[: limit + 1]

        return self.respond(head, read)

    def respond(self, head: Head, read: Callable[[int], bytes]) -> Response:
        """Return the answer to a request; `read` reads at most so many bytes and one more.

        Propagates what `read` raises; nothing is recorded then.
        """

        def reserved(limit: int, reserve: Reserve) -> bytes:
            body = read(limit)
            reserve(len(body))
            return body

        return run(self._flow.answer(head, reserved, self))

    def probe(self) -> list[str]:
        """Return the problems, and ask the store."""
        return self.health.probe_now(self.orders.log)

    def figures(self) -> Figures:
        """Return the figures of the log; see `Orders.figures`."""
        return self.orders.figures()

    def record(self, callback: Callback) -> Receipt:
        """Return the receipt of a callback once it is durable; one costly body at a time."""
        if not is_costly(callback.body):
            return self._recorded(callback)
        if not self._turn.acquire(timeout=self.limits.store_seconds / 2):
            raise NotAdmittedError(503, "too many large callbacks wait")
        try:
            with uncollected():
                return self._recorded(callback)
        finally:
            self._turn.release()

    def _recorded(self, callback: Callback) -> Receipt:
        try:
            receipt = self.orders.record_callback(
                callback.body,
                order_id=callback.order_id,
                client=callback.client,
                headers=callback.head.headers,
                admit=callback.admit,
            )
        except NotAdmittedError:
            raise
        except Exception as failed:
            self.health.note(failed)
            raise
        self.health.note(None)
        for each in receipt.whole():
            call_on_change(self._on_change, each)
        return receipt

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request of a WSGI server."""
        response = self.respond(head_of(environ), lambda limit: read_body(environ, limit))
        phrase = HTTPStatus(response.status).phrase
        start_response(f"{response.status} {phrase}", list(response.headers))
        return [response.body]


def head_of(environ: Mapping[str, Any]) -> Head:
    """Return the head of a WSGI server's request."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    }
    # The bytes of the path come as Latin-1; they are UTF-8.
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
    return Head(
        environ["REQUEST_METHOD"],
        path.decode("utf-8", "surrogateescape"),
        headers,
        environ.get("REMOTE_ADDR"),
        environ.get("QUERY_STRING", ""),
    )
