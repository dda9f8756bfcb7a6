"""Routes as a table, and the operation that most providers have: cancellation."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lifecycle.simulator.http import Reply, Request
from lifecycle.simulator.order import CreatedOrder, Order
from lifecycle.simulator.order_api import OrderApi
from lifecycle.simulator.port import Operation, Route

_OF_ORDER = "{order_id}"
_OF_ACCOUNT = "{account}"


def route_by(**routes: str) -> Callable[[Request], Route | None]:
    """Return a function that tells what a request is about.

        route_by(create="POST /parcels", get="GET /parcels/{order_id}")

    Each operation has a method and a path, in which `{order_id}` and `{account}` stand for a
    part each, or for the end of one. Another method on such a path is answered as the wrong one.
    """
    rows = [(name, *route.split(" /")) for name, route in routes.items()]
    known = [(name, method, tuple(path.split("/"))) for name, method, path in rows]

    def route(request: Request) -> Route | None:
        fitting = [
            (method, Route(name, parts.get(_OF_ORDER, ""), parts.get(_OF_ACCOUNT, "")))
            for name, method, path in known
            if (parts := _parts(path, request.path)) is not None
        ]
        found = [route for method, route in fitting if method == request.method]
        return found[0] if found else Route("wrong_method") if fitting else None

    return route


def _parts(pattern: tuple[str, ...], path: tuple[str, ...]) -> dict[str, str] | None:
    """Return what stands for the parts in braces, None where a path does not fit."""
    if len(pattern) != len(path):
        return None
    parts = {}
    for wanted, part in zip(pattern, path, strict=True):
        before, brace, name = wanted.partition("{")
        if not (part.startswith(before) if brace else part == wanted):
            return None
        parts[brace + name] = part.removeprefix(before)
    return parts


def cancel_to(
    status: str, *, while_in: Collection[str], refused: Reply, **fields: object
) -> Operation:
    """Return the operation that cancels an order while it is in some statuses.

    `fields` are those of the order object that change with the status.
    """

    def cancel(api: OrderApi, order: Order, created: CreatedOrder) -> Reply:
        now = api.clock.now()
        if api.status(created, now) not in while_in:
            return refused
        created.cancel_planned(now)
        api.apply(order, created, status, now, **fields)
        return api.show(created)

    return cancel
