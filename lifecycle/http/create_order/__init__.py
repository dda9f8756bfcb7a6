"""The creation dialogue: one call that creates an order, and never creates it twice.

    look ─→ begin ─→ send ─→ record ─┬─→ Created, Correctable, Refused
     ↑     (durable)  ↑              ├─ 429, never opened: wait, claim ──┐
     │                └──────────────┼───────────────────────────────────┘
     │                               └─ no answer, 408, 5xx: get ─→ Created or Unknown
     └── called again or resumed, after a crash or Unknown: get ─→ 404, long enough ago: claim, send

A provider may have no idempotency key, so the log prevents a request from being sent twice.
Before the first sending of an attempt its request is recorded; before every other one a
*claim*: the fact that no answer came so far, under the exchange that begins next, and only if
nothing else was recorded. Of several callers who want to send, exactly one can.

A request with an unknown outcome is resent only after the provider answered that it has no
such order, and only once `settle_after` has passed since it was last sent: until then it may
still be in flight. The remaining risk is a provider that answers 404 and creates the order
later than that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from lifecycle.http.create_order.creation import OrderCreation
from lifecycle.http.create_order.outcome import (
    Correctable,
    Created,
    CreationOutcome,
    Refused,
    Unknown,
)
from lifecycle.http.create_order.port import CreateRequest, CreatingClient, JsonRequest
from lifecycle.http.flow import run, run_async
from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.orders import Orders

__all__ = [
    "Correctable",
    "CreateRequest",
    "Created",
    "CreatingClient",
    "CreationOutcome",
    "JsonRequest",
    "Refused",
    "Unknown",
    "create_order",
    "create_order_async",
    "find_outcome",
    "find_outcome_async",
]

SETTLE_AFTER: Final = timedelta(seconds=60)


def create_order(
    orders: Orders,
    client: CreatingClient,
    request: CreateRequest,
    *,
    settle_after: timedelta = SETTLE_AFTER,
    context: Mapping[str, Any] | None = None,
    **where: Any,
) -> CreationOutcome:
    """Create an order, and return what became of it.

    The request is durable before it is sent, and every exchange is recorded. Call it again
    after a crash, after `Unknown`, or with what the customer corrected: an order that
    exists is returned, not made again. Two calls at a time make one order.

    Args:
        orders: where everything is recorded.
        client: how the provider is reached.
        request: what to create.
        settle_after: how long a request may be on its way; never less than one
            exchange of this client takes.
        context: what to keep with the request, never sent: see `Orders.last_request`.
        where: what the client's calls take beside, such as a customer's `user_id`. What
            `resume` needs of it is kept with the request.

    Raises:
        InvalidArgumentError: an argument is of no use.
        StoreError: the log failed; call again, and what was sent is found out first.
    """
    creation = OrderCreation.of(orders, client, request.order_id, where, settle_after)
    return run(creation.create(request, context))


async def create_order_async(
    orders: AsyncOrders,
    client: CreatingClient,
    request: CreateRequest,
    *,
    settle_after: timedelta = SETTLE_AFTER,
    context: Mapping[str, Any] | None = None,
    **where: Any,
) -> CreationOutcome:
    """Create an order, and return what became of it; as `create_order`."""
    creation = OrderCreation.of(orders, client, request.order_id, where, settle_after)
    return await run_async(creation.create(request, context))


def find_outcome(
    orders: Orders, client: CreatingClient, order_id: str | int, **where: Any
) -> CreationOutcome:
    """Ask the provider for an order, record the answer, and return what became of the order.

    Nothing is created or sent again. The answer is recorded as a poll.

    Raises:
        InvalidArgumentError: an argument is of no use.
        StoreError: the log failed.
    """
    return run(OrderCreation.of(orders, client, order_id, where, SETTLE_AFTER).find())


async def find_outcome_async(
    orders: AsyncOrders, client: CreatingClient, order_id: str | int, **where: Any
) -> CreationOutcome:
    """Ask for an order and return what became of it; as `find_outcome`."""
    return await run_async(OrderCreation.of(orders, client, order_id, where, SETTLE_AFTER).find())
