"""Logs into which no rules go: what a test counts there, and where it stands, is its own."""

from __future__ import annotations

from typing import Any, Self

import lifecycle
from lifecycle import AsyncOrders, Orders


def connect(url: str = "memory:", **options: Any) -> Orders:
    """Return the orders of a log, as `lifecycle.connect` does, without any rules declared."""
    orders = lifecycle.connect(url, **options)
    orders.log.declare_rules({})
    return orders


class _Undeclared(AsyncOrders):
    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.log.declare_rules({})
        return self


def connect_async(url: str = "memory:", **options: Any) -> AsyncOrders:
    """Return the same for coroutines."""
    orders = lifecycle.connect_async(url, **options)
    orders.__class__ = _Undeclared
    return orders
