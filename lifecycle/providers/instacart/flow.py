"""Flows: what is done over HTTP, written once for sync and async callers alike.

    flow ──yields a step──→ driver ──calls it, or calls and awaits it──→ result
      ↑                                                                    │
      └──────────── sent in, or thrown in where it is an exception ←───────┘

A flow decides and does nothing itself: no socket, no sleep, no log is touched but by a
step. A step is a call without arguments that returns its result, or an awaitable of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from lifecycle.service.receipt import AsyncReceipt, Receipt

T = TypeVar("T")

Step = Callable[[], Any]
"""What a flow asks its driver to do; the flow knows what comes back."""

Flow = Generator[Step, Any, T]
"""A generator of steps that returns `T`."""


def folded(receipt: Receipt) -> Flow[Receipt]:
    """Return a receipt whose change and view may be read, whoever drives."""
    if isinstance(receipt, AsyncReceipt):
        done: Receipt = yield receipt.folded
        return done
    return receipt


def run(flow: Flow[T]) -> T:
    """Return what a flow returns; each step returns its result."""
    resume: Callable[[], Step] = flow.__next__
    while True:
        try:
            step = resume()
        except StopIteration as stopped:
            done: T = stopped.value
            return done
        try:
            result = step()
        except BaseException as failure:  # noqa: BLE001 - a flow gives back what it holds
            resume = _thrown(flow, failure)
        else:
            resume = _sent(flow, result)


async def run_async(flow: Flow[T]) -> T:
    """Return what a flow returns; each step returns an awaitable of its result."""
    resume: Callable[[], Step] = flow.__next__
    while True:
        try:
            step = resume()
        except StopIteration as stopped:
            done: T = stopped.value
            return done
        try:
            result = await step()
        except BaseException as failure:  # noqa: BLE001 - a cancelled task, too
            resume = _thrown(flow, failure)
        else:
            resume = _sent(flow, result)


def _sent(flow: Flow[Any], result: object) -> Callable[[], Step]:
    return lambda: flow.send(result)


def _thrown(flow: Flow[Any], failure: BaseException) -> Callable[[], Step]:
    return lambda: flow.throw(failure)
