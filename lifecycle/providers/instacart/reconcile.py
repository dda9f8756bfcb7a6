"""Reconciling: a lost callback is made good by asking the provider, not by forging one.

    find ─→ overdue? ─→ GET ─→ record_poll, with its Date ─→ moved, unmoved, missing, refused
                         ├─→ no answer: nothing is recorded, and it is asked again later
                         └─→ failed: a function of yours, or what is stored of this order

An order is overdue if it waits for the provider and has done so for longer than a limit.
Nobody can know whether a callback was lost or is only late; a poll says where the order
stands either way, and what comes later still finds its place. What goes wrong with one
order is logged, by its kind alone, and the others are asked for all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal, ParamSpec

from lifecycle.core.guarded_provider import type_name
from lifecycle.core.view import OrderView
from lifecycle.errors import (
    InvalidArgumentError,
    NeverReachedError,
    NotEnteredError,
    NoTokenError,
    OpenedElsewhereError,
    PoisonedOrdersError,
    ProviderError,
    StoreClosedError,
    StoredFormatError,
    StoreError,
    StoreUnavailableError,
)
from lifecycle.providers.instacart.client import Answer, AsyncClient, Client
from lifecycle.providers.instacart.client.retries import retry_after
from lifecycle.providers.instacart.exchanges import is_success
from lifecycle.providers.instacart.flow import Flow, folded, run, run_async
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import Receipt

LONGER_THAN: Final = timedelta(minutes=15)
INTERVAL: Final = timedelta(minutes=5)
AT_ONCE: Final = 4
LONGEST_REST: Final = 3600.0
"""Seconds. However long a provider asks to be left alone, it is asked again after that."""

LOG: Final = logging.getLogger("lifecycle.reconciling")

Result = Literal["moved", "unmoved", "missing", "refused", "unanswered", "not_asked", "failed"]
"""What asking for one order came to: see `Reconciled`."""

UserOf = Callable[[OrderView], str | None]
"""Takes an order's view and returns the customer's id at the provider; None: the client's own.

A plain function that does not wait: `reconcile` calls it from several threads at a time,
`reconcile_async` in the event loop. An order for which it raises, or returns anything else, is
not asked for: it counts as `failed`.
"""

Told = Callable[[str, Result], object]
"""Is told of each order, by its id, and what came of asking for it. What it raises is logged."""

P = ParamSpec("P")

# What only we can end: the provider knows nothing of it.
_OURS: Final = frozenset({"correction", "resend"})
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True)
class Reconciled:
    """What one pass found.

    `overdue` orders waited too long; of these, `moved` stand elsewhere now, `unmoved` where
    they stood, `missing` are unknown to the provider (404), `refused` were answered
    otherwise, `unanswered` not at all. `not_asked`: the provider was busy or out of reach,
    and the pass ended; `retry_after` is how many seconds it asked to wait, if it said.
    `failed`: something of ours went wrong with the order, as where `user_of` raised.
    `why` tells in words of ours why an order was not answered, None if all were.
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
class Limits:
    """When an order is asked for.

    `longer_than`: how long it must have waited. `interval`: how long nothing may have
    been heard of it, an earlier poll included. `at_once`: how many at a time.
    """

    longer_than: timedelta = LONGER_THAN
    interval: timedelta = INTERVAL
    at_once: int = AT_ONCE

    def __post_init__(self) -> None:
        for name in ("longer_than", "interval"):
            span = getattr(self, name)
            if not isinstance(span, timedelta) or span < timedelta(0):
                raise InvalidArgumentError(name, "a timedelta, not negative")
        if not isinstance(self.at_once, int) or self.at_once < 1:
            raise InvalidArgumentError("at_once", "an integer from 1")


def is_overdue(view: OrderView, now: datetime, limits: Limits) -> bool:
    """Tell whether an order waits for the provider, and has done so for too long.

    The provider's clock may be ahead of ours: an order waits at least since it was last
    heard of.
    """
    heard_at = view.arrival.last_received_at
    since = min(view.arrival.waiting_since, heard_at)
    return (
        not _OURS.issuperset(view.awaiting)
        and now - since > limits.longer_than
        and now - heard_at >= limits.interval
    )


def reconcile(
    orders: Orders,
    client: Client,
    *,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    now: datetime | None = None,
    told: Told | None = None,
) -> Reconciled:
    """Ask the provider for every overdue order, record the answers, and return what was found.

    Args:
        orders: whose views are looked at, and where answers are recorded.
        client: how the provider is asked; threads share it.
        longer_than: how long an order must have waited.
        interval: how long nothing may have been heard of it, an earlier poll included.
        at_once: how many orders are asked for at a time.
        user_of: takes an order's view and returns the customer's id at the provider, None for
            the client's own; see `UserOf`.
        now: against which waiting counts; the clock's time by default.
        told: takes an order's id and what came of asking for it; called from any thread.

    Raises:
        InvalidArgumentError: an argument is of no use.
        StoreError: the log failed; what was recorded stays.
    """
    limits = Limits(longer_than, interval, at_once)
    at = now or datetime.now(UTC)
    due = [view for view in _folded(orders.find(now=at)) if is_overdue(view, at, limits)]
    asking = _Pass(orders, client, user_of, told)
    with ThreadPoolExecutor(limits.at_once) as threads:
        results = list(threads.map(lambda one: run(asking.ask(one)), due))
    return asking.counted(results)


async def reconcile_async(
    orders: AsyncOrders,
    client: AsyncClient,
    *,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    now: datetime | None = None,
    told: Told | None = None,
) -> Reconciled:
    """Ask the provider for every overdue order; as `reconcile`, with an `AsyncClient`."""
    limits = Limits(longer_than, interval, at_once)
    at = now or datetime.now(UTC)
    found = _folded_async(orders.find(now=at))
    due = [view async for view in found if is_overdue(view, at, limits)]
    asking, gate = _Pass(orders, client, user_of, told), asyncio.Semaphore(limits.at_once)

    async def ask(one: OrderView) -> Result:
        async with gate:
            return await run_async(asking.ask(one))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(one)) for one in due]
    except* StoreError as failed:
        raise failed.exceptions[0] from None
    return asking.counted([task.result() for task in tasks])


def keep_reconciled(
    client: AsyncClient,
    *,
    every: timedelta = INTERVAL,
    longer_than: timedelta = LONGER_THAN,
    interval: timedelta = INTERVAL,
    at_once: int = AT_ONCE,
    user_of: UserOf | None = None,
    passed: Callable[[Reconciled], object] | None = None,
) -> Callable[[AsyncOrders], Awaitable[None]]:
    """Return a background task for the receiver's `Service`: a pass, a pause, and again.

    The pause is `every`, or up to an hour where the provider asks for it. `passed` is told
    what each pass found; what it raises is logged. Whatever goes wrong ends the pass, not the
    task: that ends when it is canceled, or when the orders were closed.
    """
    Limits(longer_than, interval, at_once)
    if not isinstance(every, timedelta) or every <= timedelta(0):
        raise InvalidArgumentError("every", "a timedelta above 0")

    async def keep(orders: AsyncOrders) -> None:
        while True:
            one_pass = reconcile_async(
                orders,
                client,
                longer_than=longer_than,
                interval=interval,
                at_once=at_once,
                user_of=user_of,
            )
            found = await _survived(one_pass)
            if passed is not None and found is not None:
                _tell("passed", passed, found)
            asked = (found and found.retry_after) or 0.0
            await asyncio.sleep(max(every.total_seconds(), min(asked, LONGEST_REST)))

    return keep


async def _survived(one_pass: Awaitable[Reconciled]) -> Reconciled | None:
    """Return what a pass found, and log it; None where it could not go on to its end."""
    try:
        found = await one_pass
    except (StoreClosedError, NotEnteredError, OpenedElsewhereError):
        raise
    except StoreUnavailableError as failed:
        LOG.warning("the pass ended: %s", failed)
        return None
    except Exception as failed:  # noqa: BLE001 - its text may be personal, and a later pass may go well
        LOG.error("the pass ended: unexpected %s", type_name(failed))  # noqa: TRY400 - as above
        return None
    _log(found)
    return found


def _log(found: Reconciled) -> None:
    """Say what a pass came to, unless it had nothing to do."""
    unheard = found.unanswered + found.not_asked + found.failed
    if unheard:
        why = found.why or "the provider is busy"
        LOG.warning("%d of %d overdue orders were not answered: %s", unheard, found.overdue, why)
    elif found.overdue:
        LOG.info("%d orders were overdue, %d of them moved", found.overdue, found.moved)


def _folded(views: Iterable[OrderView]) -> Iterator[OrderView]:
    """Yield the views that there are; `find` tells of orders without one after all others."""
    try:
        yield from views
    except PoisonedOrdersError as poisoned:
        _log_poisoned(poisoned)


async def _folded_async(views: AsyncIterator[OrderView]) -> AsyncIterator[OrderView]:
    """Yield the views that there are; as `_folded`."""
    try:
        async for view in views:
            yield view
    except PoisonedOrdersError as poisoned:
        _log_poisoned(poisoned)


def _log_poisoned(poisoned: PoisonedOrdersError) -> None:
    LOG.error("orders that cannot be folded and are not asked for: %d", poisoned.count)


def _tell(name: str, tell: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function of the user's that is only told something; its trouble is no order's."""
    try:
        tell(*args, **kwargs)
    except Exception as failed:  # noqa: BLE001 - its text may be personal
        LOG.error("%s failed with %s", name, type_name(failed))  # noqa: TRY400 - as above


class _Pass:
    """One pass over the overdue orders; it ends early once the provider is busy."""

    def __init__(
        self,
        orders: Orders | AsyncOrders,
        client: Client | AsyncClient,
        user_of: UserOf | None,
        told: Told | None,
    ) -> None:
        self._orders = orders
        self._client = client
        self._user_of = user_of
        self._told = told
        self._is_over = False
        self._retry_after: float | None = None
        self._why: str | None = None

    def ask(self, due: OrderView) -> Flow[Result]:
        """Ask for one order, record the answer, and tell what came of it.

        Raises:
            StoreError: the log failed, which is no trouble of one order.
        """
        try:
            result = yield from self._ask(due)
        except StoredFormatError:
            result = self._failed("what is stored of it is damaged")
        except (StoreError, OpenedElsewhereError, NotEnteredError):
            raise
        except Exception as failed:  # noqa: BLE001 - one order's trouble is no other's
            result = self._failed(f"unexpected {type_name(failed)}")
        if self._told is not None:
            _tell("told", self._told, due.order_id, result)
        return result

    def _failed(self, why: str) -> Result:
        self._why = f"an order could not be asked for: {why}"
        LOG.error("%s", self._why)
        return "failed"

    def counted(self, results: Iterable[Result]) -> Reconciled:
        """Return what the pass found."""
        counts = Counter[str](results)
        return Reconciled(counts.total(), retry_after=self._retry_after, why=self._why, **counts)

    def _ask(self, due: OrderView) -> Flow[Result]:
        if self._is_over:
            return "not_asked"
        user_id = None if self._user_of is None else self._user_of(due)
        if user_id is not None and not isinstance(user_id, str):
            return self._failed(f"user_of returned {type_name(user_id)}, expected text or None")
        try:
            answer: Answer = yield partial(self._client.get, due.order_id, user_id=user_id)
        except ProviderError as failure:
            self._why = str(failure)
            self._is_over = self._is_over or isinstance(failure, NeverReachedError | NoTokenError)
            return "unanswered"
        if answer.http_status in _BUSY:
            self._is_over = True
            self._retry_after = retry_after(answer)
        receipt: Receipt = yield partial(
            self._orders.record_poll,
            due.order_id,
            answer.http_status,
            answer.body,
            headers=answer.headers,
        )
        if answer.http_status == 404:
            return "missing"
        if not is_success(answer.http_status):
            return "refused"
        return "unmoved" if (yield from folded(receipt)).change is None else "moved"
