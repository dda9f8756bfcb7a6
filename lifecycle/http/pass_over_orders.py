"""A pass over many orders: some at a time, and one order's trouble ends no pass and no task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import ParamSpec, TypeVar

from lifecycle.core.argument import type_name
from lifecycle.core.view import OrderView
from lifecycle.errors import (
    InvalidArgumentError,
    NotEnteredError,
    OpenedElsewhereError,
    PoisonedOrdersError,
    StoreClosedError,
    StoredFormatError,
    StoreError,
    StoreUnavailableError,
)
from lifecycle.http.flow import Flow, run, run_async
from lifecycle.service.async_orders import AsyncOrders

P = ParamSpec("P")
T = TypeVar("T")


def check_span(name: str, span: object) -> None:
    """Refuse what is no span of time from 0.

    Raises:
        InvalidArgumentError: it is none.
    """
    if not isinstance(span, timedelta) or span < timedelta(0):
        raise InvalidArgumentError(name, "a timedelta, not negative")


def check_at_once(at_once: object) -> None:
    """Refuse what is no number of orders at a time.

    Raises:
        InvalidArgumentError: it is none.
    """
    if not isinstance(at_once, int) or at_once < 1:
        raise InvalidArgumentError("at_once", "an integer from 1")


def run_all(flows: Iterable[Flow[T]], at_once: int) -> list[T]:
    """Run flows, so many at a time, and return their results."""
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(run, flows))


async def run_all_async(flows: Iterable[Flow[T]], at_once: int) -> list[T]:
    """As `run_all`, for the tasks of an event loop."""
    gate = asyncio.Semaphore(at_once)

    async def run_one(flow: Flow[T]) -> T:
        async with gate:
            return await run_async(flow)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_one(flow)) for flow in flows]
    except* StoreError as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def guarded(flow: Flow[T], failed: Callable[[str], T]) -> Flow[T]:
    """Return what the flow of one order does, or what `failed` makes of the reason.

    Raises:
        StoreError: the log failed, which concerns every order.
    """
    try:
        return (yield from flow)
    except StoredFormatError:
        return failed("what is stored of it is damaged")
    except (StoreError, OpenedElsewhereError, NotEnteredError):
        raise
    except Exception as trouble:  # noqa: BLE001 - one order must not stop the others
        return failed(f"unexpected {type_name(trouble)}")


def call(
    log: logging.Logger, name: str, function: Callable[P, object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Call a function of the user's, and log what it raises."""
    try:
        function(*args, **kwargs)
    except Exception as failed:  # noqa: BLE001 - its text may be personal
        log.error("%s failed with %s", name, type_name(failed))  # noqa: TRY400 - as above


def folded_views(log: logging.Logger, views: Iterable[OrderView]) -> Iterator[OrderView]:
    """Yield all views; `find` raises for orders without one after all others."""
    try:
        yield from views
    except PoisonedOrdersError as poisoned:
        _log_poisoned(log, poisoned)


async def folded_views_async(
    log: logging.Logger, views: AsyncIterator[OrderView]
) -> AsyncIterator[OrderView]:
    """As `folded_views`."""
    try:
        async for view in views:
            yield view
    except PoisonedOrdersError as poisoned:
        _log_poisoned(log, poisoned)


def _log_poisoned(log: logging.Logger, poisoned: PoisonedOrdersError) -> None:
    log.error("orders that cannot be folded and are not asked for: %d", poisoned.count)


def repeated(
    log: logging.Logger,
    one_pass: Callable[[AsyncOrders], Awaitable[T]],
    report: Callable[[T], object],
    on_pass: Callable[[T], object] | None,
    pause: Callable[[T | None], float],
) -> Callable[[AsyncOrders], Awaitable[None]]:
    """Return a background task that repeats a pass and a pause of so many seconds.

    A failure ends the pass, not the task: that ends when it is canceled, or when the orders
    are closed. `report` logs what a pass found; `on_pass` is the user's.
    """

    async def keep(orders: AsyncOrders) -> None:
        while True:
            found = await _run_pass(log, one_pass(orders))
            if found is not None:
                report(found)
                if on_pass is not None:
                    call(log, "on_pass", on_pass, found)
            await asyncio.sleep(pause(found))

    return keep


async def _run_pass(log: logging.Logger, running: Awaitable[T]) -> T | None:
    """Return the result of a pass; None: it failed, which is logged."""
    try:
        return await running
    except (StoreClosedError, NotEnteredError, OpenedElsewhereError):
        raise
    except StoreUnavailableError as failed:
        log.warning("the pass ended: %s", failed)
    except Exception as failed:  # noqa: BLE001 - its text may be personal, and a later pass may succeed
        log.error("the pass ended: unexpected %s", type_name(failed))  # noqa: TRY400 - as above
    return None
