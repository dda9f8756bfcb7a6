"""Answers requests, for threads and for coroutines alike.

    head ─→ gate.claim ─→ admission ─→ body ─→ gate.verify ─→ may_record ─→ record ─→ answer
            401           503          400,    401            403           503       200
                                       413

Written once, as a flow: see `lifecycle.http.flow`. The answer to a callback does not depend
on its content: whom the gate lets in gets 200 once the bytes are durable, and an unreadable
body goes into the quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import RequestBodyError
from lifecycle.http.body import checked_body, too_large
from lifecycle.http.flow import Flow
from lifecycle.http.log_limit import LimitedLogger
from lifecycle.http.receiver.admission import Admission, AnyTicket, NotAdmittedError
from lifecycle.http.receiver.gate import Gate, GrantsTokens, Refusal, check_gate
from lifecycle.http.receiver.message import Head, Response, as_json, as_text
from lifecycle.http.receiver.routes import ReceiverLimits, Routes
from lifecycle.log.contract import Outcome
from lifecycle.service.arrival_reader import Admit
from lifecycle.service.receipt import Receipt

if TYPE_CHECKING:
    from lifecycle.http.receiver.metrics import ReceiverMetrics

LOG: Final = logging.getLogger("lifecycle.receiver")
MAX_TOKEN_REQUEST: Final = 64 * 1024
"""Bytes: a token request is a few short fields."""

_LONGEST_HANDSHAKE: Final = 1024

T = TypeVar("T")

Route = tuple[tuple[str, ...], Callable[..., Flow[Response]]]
"""The methods of a path, and what answers them."""

Reserve = Callable[[int], None]
"""Counts bytes of a body that are in memory; raises where there is no room for them."""

Read = Callable[[int, Reserve], Any]
"""Reads a body, or returns an awaitable of it: at most so many bytes, and one more."""

MayRecord = Callable[[str, str | None], bool]
"""Takes the name of a client and the id of an order, and tells whether it may speak of it.

The id is None where the body cannot be read: it would go into the quarantine.
"""


class Callback(NamedTuple):
    """A callback that the gate let in."""

    body: bytes
    head: Head
    client: str
    order_id: str | None
    ticket: AnyTicket
    admit: Admit | None = None

    def __repr__(self) -> str:
        return f"<Callback {len(self.body)} bytes>"


class Effects(Protocol):
    """What a flow asks for; each returns its result, or an awaitable of it."""

    def record(self, callback: Callback) -> Any:
        """Return the receipt of a callback once it is durable."""

    def probe(self) -> Any:
        """Return the problems of the receiver and its store."""

    def figures(self) -> Any:
        """Return the figures of the log."""


class RequestFlow:
    """Decides the response to every request; holds no connection and no store."""

    def __init__(
        self,
        gate: Gate,
        routes: Routes,
        limits: ReceiverLimits,
        may_record: MayRecord | None,
    ) -> None:
        check_gate(gate)
        self._gate = gate
        self._limits = limits
        self._may_record = may_record
        self.admission: Admission = Admission(limits, len(gate.clients))
        self.log: LimitedLogger = LimitedLogger(LOG)
        self._pattern = routes.pattern()
        self._handshake = routes.handshake
        methods = ("POST",) if routes.handshake is None else ("POST", "GET")
        self._of_callbacks: Route = (methods, self._callback)
        self._routes: dict[str, Route] = {
            routes.health: (("GET", "HEAD"), self._health),
        }
        self._metrics = None if routes.metrics is None else _metrics()
        if routes.metrics is not None:
            self._routes[routes.metrics] = (("GET",), self._measured)
        if self._pattern is None:
            self._routes[routes.callbacks] = self._of_callbacks
        if isinstance(gate, GrantsTokens):
            self._routes[routes.token] = (("POST",), partial(self._token, gate))

    def answer(self, head: Head, read: Read, effects: Effects) -> Flow[Response]:
        """Return the flow that answers a request.

        Propagates what `read` raises; nothing is recorded then.
        """
        order_id = None
        route = self._routes.get(head.path)
        if route is None and self._pattern is not None:
            found = self._pattern.fullmatch(head.path)
            if found is not None:
                order_id, route = found[1], self._of_callbacks
        if route is None:
            return _answer_now(as_json(404, {"error": "not found"}))
        methods, flow = route
        if head.method not in methods:
            allow = ("allow", ", ".join(methods))
            return _answer_now(as_json(405, {"error": "method not allowed"}, [allow]))
        return flow(head, read, effects, order_id)

    def _callback(
        self, head: Head, read: Read, effects: Effects, order_id: str | None
    ) -> Flow[Response]:
        if head.method == "GET":
            return self._shaken(head)
        ticket: AnyTicket | None = None
        try:
            claimed = self._let_in(self._gate.claim, head)
            if isinstance(claimed, Refusal):
                return self._unauthorized(claimed)
            ticket = self.admission.admit(claimed)
            body = yield from _whole_body(head, read, ticket, MAX_KEPT_BYTES)
            client = self._let_in(self._gate.verify, head, body, claimed)
            if isinstance(client, Refusal):
                return self._unauthorized(client)
            callback = Callback(body, head, client, order_id, ticket, self._admit(client))
            receipt: Receipt = yield from self._stored(partial(effects.record, callback))
            return self._recorded(receipt)
        except NotAdmittedError as refused:
            return self._refused(refused)
        except RequestBodyError as unusable:
            self.log.warning(
                "callback refused for its body: %s; answered %d", unusable.why, unusable.status
            )
            return as_json(unusable.status, {"error": f"the body cannot be taken: {unusable.why}"})
        finally:
            if ticket is not None:
                ticket.release()

    def _shaken(self, head: Head) -> Response:
        """Return what a provider asked to have back, which shows it that the URL is ours."""
        told = head.asked(self._handshake or "")
        if told is None or len(told) > _LONGEST_HANDSHAKE:
            return as_json(400, {"error": f"expected {self._handshake!a} in the query, and short"})
        return as_text(told)

    def _token(
        self, gate: GrantsTokens, head: Head, read: Read, _effects: Effects, _: None
    ) -> Flow[Response]:
        ticket = self.admission.admit(None)
        try:
            body = yield from _whole_body(head, read, ticket, MAX_TOKEN_REQUEST)
        except NotAdmittedError as refused:
            return self._refused(refused)
        except RequestBodyError as unusable:
            status = 411 if unusable.status == 411 else 400
            return as_json(status, {"error": "invalid_request"})
        finally:
            ticket.release()
        return gate.grant(head, body)

    def _health(self, head: Head, _read: Read, effects: Effects, _: None) -> Flow[Response]:
        wrong: Sequence[str] = yield effects.probe
        found = as_json(503 if wrong else 200, {"ok": not wrong, "wrong": list(wrong)})
        return Response(found.status, found.headers) if head.method == "HEAD" else found

    def _measured(self, head: Head, _read: Read, effects: Effects, _: None) -> Flow[Response]:
        metrics = self._metrics
        assert metrics is not None  # noqa: S101 - the route is there with it alone
        if metrics.begin():
            figures = None
            try:
                figures = yield effects.figures
            except Exception as failed:  # noqa: BLE001 - its text may be personal
                self.log.warning("no figures: %s", type(failed).__name__)
            finally:
                metrics.take(figures)
        return metrics.page(b", ".join(head.values(b"accept")).decode("latin-1"))

    def _let_in(self, decide: Callable[..., object], *asked: object) -> str | Refusal:
        """Return what the gate decides: a gate that fails lets nobody in."""
        found = self._safely("gate", decide, *asked)
        if isinstance(found, Refusal) or (isinstance(found, str) and found):
            return found
        self.log.error("the gate returned %s; answered 503", type(found).__name__)
        raise NotAdmittedError(503, _NO_DECISION)

    def _admit(self, client: str) -> Admit | None:
        """Return what refuses a callback about an order that is not its client's."""
        may_record = self._may_record
        if may_record is None:
            return None

        def admit(orders: tuple[str | None, ...]) -> None:
            for order_id in orders:
                if self._safely("may_record", may_record, client, order_id) is not True:
                    self.log.warning("callback refused: not for this client to say; answered 403")
                    raise NotAdmittedError(403, "this client may not speak of this order")

        return admit

    def _safely(self, name: str, ask: Callable[..., T], *asked: object) -> T:
        try:
            return ask(*asked)
        except Exception as failed:  # noqa: BLE001 - its text may be personal or a secret
            self.log.error("%s failed with %s; answered 503", name, type(failed).__name__)  # noqa: TRY400 - as above
            raise NotAdmittedError(503, _NO_DECISION) from None

    def _unauthorized(self, refusal: Refusal) -> Response:
        self.log.warning("callback refused: %s; answered %d", refusal.why, refusal.response.status)
        return refusal.response

    def _refused(self, refused: NotAdmittedError) -> Response:
        wait = [("retry-after", str(self._limits.retry_after))] if refused.status == 503 else []
        return as_json(refused.status, {"error": refused.why}, wait)

    def _stored(self, effect: Callable[[], Any]) -> Flow[Any]:
        """Return the result of an effect on the store; whatever fails is answered 503."""
        try:
            return (yield effect)
        except NotAdmittedError:
            raise
        except Exception as failed:  # noqa: BLE001 - whatever it is, nothing was acknowledged
            # Only its type: text and traceback may hold personal data.
            self.log.warning("callback not recorded: %s; answered 503", type(failed).__name__)
            raise NotAdmittedError(503, "the store cannot be used now") from None

    def _recorded(self, receipt: Receipt) -> Response:
        if self._metrics is not None:
            self._metrics.count(receipt)
        if receipt.outcome is Outcome.QUARANTINED:
            self.log.warning(
                "callback quarantined at %d: see lifecycle quarantine", receipt.position
            )
        known = _RECORDED[receipt.outcome]
        return Response(known.status, known.headers, known.body, receipt)


def _metrics() -> ReceiverMetrics:
    from lifecycle.http.receiver.metrics import ReceiverMetrics  # noqa: PLC0415 - the extra may not be installed

    return ReceiverMetrics()


def _whole_body(head: Head, read: Read, ticket: AnyTicket, limit: int) -> Flow[bytes]:
    declared = head.declared_length()
    if declared is not None and declared > limit:
        raise too_large(limit)
    body: bytes = yield partial(read, limit, ticket.reserve)
    return checked_body(body, declared, limit)


def _answer_now(response: Response) -> Flow[Response]:
    return response
    yield  # makes this a generator


_NO_DECISION: Final = "nobody can decide now who may call"
_RECORDED: Final = {outcome: as_json(200, {"outcome": outcome.value}) for outcome in Outcome}
