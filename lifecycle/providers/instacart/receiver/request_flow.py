"""Answering a request, written once without any I/O: a generator that says what it needs.

    Head ─→ answer ─→ Admit, ReadBody, Record, Probe ─→ Response
                      (a driver does them, sync or async)

Nothing about a callback depends on its content: whoever holds a token is answered 200 once
the bytes are durable, and what cannot be read lies in the quarantine.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple, Required, TypedDict, Unpack

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import RequestBodyError
from lifecycle.http.framing import checked_body, too_large
from lifecycle.http.log_limit import LimitedLogger
from lifecycle.log.contract import Outcome
from lifecycle.providers.instacart.receiver.admission import Refused
from lifecycle.providers.instacart.receiver.authorization import Authorization, oauth_error
from lifecycle.providers.instacart.receiver.clients import Clients, Secrets
from lifecycle.providers.instacart.receiver.message import Head, Response, as_json
from lifecycle.providers.instacart.receiver.settings import Limits, Paths
from lifecycle.providers.instacart.receiver.tokens import LEEWAY, LIFETIME, Tokens
from lifecycle.service.receipt import Receipt

LOG: Final = logging.getLogger("lifecycle.receiver")
MAX_TOKEN_REQUEST: Final = 64 * 1024
"""Bytes: a token request is a few short fields."""


class Admit(NamedTuple):
    """A place among the callbacks under way, of which a client has a share; may be refused.

    Without a client it is a token request, of which nothing but the memory is counted.
    """

    client: str | None


class ReadBody(NamedTuple):
    """The body, at most `limit` bytes of it and one more; may be refused."""

    limit: int


class Record(NamedTuple):
    """The receipt of this callback, once it is durable; may be refused or fail."""

    body: bytes
    head: Head
    client: str

    def __repr__(self) -> str:
        return f"<Record {len(self.body)} bytes>"


class Probe(NamedTuple):
    """What is wrong with the receiver and its store, empty where nothing is."""


Step = Admit | ReadBody | Record | Probe
Flow = Generator[Step, Any, Response]
"""Yields steps, is sent what they gave or thrown what they raised, returns the answer."""


class Setup(TypedDict, total=False):
    """What a receiver is set up with.

    `clients`: client ids, each with its secret of 16 bytes or more, or with several while they
    are rotated. `signing_keys`: what tokens are signed with, 32 bytes or more: the first signs,
    all verify. `token_lifetime`: how long a token is good for; an hour. `clock_leeway`: how far
    the clocks of several hosts may be apart; 30 seconds. `paths`: where it answers. `limits`:
    how much it takes at a time.
    """

    clients: Required[Mapping[str, Secrets]]
    signing_keys: Required[str | bytes | Sequence[str | bytes]]
    token_lifetime: timedelta
    clock_leeway: timedelta
    paths: Paths
    limits: Limits


class Rules:
    """Decides what every request is answered; holds no connection and no store."""

    def __init__(self, **setup: Unpack[Setup]) -> None:
        self.clients = Clients(setup["clients"])
        self.tokens = Tokens(
            setup["signing_keys"],
            setup.get("token_lifetime", LIFETIME),
            setup.get("clock_leeway", LEEWAY),
        )
        self.limits = setup.get("limits") or Limits()
        self.log = LimitedLogger(LOG)
        self.authorization = Authorization(self.clients, self.tokens, self.log)
        paths = setup.get("paths") or Paths()
        self._routes = {
            paths.callbacks: (("POST",), self._callback),
            paths.token: (("POST",), self._token),
            paths.health: (("GET", "HEAD"), self._health),
        }

    def answer(self, head: Head) -> Flow:
        """Return the flow that answers a request."""
        route = self._routes.get(head.path)
        if route is None:
            return _at_once(as_json(404, {"error": "not found"}))
        methods, flow = route
        if head.method not in methods:
            allow = ("allow", ", ".join(methods))
            return _at_once(as_json(405, {"error": "method not allowed"}, [allow]))
        return flow(head)

    def _callback(self, head: Head) -> Flow:
        client = self.authorization.caller(head)
        if isinstance(client, Response):
            return client
        try:
            yield Admit(client)
            body = yield from _whole_body(head, MAX_KEPT_BYTES)
            receipt = yield from self._record(body, head, client)
        except Refused as refusal:
            return self._not_now(refusal)
        except RequestBodyError as unusable:
            self.log.warning(
                "callback refused for its body: %s; answered %d", unusable.why, unusable.status
            )
            return as_json(unusable.status, {"error": f"the body cannot be taken: {unusable.why}"})
        return self._recorded(receipt)

    def _token(self, head: Head) -> Flow:
        try:
            yield Admit(None)
            body = yield from _whole_body(head, MAX_TOKEN_REQUEST)
        except Refused as refusal:
            return self._not_now(refusal)
        except RequestBodyError as unusable:
            return oauth_error(411 if unusable.status == 411 else 400, "invalid_request")
        return self.authorization.grant(head, body)

    def _health(self, head: Head) -> Flow:
        wrong: Sequence[str] = yield Probe()
        found = as_json(503 if wrong else 200, {"ok": not wrong, "wrong": list(wrong)})
        return Response(found.status, found.headers) if head.method == "HEAD" else found

    def _not_now(self, refusal: Refused) -> Response:
        wait = [("retry-after", str(self.limits.retry_after))] if refusal.status == 503 else []
        return as_json(refusal.status, {"error": refusal.why}, wait)

    def _record(self, body: bytes, head: Head, client: str) -> Generator[Step, Any, Receipt]:
        try:
            receipt: Receipt = yield Record(body, head, client)
        except Refused:
            raise
        except Exception as failed:  # noqa: BLE001 - whatever it is, nothing was acknowledged
            # Neither its text nor its traceback, which may hold anything: the kind tells enough.
            self.log.warning("callback not recorded: %s; answered 503", type(failed).__name__)
            raise Refused(503, "the store cannot be used now") from None
        return receipt

    def _recorded(self, receipt: Receipt) -> Response:
        if receipt.outcome is Outcome.QUARANTINED:
            self.log.warning(
                "callback quarantined at %d: see lifecycle quarantine", receipt.position
            )
        known = _RECORDED[receipt.outcome]
        return Response(known.status, known.headers, known.body, receipt)


def _whole_body(head: Head, limit: int) -> Generator[Step, Any, bytes]:
    declared = head.declared_length()
    if declared is not None and declared > limit:
        raise too_large(limit)
    body: bytes = yield ReadBody(limit)
    return checked_body(body, declared, limit)


def _at_once(response: Response) -> Flow:
    return response
    yield  # makes this a generator


_RECORDED: Final = {outcome: as_json(200, {"outcome": outcome.value}) for outcome in Outcome}
