"""Flows: code over HTTP that is written once, for sync and async callers.

    flow ──yields an effect──→ driver ──calls it, or calls and awaits it──→ result
      ↑                                                                       │
      └──────────────── sent, or thrown if it is an exception ←───────────────┘

A flow has no side effects of its own: sockets, sleeps and the log are reached by effects. An
effect is a call without arguments that returns its result, or an awaitable of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from lifecycle.service.receipt import AsyncReceipt, Receipt

T = TypeVar("T")

Effect = Callable[[], Any]
"""What a flow asks its driver to do; the flow knows the type of the result."""

Flow = Generator[Effect, Any, T]
"""A generator of effects that returns `T`."""


def folded(receipt: Receipt) -> Flow[Receipt]:
    """Return a receipt whose change and view may be read, under both drivers."""
    if isinstance(receipt, AsyncReceipt):
        done: Receipt = yield receipt.folded
        return done
    return receipt


def run(flow: Flow[T]) -> T:
    """Run a flow whose effects return their results."""
    result, failure = None, None
    while True:
        try:
            effect = flow.send(result) if failure is None else flow.throw(failure)
        except StopIteration as stopped:
            done: T = stopped.value
            return done
        finally:
            failure = None
        try:
            result = effect()
        except BaseException as raised:  # noqa: BLE001 - the flow releases what it holds
            failure = raised


async def run_async(flow: Flow[T]) -> T:
    """Run a flow whose effects return awaitables."""
    result, failure = None, None
    while True:
        try:
            effect = flow.send(result) if failure is None else flow.throw(failure)
        except StopIteration as stopped:
            done: T = stopped.value
            return done
        finally:
            failure = None
        try:
            result = await effect()
        except BaseException as raised:  # noqa: BLE001 - a cancelled task, too
            failure = raised
