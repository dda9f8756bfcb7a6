"""The pages alone, as `lifecycle serve --pages --no-callbacks` runs them: nothing is received."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Self

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from lifecycle.service.async_orders import AsyncOrders
from lifecycle.service.stored_view_keeper import keep_views
from lifecycle.web.pages import Pages, Receive, Scope, Send

PREFIX: Final = "/pages"
"""Where `lifecycle serve` mounts the pages."""


class PagesService:
    """An ASGI app with the pages under `/pages`; entering it opens the orders."""

    def __init__(self, orders: AsyncOrders, pages: Pages) -> None:
        self._orders = orders
        self._app = Starlette(
            routes=[
                Mount(PREFIX, pages),
                Route("/", lambda _: RedirectResponse(f"{PREFIX}/attention", 303)),
            ]
        )
        self._keeping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    async def __aenter__(self) -> Self:
        """Open the orders, and keep the stored views up."""
        await self._orders.__aenter__()
        self._keeping = asyncio.create_task(keep_views(self._orders), name="views")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the orders."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        await self._orders.close()
