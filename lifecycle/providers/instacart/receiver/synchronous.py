"""The receiver for threads: runs a `RequestFlow` over `Orders`; also a WSGI app."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from threading import Lock
from typing import Any, Unpack

from lifecycle.errors import RequestBodyError
from lifecycle.http.body import read_body
from lifecycle.providers.instacart.receiver.admission import (
    Admission,
    AnyTicket,
    NotAdmittedError,
)
from lifecycle.providers.instacart.receiver.change_notifier import OnChange, call_on_change
from lifecycle.providers.instacart.receiver.health import Health
from lifecycle.providers.instacart.receiver.message import Head, Request, Response
from lifecycle.providers.instacart.receiver.request_flow import (
    Admit,
    Probe,
    ReadBody,
    Record,
    Rules,
    Setup,
)
from lifecycle.service.costly_bodies import is_costly, uncollected
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

Read = Callable[[int], bytes]
"""Reads a body: at most so many bytes and one more."""


class SyncReceiver:
    """Answers requests over `Orders`; safe for threads, and a WSGI app.

    Arguments and errors are those of `Receiver`. `on_change` is called before the answer,
    in the thread of the request; what it raises is logged. The store's own retry policy
    limits how long a callback waits for it.
    """

    def __init__(
        self,
        orders: Orders,
        *,
        on_change: OnChange | None = None,
        **setup: Unpack[Setup],
    ) -> None:
        self.orders = orders
        self.rules = Rules(**setup)
        self.admission = Admission(self.rules.limits, len(setup["clients"]))
        self.health = Health(self.admission, self.rules.limits)
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

    def respond(self, head: Head, read: Read) -> Response:
        """Return the answer to a request whose body is read when it is needed.

        Propagates what `read` raises; nothing is recorded then.
        """
        ticket: AnyTicket | None = None
        flow = self.rules.answer(head)
        try:
            effect = next(flow)
            while True:
                result: Any = None
                try:
                    match effect:
                        case Admit():
                            ticket = self.admission.admit(effect.client)
                        case ReadBody():
                            result = _reserved(read(effect.limit), ticket)
                        case Record():
                            result = self._record(effect)
                        case Probe():
                            result = self.health.probe_now(self.orders.log)
                except Exception as failed:  # noqa: BLE001 - the flow knows which it answers
                    effect = flow.throw(failed)
                else:
                    effect = flow.send(result)
        except StopIteration as done:
            answer: Response = done.value
            return answer
        finally:
            if ticket is not None:
                ticket.release()

    def _record(self, record: Record) -> Receipt:
        if not is_costly(record.body):
            return self._recorded(record)
        if not self._turn.acquire(timeout=self.rules.limits.store_seconds / 2):
            raise NotAdmittedError(503, "too many large callbacks wait")
        try:
            with uncollected():
                return self._recorded(record)
        finally:
            self._turn.release()

    def _recorded(self, record: Record) -> Receipt:
        try:
            receipt = self.orders.record_callback(record.body, headers=record.head.headers)
        except Exception as failed:
            self.health.note(failed)
            raise
        self.health.note(None)
        call_on_change(self._on_change, receipt)
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
    return Head(
        environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers, environ.get("REMOTE_ADDR")
    )


def _reserved(body: bytes, ticket: AnyTicket | None) -> bytes:
    if ticket is not None:
        ticket.reserve(len(body))
    return body
