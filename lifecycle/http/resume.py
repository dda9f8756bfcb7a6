"""Resuming: finishes what a process began that is gone, or that gave up.

    find ─→ begun, outcome unknown ─→ its request and context, as stored ─→ the creation dialogue
                 └─→ heard of lately: left for a later pass

An order is asked about again once as much time has passed since something was heard of it as
between its request and that: at once after a crash, then after twice the time, and so on. So
nothing has to be remembered, and a provider that stays broken costs few events.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Unpack

from lifecycle.core.definition import Definition
from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError
from lifecycle.http.client.calls import kept_arguments
from lifecycle.http.create_order import SETTLE_AFTER
from lifecycle.http.create_order.creation import OrderCreation
from lifecycle.http.create_order.outcome import (
    Correctable,
    Created,
    CreationOutcome,
    Refused,
    Unknown,
    correctable,
)
from lifecycle.http.create_order.port import CreatingClient
from lifecycle.http.flow import Flow
from lifecycle.http.pass_over_orders import (
    call,
    check_at_once,
    check_span,
    folded_views,
    folded_views_async,
    guarded,
    repeated,
    run_all,
    run_all_async,
)
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.begun_request import BegunRequest, Resumed, ResumeOptions
from lifecycle.service.orders import Orders

BEGUN_WITHIN: Final = timedelta(hours=1)
EVERY: Final = timedelta(seconds=30)
AT_ONCE: Final = 4

LOG: Final = logging.getLogger("lifecycle.resuming")

_Result = Literal["created", "correctable", "refused", "unknown", "waiting", "failed"]


class _Rule(NamedTuple):
    settle_after: timedelta
    begun_within: timedelta
    at_once: int
    now: datetime
    on_result: Callable[[str, Any], object] | None


def resume(orders: Orders, client: CreatingClient, **how: Unpack[ResumeOptions]) -> Resumed:
    """Finish, or look up, each create request of unknown outcome; see `Orders.resume`."""
    one_pass = _Pass(orders, client, _rule(**how))
    begun = [
        view
        for status in one_pass.statuses()
        for view in folded_views(LOG, orders.find(status=status))
    ]
    return one_pass.summary(run_all(one_pass.flows(begun), one_pass.rule.at_once))


async def resume_async(
    orders: AsyncOrders, client: CreatingClient, **how: Unpack[ResumeOptions]
) -> Resumed:
    """As `resume`, with a client for coroutines."""
    one_pass = _Pass(orders, client, _rule(**how))
    begun = [
        view
        for status in one_pass.statuses()
        async for view in folded_views_async(LOG, orders.find(status=status))
    ]
    return one_pass.summary(await run_all_async(one_pass.flows(begun), one_pass.rule.at_once))


def keep_resumed(
    client: CreatingClient,
    *,
    every: timedelta = EVERY,
    on_pass: Callable[[Resumed], object] | None = None,
    **how: Unpack[ResumeOptions],
) -> Callable[[AsyncOrders], Awaitable[None]]:
    """Return a background task for the receiver's `Service` that resumes, now and ever again.

    `on_pass` is called with the result of each pass; what it raises is logged. A failure ends
    the pass, not the task: that ends when it is canceled, or when the orders are closed.
    """
    _rule(**how)
    if not isinstance(every, timedelta) or every <= timedelta(0):
        raise InvalidArgumentError("every", "a timedelta above 0")
    run_pass = partial(resume_async, client=client, **how)
    return repeated(LOG, run_pass, _log, on_pass, lambda _: every.total_seconds())


def _rule(
    *,
    settle_after: timedelta = SETTLE_AFTER,
    begun_within: timedelta = BEGUN_WITHIN,
    at_once: int = AT_ONCE,
    now: datetime | None = None,
    on_result: Callable[[str, Any], object] | None = None,
) -> _Rule:
    check_span("settle_after", settle_after)
    check_span("begun_within", begun_within)
    check_at_once(at_once)
    return _Rule(settle_after, begun_within, at_once, now or datetime.now(UTC), on_result)


def _log(found: Resumed) -> None:
    """Log the result of a pass, unless nothing was to be resumed."""
    if found.unknown or found.failed:
        unknown, why = found.unknown + found.failed, found.why or "they are asked about again"
        LOG.warning("%d of %d begun requests stay unknown: %s", unknown, found.begun, why)
    elif found.begun > found.waiting:
        LOG.info("%d begun requests were resumed, %d created", found.begun, found.created)


class _Pass:
    """One pass over the orders whose create request has no known outcome."""

    def __init__(self, orders: Orders | AsyncOrders, client: CreatingClient, rule: _Rule) -> None:
        self.rule = rule
        self._orders = orders
        self._client = client
        self._why: str | None = None

    def statuses(self) -> Iterator[str]:
        """Yield the states in which nobody knows whether there is an order."""
        definition: Definition = self._orders.provider.definition
        for state in definition.states:
            if definition.rank(state) < definition.birth_rank:
                yield state

    def flows(self, begun: Iterable[OrderView]) -> Iterator[Flow[_Result]]:
        """Yield what to do about each order that does not wait for a correction."""
        definition = self._orders.provider.definition
        for view in begun:
            if correctable(view, definition) is None:
                yield guarded(self._resume(view), self._failed)

    def summary(self, results: Iterable[_Result]) -> Resumed:
        """Return the result of the pass."""
        counts = Counter[str](results)
        return Resumed(counts.total(), why=self._why, **counts)

    def _failed(self, why: str) -> _Result:
        self._why = f"a request could not be resumed: {why}"
        LOG.error("%s", self._why)
        return "failed"

    def _resume(self, view: OrderView) -> Flow[_Result]:
        begun: BegunRequest | None = yield partial(self._orders.last_request, view.order_id)
        if begun is not None and not self._is_due(view, begun):
            return "waiting"
        outcome = yield from self._outcome(view, begun)
        if self.rule.on_result is not None:
            call(LOG, "on_result", self.rule.on_result, view.order_id, outcome)
        return _result(outcome)

    def _is_due(self, view: OrderView, begun: BegunRequest) -> bool:
        heard_at = view.arrival.last_received_at
        return self.rule.now - heard_at >= heard_at - begun.begun_at

    def _outcome(self, view: OrderView, begun: BegunRequest | None) -> Flow[CreationOutcome]:
        context = {} if begun is None else begun.context
        where = kept_arguments(self._client, context)
        creation = OrderCreation.of(
            self._orders, self._client, view.order_id, where, self.rule.settle_after
        )
        if begun is None or self.rule.now - begun.begun_at > self.rule.begun_within:
            return (yield from creation.find())
        return (yield from creation.resume(begun.body))


def _result(outcome: CreationOutcome) -> _Result:
    match outcome:
        case Created():
            return "created"
        case Correctable():
            return "correctable"
        case Refused():
            return "refused"
        case Unknown():
            return "unknown"
