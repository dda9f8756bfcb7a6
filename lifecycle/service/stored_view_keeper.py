"""Stored views that are built and kept up beside a service."""

from __future__ import annotations

import asyncio
import logging
from threading import Event
from typing import Final

from lifecycle.errors import StoreError
from lifecycle.projections.stored_views import StoredViews
from lifecycle.service.async_orders import AsyncOrders

LOG: Final = logging.getLogger("lifecycle.views")
_SECONDS_AFTER_A_FAILURE: Final = 60.0


async def keep_views(orders: AsyncOrders) -> None:
    """Build the stored views that lists are made of, and keep them up until canceled.

    A failing store is tried again after a minute; whoever asks folds what the views lack.
    """
    ended = Event()
    try:
        while True:
            try:
                await asyncio.to_thread(_follow, orders.views, ended)
            except StoreError as failed:
                LOG.warning("the stored views are not kept up: %s", failed)
            await asyncio.sleep(_SECONDS_AFTER_A_FAILURE)
    finally:
        ended.set()


def _follow(views: StoredViews, ended: Event) -> None:
    status = views.status()
    if status.live is None or not status.fits:
        views.rebuild()
    views.follow(ended)
