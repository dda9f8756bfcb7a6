"""Answers requests without any I/O, for the sync and the async receiver alike.

    Head ─→ answer ─→ Admit, ReadBody, Record, Probe ─→ Response
                      (effects, which a receiver performs)

The answer to a callback does not depend on its content: a valid token gets 200 once the
bytes are durable, and an unreadable body goes into the quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, Required, TypedDict, Unpack

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import RequestBodyError
from lifecycle.http.body import checked_body, too_large
from lifecycle.http.log_limit import LimitedLogger
from lifecycle.log.contract import Outcome
from lifecycle.providers.instacart.receiver.admission import NotAdmittedError
from lifecycle.providers.instacart.receiver.authorization import Authorization, oauth_error
from lifecycle.providers.instacart.receiver.clients import Clients, Secrets
from lifecycle.providers.instacart.receiver.message import Head, Response, as_json
from lifecycle.providers.instacart.receiver.settings import Paths, ReceiverLimits
from lifecycle.providers.instacart.receiver.tokens import LEEWAY, LIFETIME, Tokens
from lifecycle.service.receipt import Receipt

LOG: Final = logging.getLogger("lifecycle.receiver")
MAX_TOKEN_REQUEST: Final = 64 * 1024
"""Bytes: a token request is a few short fields."""


class Admit(NamedTuple):
    """Admit a callback of a client; may be refused.

    Without a client it is a token request, of which only the memory is counted.
    """

    client: str | None


class ReadBody(NamedTuple):
    """Read at most `limit` bytes of the body, and one more; may be refused."""

    limit: int


class Record(NamedTuple):
    """Record a callback, and return its receipt once it is durable; may be refused or fail."""

    body: bytes
    head: Head
    client: str

    def __repr__(self) -> str:
        return f"<Record {len(self.body)} bytes>"


class Probe(NamedTuple):
    """Return the problems of the receiver and its store."""


Effect = Admit | ReadBody | Record | Probe
RequestFlow = Generator[Effect, Any, Response]
"""Yields effects, is sent their results or thrown their exceptions, returns the response."""


class Setup(TypedDict, total=False):
    """The settings of a receiver.

    `clients`: client ids, each with a secret of 16 bytes or more, or with several for
    rotation. `signing_keys`: keys of 32 bytes or more: the first signs tokens, all verify.
    `token_lifetime`: an hour by default. `clock_leeway`: how far the clocks of several hosts
    may differ; 30 seconds by default. `paths`: the routes. `limits`: the load it accepts.
    """

    clients: Required[Mapping[str, Secrets]]
    signing_keys: Required[str | bytes | Sequence[str | bytes]]
    token_lifetime: timedelta
    clock_leeway: timedelta
    paths: Paths
    limits: ReceiverLimits


class Rules:
    """Decides the response to every request; holds no connection and no store."""

    def __init__(self, **setup: Unpack[Setup]) -> None:
        self.clients = Clients(setup["clients"])
        self.tokens = Tokens(
            setup["signing_keys"],
            setup.get("token_lifetime", LIFETIME),
            setup.get("clock_leeway", LEEWAY),
        )
        self.limits = setup.get("limits") or ReceiverLimits()
        self.log = LimitedLogger(LOG)
        self.authorization = Authorization(self.clients, self.tokens, self.log)
        paths = setup.get("paths") or Paths()
        self._routes = {
            paths.callbacks: (("POST",), self._callback),
            paths.token: (("POST",), self._token),
            paths.health: (("GET", "HEAD"), self._health),
        }

    def answer(self, head: Head) -> RequestFlow:
        """Return the flow that answers a request."""
        route = self._routes.get(head.path)
        if route is None:
            return _answer_now(as_json(404, {"error": "not found"}))
        methods, flow = route
        if head.method not in methods:
            allow = ("allow", ", ".join(methods))
            return _answer_now(as_json(405, {"error": "method not allowed"}, [allow]))
        return flow(head)

    def _callback(self, head: Head) -> RequestFlow:
        client = self.authorization.authenticate(head)
        if isinstance(client, Response):
            return client
        try:
            yield Admit(client)
            body = yield from _whole_body(head, MAX_KEPT_BYTES)
            receipt = yield from self._record(body, head, client)
        except NotAdmittedError as refused:
            return self._refused(refused)
        except RequestBodyError as unusable:
            self.log.warning(
                "callback refused for its body: %s; answered %d", unusable.why, unusable.status
            )
            return as_json(unusable.status, {"error": f"the body cannot be taken: {unusable.why}"})
        return self._recorded(receipt)

    def _token(self, head: Head) -> RequestFlow:
        try:
            yield Admit(None)
            body = yield from _whole_body(head, MAX_TOKEN_REQUEST)
        except NotAdmittedError as refused:
            return self._refused(refused)
        except RequestBodyError as unusable:
            return oauth_error(411 if unusable.status == 411 else 400, "invalid_request")
        return self.authorization.grant(head, body)

    def _health(self, head: Head) -> RequestFlow:
        wrong: Sequence[str] = yield Probe()
        found = as_json(503 if wrong else 200, {"ok": not wrong, "wrong": list(wrong)})
        return Response(found.status, found.headers) if head.method == "HEAD" else found

    def _refused(self, refused: NotAdmittedError) -> Response:
        wait = [("retry-after", str(self.limits.retry_after))] if refused.status == 503 else []
        return as_json(refused.status, {"error": refused.why}, wait)

    def _record(self, body: bytes, head: Head, client: str) -> Generator[Effect, Any, Receipt]:
        try:
            receipt: Receipt = yield Record(body, head, client)
        except NotAdmittedError:
            raise
        except Exception as failed:  # noqa: BLE001 - whatever it is, nothing was acknowledged
            # Only its type: text and traceback may hold personal data.
            self.log.warning("callback not recorded: %s; answered 503", type(failed).__name__)
            raise NotAdmittedError(503, "the store cannot be used now") from None
        return receipt

    def _recorded(self, receipt: Receipt) -> Response:
        if receipt.outcome is Outcome.QUARANTINED:
            self.log.warning(
                "callback quarantined at %d: see lifecycle quarantine", receipt.position
            )
        known = _RECORDED[receipt.outcome]
        return Response(known.status, known.headers, known.body, receipt)


def _whole_body(head: Head, limit: int) -> Generator[Effect, Any, bytes]:
    declared = head.declared_length()
    if declared is not None and declared > limit:
        raise too_large(limit)
    body: bytes = yield ReadBody(limit)
    return checked_body(body, declared, limit)


def _answer_now(response: Response) -> RequestFlow:
    return response
    yield  # makes this a generator


_RECORDED: Final = {outcome: as_json(200, {"outcome": outcome.value}) for outcome in Outcome}
