"""A whole service: the receiver, mounted apps, and background tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final, Self

from lifecycle.http.receiver.asgi import (
    App,
    Receive,
    Receiver,
    Scope,
    Send,
    mount_path,
    path_under_mount,
    run_lifespan,
)
from lifecycle.http.receiver.change_notifier import is_being_canceled
from lifecycle.service.async_orders import AsyncOrders

Background = Callable[[AsyncOrders], Awaitable[None]]
"""Runs in the background until the service stops, and is then canceled."""

LOG: Final = logging.getLogger("lifecycle.receiver")


class Service:
    """An ASGI app made of parts; its lifespan opens the orders and runs the background tasks.

    Args:
        receiver: answers every request that no mount answers.
        mounts: other ASGI apps by mount path, such as `/orders`.
        background: coroutine functions by name. One that ends or fails shows at `/health`;
            the receiver continues.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        mounts: Mapping[str, App] | None = None,
        background: Mapping[str, Background] | None = None,
    ) -> None:
        self.receiver = receiver
        self._mounts = sorted((mounts or {}).items(), key=lambda mount: -len(mount[0]))
        self._background = background or {}
        self._stack = AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request, or run one lifespan."""
        if scope["type"] == "lifespan":
            await run_lifespan(self, receive, send)
            return
        root, below = mount_path(scope), path_under_mount(scope)
        for path, app in self._mounts:
            if f"{below}/".startswith(f"{path}/"):
                mounted = {"root_path": root + path, "path": root + below}
                await app({**scope, **mounted}, receive, send)
                return
        await self.receiver(scope, receive, send)

    async def __aenter__(self) -> Self:
        """Open the orders, and start the background tasks."""
        await self._stack.enter_async_context(self.receiver)
        for name, run in self._background.items():
            task = asyncio.create_task(self._run(name, run), name=name)
            self._stack.push_async_callback(_end, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the background tasks, finish callbacks in progress, and close the orders."""
        await self._stack.aclose()

    async def _run(self, name: str, run: Background) -> None:
        found = f"{name} ended"
        try:
            await run(self.receiver.orders)
        except asyncio.CancelledError as canceled:
            if is_being_canceled():
                raise
            found = f"{name} failed with {type(canceled).__name__}"
        except Exception as failed:  # noqa: BLE001 - whatever it is, callbacks still come
            found = f"{name} failed with {type(failed).__name__}"
        LOG.error("%s; the receiver goes on", found)
        self.receiver.health.ended.append(found)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
