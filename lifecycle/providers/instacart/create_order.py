"""The creation of one order, as flows: who may send, when, and what it came to.

The rules and their reasons stand in `dialogue`; here they are carried out, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import uuid4

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
from lifecycle.providers.instacart.bodies import is_error, object_in
from lifecycle.providers.instacart.client import AsyncClient, Client
from lifecycle.providers.instacart.client.exchange import Answer
from lifecycle.providers.instacart.client.retries import is_passing, retry_after
from lifecycle.providers.instacart.flow import Flow, folded
from lifecycle.providers.instacart.outcome import (
    Outcome,
    Refused,
    Unknown,
    UnknownWhy,
    corrections,
    judged,
    refusal,
    settled,
    unsettled,
)
from lifecycle.providers.instacart.request import CreateOrder
from lifecycle.providers.instacart.standing import Standing
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt
from lifecycle.service.recording_calls import Sent

_Came = Answer | NeverReachedError | NoAnswerError | NoTokenError

_MOST_CLAIMS: Final = 20


class Polled(NamedTuple):
    """An order that was asked for; `answer` None: no answer came."""

    answer: Answer | None
    at: datetime | None = None

    @property
    def is_absent(self) -> bool:
        """Whether the provider itself said that it knows no such order.

        A 404 without its error is somebody else's: a proxy, or another server.
        """
        answer = self.answer
        return answer is not None and answer.http_status == 404 and is_error(object_in(answer.body))

    def leaves_open(self, view: OrderView | None) -> Refused | Unknown:
        """Return the outcome where asking for the order showed none."""
        answer = self.answer
        if self.is_absent:
            return Unknown("not_found", view)
        if answer is None or is_passing(answer):
            wait = None if answer is None else retry_after(answer)
            return Unknown("no_answer", view, wait)
        return refusal(answer.http_status, view) or Unknown("unreadable", view)


@dataclass(frozen=True)
class Creation:
    """The dialogue about one order, as flows."""

    orders: Orders | AsyncOrders
    client: Client | AsyncClient
    order_id: str | int
    user_id: str | None
    settle_after: timedelta

    @classmethod
    def of(
        cls,
        orders: Orders | AsyncOrders,
        client: Client | AsyncClient,
        order_id: str | int,
        user_id: str | None,
        settle_after: timedelta,
    ) -> Creation:
        """Return the checked creation; see `dialogue.create_order`."""
        if not isinstance(settle_after, timedelta):
            raise InvalidArgumentError("settle_after", "a timedelta")
        least = timedelta(seconds=client.longest_seconds)
        return cls(orders, client, order_id, user_id, max(settle_after, least))

    def create(self, request: CreateOrder) -> Flow[Outcome]:
        """Create the order, or find out what became of it."""
        body = request.body()
        standing = yield from self._look()
        # A token first, so that a request is begun only to be sent at once.
        known = settled(standing.view) or (yield from self._authorized(standing.view))
        if known is not None:
            return known
        if standing.is_clean:
            return (yield from self._begin(body, standing))
        return (yield from self._again(body))

    def find(self) -> Flow[Outcome]:
        """Ask for the order, and tell what became of it."""
        stopped = yield from self._authorized(None)
        if stopped is not None:
            return stopped
        polled = yield from self._poll(None)
        view = (yield from self._look()).view
        return settled(view) or corrections(view) or polled.leaves_open(view)

    def _begin(self, body: bytes, before: Standing) -> Flow[Outcome]:
        """Begin a request and send it, unless somebody else did at the same moment."""
        sent: Sent[Any] = yield partial(self.orders.begin_request, self.order_id, body)
        key = _key(sent.receipt)
        after = yield from self._look()
        known = settled(after.view)
        if known is not None:
            return known
        if sent.resumed and key in before.asked:
            return (yield from self._claimed(body, after, sent.attempt))
        if sent.resumed or after.asked - before.asked != {key}:
            return Unknown("in_flight", after.view, self.settle_after.total_seconds())
        return (yield from self._send(body, after, sent.attempt, sent.exchange_id))

    def _again(self, body: bytes) -> Flow[Outcome]:
        """Find out what became of earlier requests, and send this one if nothing did or can."""
        polled = yield from self._poll(1)
        standing = yield from self._look()
        known = settled(standing.view)
        if known is not None:
            return known
        if not polled.is_absent:
            return polled.leaves_open(standing.view)
        rest = standing.rest(self.settle_after, polled.at)
        if rest > 0:
            return Unknown("in_flight", standing.view, rest)
        if standing.body == sha256(body).hexdigest() and not corrections(standing.view):
            return (yield from self._claimed(body, standing, standing.attempt))
        return (yield from self._begin(body, standing))

    def _claimed(self, body: bytes, standing: Standing, attempt: int) -> Flow[Outcome]:
        """Send an attempt again, if nobody else does."""
        claim = yield from self._claim(standing, attempt)
        if claim is None:
            return (yield from self._overtaken())
        return (yield from self._send(body, claim[0], attempt, claim[1]))

    def _send(
        self, body: bytes, standing: Standing, attempt: int, exchange_id: str
    ) -> Flow[Outcome]:
        """Send an attempt, again where it is known that it was not carried out."""
        may_renew = True
        for tried in count(1):
            came = yield from self._exchange(body)
            if isinstance(came, NoTokenError):
                return _without_token(came, standing.view)
            receipt = yield from self._recorded(came, attempt, exchange_id)
            outcome = yield from self._stopped(came, receipt, tried, may_renew=may_renew)
            if outcome is not None:
                return outcome
            may_renew = may_renew and not _is_unauthorized(came)
            claim = yield from self._claim(standing.joined(_key(receipt)), attempt)
            if claim is None:
                return (yield from self._overtaken())
            standing, exchange_id = claim
        raise AssertionError  # pragma: no cover - counting never ends

    def _stopped(
        self, came: _Came, receipt: Receipt, tried: int, *, may_renew: bool
    ) -> Flow[Outcome | None]:
        """Return what a sending came to; None: it was not carried out, and may be sent again."""
        view, event = (yield from folded(receipt)).view, receipt.event
        if view is None or isinstance(event, Unreadable):
            return (yield from self._fate("unreadable"))
        outcome = judged(event, view)
        if may_renew and outcome is not None and _is_unauthorized(came):
            return (yield from self._absent_for_sure(view))
        if outcome is not None:
            return outcome
        return (yield from self._held_back(came, tried, view))

    def _exchange(self, body: bytes) -> Flow[_Came]:
        try:
            answer: Answer = yield partial(self.client.create, body, user_id=self.user_id)
        except (NeverReachedError, NoAnswerError, NoTokenError) as failure:
            return failure
        return answer

    def _held_back(self, came: _Came, tried: int, view: OrderView) -> Flow[Outcome | None]:
        """Wait before sending again; an outcome where it must not be sent again, or not now."""
        answer = came if isinstance(came, Answer) else None
        is_busy = answer is not None and answer.http_status == 429
        if not is_busy and not isinstance(came, NeverReachedError):
            return (yield from self._fate(unsettled(answer)))
        if (yield partial(self.client.pause, answer, tried)):
            return None
        if answer is None:
            return Unknown("never_reached", view)
        return Unknown("too_many_requests", view, retry_after(answer))

    def _absent_for_sure(self, view: OrderView) -> Flow[Outcome | None]:
        """Renew a refused token and get the order: only where it is not there may it be sent."""
        stopped = yield from self._authorized(view)
        if stopped is not None:
            return stopped
        polled = yield from self._poll(1)
        if polled.is_absent:
            return None
        now = (yield from self._look()).view
        return settled(now) or polled.leaves_open(now)

    def _fate(self, why: UnknownWhy) -> Flow[Outcome]:
        """Get the order once; without it, a callback or a later call will tell."""
        yield from self._poll(1)
        view = (yield from self._look()).view
        return settled(view) or Unknown(why, view, self.settle_after.total_seconds())

    def _overtaken(self) -> Flow[Outcome]:
        view = (yield from self._look()).view
        return settled(view) or Unknown("in_flight", view, self.settle_after.total_seconds())

    def _claim(self, standing: Standing, attempt: int) -> Flow[tuple[Standing, str] | None]:
        """Record that no answer came so far, under the exchange that begins now.

        None where somebody else sent or answered meanwhile, or the order exists.
        """
        exchange_id = uuid4().hex
        for _ in range(_MOST_CLAIMS):
            now = yield from self._look()
            if now.asked != standing.asked or settled(now.view) is not None:
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
            return now.joined(_key(receipt)), exchange_id
        return None

    def _recorded(self, came: _Came, attempt: int, exchange_id: str) -> Flow[Receipt]:
        answer = came if isinstance(came, Answer) else Answer(0, b"", {})
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
                self.client.get, self.order_id, user_id=self.user_id, tries=tries
            )
        except ProviderError:
            return Polled(None)
        receipt: Receipt = yield partial(
            self.orders.record_poll,
            self.order_id,
            answer.http_status,
            answer.body,
            headers=answer.headers,
        )
        return Polled(answer, receipt.event.received_at)

    def _look(self) -> Flow[Standing]:
        try:
            view = yield partial(self.orders.get, self.order_id)
            history = yield partial(self.orders.history, self.order_id)
        except UnknownOrderError:
            return Standing()
        return Standing.of(view, history)

    def _authorized(self, view: OrderView | None) -> Flow[Refused | Unknown | None]:
        try:
            yield self.client.authorize
        except NoTokenError as unsent:
            return _without_token(unsent, view)
        return None


def _key(receipt: Receipt) -> str:
    return receipt.event.key if isinstance(receipt.event, Event) else ""


def _is_unauthorized(came: _Came) -> bool:
    return isinstance(came, Answer) and came.http_status == 401


def _without_token(unsent: NoTokenError, view: OrderView | None) -> Refused | Unknown:
    if unsent.temporary:
        return Unknown("never_reached", view)
    return Refused("no_token", unsent.http_status, view)
