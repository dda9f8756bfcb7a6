"""The sync and the async API under one set of names, so that one set of tests runs on both."""

from __future__ import annotations

import asyncio
from typing import Any

from lifecycle import connect, connect_async
from lifecycle.providers.instacart.client import AsyncClient, Client
from tests.http.scripted import Scripted

SECRET = "s3cret-of-the-shop"
FAST = {"timeout": 5.0, "first_wait": 0.01, "longest_wait": 2.0}


def settings(server: Scripted, **more: Any) -> dict[str, Any]:
    """Return what a client of this server is made from."""
    told = {"client_id": "shop", "client_secret": SECRET, "user_id": "kamalsingh1234"}
    return {"base_url": server.url, **told, **FAST, **more}


class Sync:
    """Threads."""

    name = "sync"

    def __init__(self) -> None:
        self._open: list[Any] = []

    def client(self, server: Scripted, kind: type[Client] = Client, **more: Any) -> Any:
        client = kind(**settings(server, **more))
        self._open.append(client)
        return client

    def orders(self, url: str = "memory:", **more: Any) -> Any:
        orders = connect(url, **more)
        self._open.append(orders)
        return orders

    def call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


class Async:
    """Coroutines, on one event loop."""

    name = "async"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._open: list[Any] = []

    def client(self, server: Scripted, kind: type[AsyncClient] = AsyncClient, **more: Any) -> Any:
        client = kind(**settings(server, **more))
        self._open.append(client)
        return client

    def orders(self, url: str = "memory:", **more: Any) -> Any:
        orders = self._runner.run(connect_async(url, **more).__aenter__())
        self._open.append(orders)
        return orders

    def call(self, function: Any, *arguments: Any, **named: Any) -> Any:
        async def main() -> Any:
            return await function(*arguments, **named)

        return self._runner.run(main())

    def close(self) -> None:
        while self._open:
            self._runner.run(self._open.pop().close())
        self._runner.close()
