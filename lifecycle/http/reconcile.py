"""Reconciliation: replaces lost callbacks by polling the provider.

    find ─→ overdue? ─→ GET ─→ record_poll, with its Date ─→ moved, unmoved, missing, refused
                         ├─→ no answer: nothing is recorded, and a later pass polls again
                         └─→ failed: your function raised, or the stored order is damaged

An order is overdue if it waits for the provider for longer than a limit. Nobody can know
whether a callback is lost or late; a poll shows the current state either way, and a late
callback still folds into place. A failure of one order is logged, by its type only, and the
pass continues.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Protocol

from lifecycle.core.argument import type_name
from lifecycle.core.view import OrderView
from lifecycle.errors import InvalidArgumentError, NeverReachedError, NoTokenError, ProviderError
from lifecycle.http.client import Answer
from lifecycle.http.client.calls import kept_arguments, shown_arguments
from lifecycle.http.client.retries import retry_after
from lifecycle.http.flow import Flow, folded
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
from lifecycle.service.begun_request import BegunRequest
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

LONGER_THAN: Final = timedelta(minutes=15)
INTERVAL: Final = timedelta(minutes=5)
AT_ONCE: Final = 4
LONGEST_PAUSE: Final = 3600.0
"""Seconds: the longest pause between passes, whatever `Retry-After` asks for."""

LOG: Final = logging.getLogger("lifecycle.reconciling")

Result = Literal["moved", "unmoved", "missing", "refused", "unanswered", "not_asked", "failed"]
"""The result of polling one order; see `Reconciled`."""

UserOf = Callable[[OrderView], str | None]
"""Takes an order's view and returns the customer's id at the provider; None: the client's own.

A plain function that does not block: `reconcile` calls it from several threads at a time,
`reconcile_async` in the event loop. If it raises or returns anything else, the order is not
polled and counts as `failed`.
"""


class GettingClient(Protocol):
    """A client that can get orders: the `Answer`, or an awaitable of it."""

    @property
    def get(self) -> Callable[..., Any]:
        """Gets an order by its id; takes a customer's `user_id`, too, where there is one."""


OnResult = Callable[[str, Result], object]
"""Called with each order's id and result; what it raises is logged."""

# Only we can end these: the provider does not know of them.
_NOT_THE_PROVIDERS: Final = frozenset({"correction", "resend"})
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True)
class Reconciled:
    """The result of one pass.

    Of the `overdue` orders, `moved` have a new status, `unmoved` the same one, `missing` are
    unknown to the provider (404, or not in its list), `refused` were answered otherwise,
    `unanswered` not at all.
    `not_asked`: the provider was busy or unreachable, and the pass ended; `retry_after` is
    how many seconds it asked to wait, if any. `failed`: an error on our side, as in `user_of`.
    `why` says why an order was not answered; None: all were.
    """

    overdue: int = 0
    moved: int = 0
    unmoved: int = 0
    missing: int = 0
    refused: int = 0
    unanswered: int = 0
    not_asked: int = 0
    failed: int = 0
    retry_after: float | None = None
    why: str | None = None


@dataclass(frozen=True)
class OverdueRule:
    """When an order is polled.

    `longer_than`: how long it must have waited. `interval`: how long nothing, not even a
    poll, may have been recorded of it. `at_once`: how many orders are polled at a time.
    """

    longer_than: timedelta = LONGER_THAN
    interval: timedelta = INTERVAL
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        check_span("longer_than", self.longer_than)
        check_span("interval", self.interval)
        check_at_once(self.at_once)


def is_overdue(view: OrderView, now: datetime, rule: OverdueRule) -> bool:
    """Tell whether an order has waited for the provider for too long.

    The provider's clock may be ahead of ours, so the last arrival counts if it is earlier.
    """
    last_heard_at = view.arrival.last_received_at
    since = min(view.arrival.waiting_since, last_heard_at)
    return (
        not _NOT_THE_PROVIDERS.issuperset(view.awaiting)
        and now - since > rule.longer_than
        and now - last_heard_at >= rule.interval
    )


def reconcile(
    orders: Orders,
    client: GettingClient,
    *,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    now: datetime | None = None,
    on_result: OnResult | None = None,
) -> Reconciled:
    """Poll every overdue order, record the answers, and return the result.

    Args:
        orders: the orders to look through and to record answers in.
        client: polls the provider; threads share it.
        longer_than: how long an order must have waited.
        interval: how long nothing, not even a poll, may have been recorded of it.
        at_once: how many orders are polled at a time.
        user_of: takes an order's view and returns the customer's id at the provider, None for
            the client's own; see `UserOf`. By default the id that was kept with the request.
        now: the time that waiting is measured at; the current time by default.
        on_result: takes an order's id and result; called from any thread.

    Raises:
        InvalidArgumentError: an argument is invalid.
        StoreError: the log failed; what was recorded stays.
    """
    rule = OverdueRule(longer_than, interval, at_once)
    at = now or datetime.now(UTC)
    found = folded_views(LOG, orders.find(now=at))
    due = [view for view in found if is_overdue(view, at, rule)]
    one_pass = _Pass(orders, client, user_of, on_result)
    return one_pass.summary(run_all(map(one_pass.poll, due), rule.at_once))


async def reconcile_async(
    orders: AsyncOrders,
    client: GettingClient,
    *,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    now: datetime | None = None,
    on_result: OnResult | None = None,
) -> Reconciled:
    """As `reconcile`, with a client for coroutines."""
    rule = OverdueRule(longer_than, interval, at_once)
    at = now or datetime.now(UTC)
    found = folded_views_async(LOG, orders.find(now=at))
    due = [view async for view in found if is_overdue(view, at, rule)]
    one_pass = _Pass(orders, client, user_of, on_result)
    return one_pass.summary(await run_all_async(map(one_pass.poll, due), rule.at_once))


def keep_reconciled(
    client: GettingClient,
    *,
    every: timedelta = INTERVAL,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    on_pass: Callable[[Reconciled], object] | None = None,
) -> Callable[[AsyncOrders], Awaitable[None]]:
    """Return a background task for the receiver's `Service` that repeats a pass and a pause.

    The pause is `every`, or up to an hour if the provider asks for it. `on_pass` is called
    with the result of each pass; what it raises is logged. A failure ends the pass, not the
    task: that ends when it is canceled, or when the orders are closed.
    """
    OverdueRule(longer_than, interval, at_once)
    if not isinstance(every, timedelta) or every <= timedelta(0):
        raise InvalidArgumentError("every", "a timedelta above 0")

    run_pass = partial(
        reconcile_async,
        client=client,
        longer_than=longer_than,
        interval=interval,
        at_once=at_once,
        user_of=user_of,
    )

    def pause(found: Reconciled | None) -> float:
        requested = (found and found.retry_after) or 0.0
        return max(every.total_seconds(), min(requested, LONGEST_PAUSE))

    return repeated(LOG, run_pass, _log, on_pass, pause)


def _log(found: Reconciled) -> None:
    """Log the result of a pass, unless nothing was overdue."""
    unanswered = found.unanswered + found.not_asked + found.failed
    if unanswered:
        why = found.why or "the provider is busy"
        LOG.warning("%d of %d overdue orders were not answered: %s", unanswered, found.overdue, why)
    elif found.overdue:
        LOG.info("%d orders were overdue, %d of them moved", found.overdue, found.moved)


class _Pass:
    """One pass over the overdue orders; it ends early if the provider is busy."""

    def __init__(
        self,
        orders: Orders | AsyncOrders,
        client: GettingClient,
        user_of: UserOf | None,
        on_result: OnResult | None,
    ) -> None:
        self._orders = orders
        self._client = client
        self._user_of = user_of
        self._on_result = on_result
        self._ended = False
        self._retry_after: float | None = None
        self._why: str | None = None

    def poll(self, due: OrderView) -> Flow[Result]:
        """Poll one order, record the answer, and return the result.

        Raises:
            StoreError: the log failed, which concerns every order.
        """
        result: Result = yield from guarded(self._poll(due), self._failed)
        if self._on_result is not None:
            call(LOG, "on_result", self._on_result, due.order_id, result)
        return result

    def _where(self, due: OrderView) -> Flow[dict[str, Any]]:
        """Return what the call takes beside the order: by its view, `user_of`, or its request."""
        shown = dict(shown_arguments(self._client, due))
        if self._user_of is not None:
            user_id = self._user_of(due)
            return shown if user_id is None else {**shown, "user_id": user_id}
        begun: BegunRequest | None = yield partial(self._orders.last_request, due.order_id)
        return shown if begun is None else shown | kept_arguments(self._client, begun.context)

    def _failed(self, why: str) -> Result:
        self._why = f"an order could not be asked for: {why}"
        LOG.error("%s", self._why)
        return "failed"

    def summary(self, results: Iterable[Result]) -> Reconciled:
        """Return the result of the pass."""
        counts = Counter[str](results)
        return Reconciled(counts.total(), retry_after=self._retry_after, why=self._why, **counts)

    def _poll(self, due: OrderView) -> Flow[Result]:
        if self._ended:
            return "not_asked"
        where = yield from self._where(due)
        if not isinstance(user_id := where.get("user_id", ""), str):
            return self._failed(f"user_of returned {type_name(user_id)}, expected text or None")
        try:
            answer: Answer = yield partial(self._client.get, due.order_id, **where)
        except ProviderError as failure:
            self._why = str(failure)
            self._ended = self._ended or isinstance(failure, NeverReachedError | NoTokenError)
            return "unanswered"
        if answer.http_status in _BUSY:
            self._ended = True
            self._retry_after = retry_after(answer)
        if not answer.about_order:
            return "missing"
        receipt: Receipt = yield partial(
            self._orders.record_poll,
            due.order_id,
            answer.http_status,
            answer.body,
            headers=answer.headers,
        )
        if answer.http_status == 404:
            return "missing"
        if answer.http_status // 100 != 2:
            return "refused"
        return "unmoved" if (yield from folded(receipt)).change is None else "moved"
