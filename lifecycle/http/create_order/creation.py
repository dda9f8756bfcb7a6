"""The creation of one order, as flows; the package explains the rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import uuid4

from lifecycle.core.definition import Definition
from lifecycle.core.event import Event, Unreadable
from lifecycle.core.view import OrderView
from lifecycle.errors import (
    InvalidArgumentError,
    NeverReachedError,
    NoAnswerError,
    NoTokenError,
    ProviderError,
    UnknownOrderError,
    VersionConflictError,
)
from lifecycle.http.client.calls import context_arguments
from lifecycle.http.client.exchange import Answer
from lifecycle.http.client.retries import is_temporary, retry_after
from lifecycle.http.create_order.outcome import (
    Correctable,
    Created,
    CreationOutcome,
    Refused,
    Unknown,
    UnknownWhy,
    correctable,
    outcome_of_response,
    refused_by_status,
    settled_outcome,
    unknown_why,
)
from lifecycle.http.create_order.port import CreateRequest, CreatingClient
from lifecycle.http.create_order.request_state import RequestState
from lifecycle.http.flow import Flow, folded
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt
from lifecycle.service.recording_calls import Sent

_SendResult = Answer | NeverReachedError | NoAnswerError | NoTokenError

_MOST_CLAIMS: Final = 20


class Polled(NamedTuple):
    """The result of a poll; `answer` None: no answer came.

    `is_absent`: the provider itself answered that it has no such order.
    """

    answer: Answer | None
    at: datetime | None = None
    is_absent: bool = False

    def open_outcome(self, view: OrderView | None) -> Refused | Unknown:
        """Return the outcome of a poll that did not show the order."""
        answer = self.answer
        if self.is_absent:
            return Unknown("not_found", view)
        if answer is None or is_temporary(answer):
            wait = None if answer is None else retry_after(answer)
            return Unknown("no_answer", view, wait)
        return refused_by_status(answer.http_status, view) or Unknown("unreadable", view)


@dataclass(frozen=True)
class OrderCreation:
    """The creation of one order, as flows."""

    orders: Orders | AsyncOrders
    client: CreatingClient
    order_id: str | int
    where: Mapping[str, Any]
    settle_after: timedelta

    @classmethod
    def of(
        cls,
        orders: Orders | AsyncOrders,
        client: CreatingClient,
        order_id: str | int,
        where: Mapping[str, Any],
        settle_after: timedelta,
    ) -> OrderCreation:
        """Return the checked creation; see `create_order`."""
        if not isinstance(settle_after, timedelta):
            raise InvalidArgumentError("settle_after", "a timedelta")
        least = timedelta(seconds=client.longest_seconds)
        return cls(orders, client, order_id, where, max(settle_after, least))

    @property
    def _definition(self) -> Definition:
        return self.orders.provider.definition

    def _settled(self, view: OrderView | None) -> Created | Refused | None:
        return settled_outcome(view, self._definition)

    def _correctable(self, view: OrderView | None) -> Correctable | None:
        return correctable(view, self._definition)

    def create(
        self, request: CreateRequest, context: Mapping[str, Any] | None = None
    ) -> Flow[CreationOutcome]:
        """Create the order, or find the outcome of earlier requests."""
        body = request.body()
        state = yield from self._state()
        # The token comes first, so that a recorded request is sent at once.
        outcome = self._settled(state.view) or (yield from self._authorize(state.view))
        if outcome is not None:
            return outcome
        begin = partial(self._begin, body, {**(context or {}), **self._kept()})
        if state.may_send_at_once:
            return (yield from begin(state))
        return (yield from self._resume(body, begin))

    def resume(self, body: bytes) -> Flow[CreationOutcome]:
        """Find the outcome of the newest request, which has this body; begin no other."""
        state = yield from self._state()
        shown = self._settled(state.view) or self._correctable(state.view)
        outcome = shown or (yield from self._authorize(state.view))
        if outcome is not None:
            return outcome
        return (yield from self._resume(body, self._begun_elsewhere))

    def find(self) -> Flow[CreationOutcome]:
        """Poll the order, and return its outcome."""
        failed = yield from self._authorize(None)
        if failed is not None:
            return failed
        polled = yield from self._poll(None)
        view = (yield from self._state()).view
        return self._settled(view) or self._correctable(view) or polled.open_outcome(view)

    def _kept(self) -> dict[str, Any]:
        """Return what of the arguments of calls another process needs to go on."""
        names = context_arguments(self.client)
        return {name: self.where[name] for name in self.where if name in names}

    def _begun_elsewhere(self, state: RequestState) -> Flow[CreationOutcome]:
        """Leave the newest request to whoever began it: it is not the one to resume."""
        still = Unknown("in_flight", state.view, self.settle_after.total_seconds())
        return self._correctable(state.view) or still
        yield  # makes this a generator

    def _begin(
        self, body: bytes, context: Mapping[str, Any], before: RequestState
    ) -> Flow[CreationOutcome]:
        """Record a request and send it, unless another caller did so at the same moment."""
        sent: Sent[Any] = yield partial(
            self.orders.begin_request, self.order_id, body, context=context or None
        )
        key = _key(sent.receipt)
        after = yield from self._state()
        outcome = self._settled(after.view)
        if outcome is not None:
            return outcome
        if sent.resumed and key in before.exchange_keys:
            return (yield from self._claim_and_send(body, after, sent.attempt))
        if sent.resumed or after.exchange_keys - before.exchange_keys != {key}:
            return Unknown("in_flight", after.view, self.settle_after.total_seconds())
        return (yield from self._send(body, after, sent.attempt, sent.exchange_id))

    def _resume(
        self, body: bytes, begin: Callable[[RequestState], Flow[CreationOutcome]]
    ) -> Flow[CreationOutcome]:
        """Find the outcome of earlier requests; else send this one, if need be as a new attempt."""
        polled = yield from self._poll(1)
        state = yield from self._state()
        outcome = self._settled(state.view)
        if outcome is not None:
            return outcome
        if not polled.is_absent:
            return polled.open_outcome(state.view)
        seconds_in_flight = state.seconds_in_flight(self.settle_after, polled.at)
        if seconds_in_flight > 0:
            return Unknown("in_flight", state.view, seconds_in_flight)
        if state.body == sha256(body).hexdigest() and not self._correctable(state.view):
            return (yield from self._claim_and_send(body, state, state.attempt))
        return (yield from begin(state))

    def _claim_and_send(
        self, body: bytes, state: RequestState, attempt: int
    ) -> Flow[CreationOutcome]:
        """Resend an attempt, unless another caller does."""
        claim = yield from self._claim(state, attempt)
        if claim is None:
            return (yield from self._overtaken())
        return (yield from self._send(body, claim[0], attempt, claim[1]))

    def _send(
        self, body: bytes, state: RequestState, attempt: int, exchange_id: str
    ) -> Flow[CreationOutcome]:
        """Send an attempt; resend it while it is certain that it was not carried out."""
        may_renew = True
        for tried in count(1):
            result = yield from self._exchange(body)
            if isinstance(result, NoTokenError):
                return _without_token(result, state.view)
            receipt = yield from self._record(result, attempt, exchange_id)
            outcome = yield from self._result_of(result, receipt, tried, may_renew=may_renew)
            if outcome is not None:
                return outcome
            may_renew = may_renew and not _is_unauthorized(result)
            claim = yield from self._claim(state.with_key(_key(receipt)), attempt)
            if claim is None:
                return (yield from self._overtaken())
            state, exchange_id = claim
        raise AssertionError  # pragma: no cover - counting never ends

    def _result_of(
        self, result: _SendResult, receipt: Receipt, tried: int, *, may_renew: bool
    ) -> Flow[CreationOutcome | None]:
        """Return the outcome of a sending; None: it was not carried out, and may be resent."""
        view, event = (yield from folded(receipt)).view, receipt.event
        if view is None or isinstance(event, Unreadable):
            return (yield from self._find_fate("unreadable"))
        outcome = outcome_of_response(event, view, self._definition)
        if may_renew and outcome is not None and _is_unauthorized(result):
            return (yield from self._confirm_absent(view))
        if outcome is not None:
            return outcome
        if event.fate == "unknown" and isinstance(result, Answer):
            return (yield from self._find_fate(unknown_why(result)))
        return (yield from self._wait_to_resend(result, tried, view))

    def _exchange(self, body: bytes) -> Flow[_SendResult]:
        try:
            answer: Answer = yield partial(self.client.create, body, **self.where)
        except (NeverReachedError, NoAnswerError, NoTokenError) as failure:
            return failure
        return answer

    def _wait_to_resend(
        self, result: _SendResult, tried: int, view: OrderView
    ) -> Flow[CreationOutcome | None]:
        """Wait before resending; return an outcome if it must not be resent, or not now."""
        answer = result if isinstance(result, Answer) else None
        is_busy = answer is not None and answer.http_status == 429
        if not is_busy and not isinstance(result, NeverReachedError):
            return (yield from self._find_fate(unknown_why(answer)))
        if (yield partial(self.client.pause, answer, tried)):
            return None
        if answer is None:
            return Unknown("never_reached", view)
        return Unknown("too_many_requests", view, retry_after(answer))

    def _confirm_absent(self, view: OrderView) -> Flow[CreationOutcome | None]:
        """Renew a refused token and poll: only if the order does not exist may it be resent."""
        failed = yield from self._authorize(view)
        if failed is not None:
            return failed
        polled = yield from self._poll(1)
        if polled.is_absent:
            return None
        now = (yield from self._state()).view
        return self._settled(now) or polled.open_outcome(now)

    def _find_fate(self, why: UnknownWhy) -> Flow[CreationOutcome]:
        """Poll once; if that shows no order, a callback or a later call will."""
        yield from self._poll(1)
        view = (yield from self._state()).view
        return self._settled(view) or Unknown(why, view, self.settle_after.total_seconds())

    def _overtaken(self) -> Flow[CreationOutcome]:
        view = (yield from self._state()).view
        return self._settled(view) or Unknown("in_flight", view, self.settle_after.total_seconds())

    def _claim(self, state: RequestState, attempt: int) -> Flow[tuple[RequestState, str] | None]:
        """Record that no answer came so far, under the id of the exchange that begins now.

        None: another caller sent meanwhile, an answer came, or the order exists.
        """
        exchange_id = uuid4().hex
        for _ in range(_MOST_CLAIMS):
            now = yield from self._state()
            if now.exchange_keys != state.exchange_keys or self._settled(now.view) is not None:
                return None
            try:
                receipt: Receipt = yield partial(
                    self.orders.record_response,
                    self.order_id,
                    None,
                    attempt=attempt,
                    exchange_id=exchange_id,
                    expected_version=now.version,
                )
            except VersionConflictError:
                continue
            return now.with_key(_key(receipt)), exchange_id
        return None

    def _record(self, result: _SendResult, attempt: int, exchange_id: str) -> Flow[Receipt]:
        answer = result if isinstance(result, Answer) else Answer(0, b"", {})
        receipt: Receipt = yield partial(
            self.orders.record_response,
            self.order_id,
            answer.http_status or None,
            answer.body,
            attempt=attempt,
            exchange_id=exchange_id,
            headers=answer.headers,
        )
        return receipt

    def _poll(self, tries: int | None) -> Flow[Polled]:
        try:
            answer: Answer = yield partial(
                self.client.get, self.order_id, tries=tries, **self.where
            )
        except ProviderError:
            return Polled(None)
        if not answer.about_order:
            return Polled(answer, datetime.now(UTC), is_absent=True)
        receipt: Receipt = yield partial(
            self.orders.record_poll,
            self.order_id,
            answer.http_status,
            answer.body,
            headers=answer.headers,
        )
        return Polled(answer, receipt.event.received_at, self.client.is_absent(answer))

    def _state(self) -> Flow[RequestState]:
        try:
            view = yield partial(self.orders.get, self.order_id)
            history = yield partial(self.orders.history, self.order_id)
        except UnknownOrderError:
            return RequestState()
        return RequestState.of(view, history)

    def _authorize(self, view: OrderView | None) -> Flow[Refused | Unknown | None]:
        try:
            yield self.client.authorize
        except NoTokenError as unsent:
            return _without_token(unsent, view)
        return None


def _key(receipt: Receipt) -> str:
    return receipt.event.key if isinstance(receipt.event, Event) else ""


def _is_unauthorized(result: _SendResult) -> bool:
    return isinstance(result, Answer) and result.http_status == 401


def _without_token(unsent: NoTokenError, view: OrderView | None) -> Refused | Unknown:
    if unsent.temporary:
        return Unknown("never_reached", view)
    return Refused("no_token", unsent.http_status, view)
