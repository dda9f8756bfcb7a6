"""Tells open pages of changes: server-sent events, one for each change of the log.

    log ─→ read every quarter second ─→ positions and orders ─→ every open event stream

The log is read only while a browser listens, once for all of them. A stream ends after a while,
so that a stopping server waits for none; the browser reconnects and says what it saw last.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import islice
from typing import Final, NamedTuple

from lifecycle.errors import StoreError
from lifecycle.log.contract import CONTROL, ORDERS, Log
from lifecycle.web.log_source import LogSource

EVERY_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 15.0
MOST_AT_ONCE: Final = 500
"""The most records that are read at once; after more, every order may have changed."""

_COME_AGAIN: Final = b"retry: 200\n\n"


class News(NamedTuple):
    """What was appended up to a position; `streams` is None if it may be any stream."""

    position: int
    streams: frozenset[str] | None


class LiveLog:
    """Reads what was appended to the log, and passes it to every open event stream."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._listening: set[asyncio.Queue[News | None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End every stream."""
        self._stopped = True
        for queue in self._listening:
            queue.put_nowait(None)

    async def events(self, stream: str | None, seen: int | None) -> AsyncIterator[bytes]:
        """Yield server-sent events about one stream of the log, or all of them.

        `seen` is the position that the browser saw last.
        """
        yield _COME_AGAIN
        queue: asyncio.Queue[News | None] = asyncio.Queue()
        until = asyncio.get_running_loop().time() + LONGEST_SECONDS
        wanted = None if stream is None else {stream, CONTROL}
        self._listening.add(queue)
        try:
            position = await asyncio.to_thread(self._source.log.last_position)
            if seen is not None and seen != position:
                yield _event(position)
            self._look_from(position)
            while (news := await self._next(queue, until)) is not None:
                if wanted is None or news.streams is None or wanted & news.streams:
                    yield _event(news.position)
        except TimeoutError:
            return
        finally:
            self._listening.discard(queue)

    async def _next(self, queue: asyncio.Queue[News | None], until: float) -> News | None:
        if self._stopped:
            return None
        async with asyncio.timeout_at(until):
            return await queue.get()

    def _look_from(self, position: int) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(position), name="lifecycle-live")

    async def _look(self, position: int) -> None:
        while self._listening and not self._stopped:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                news = await asyncio.to_thread(news_after, self._source.log, position)
            except StoreError:  # browsers reconnect, and see the log once it is reachable
                break
            if news.position != position:
                position = news.position
                for queue in self._listening:
                    queue.put_nowait(news)


def news_after(log: Log, position: int) -> News:
    """Return what was appended to a log after a position."""
    end = log.last_position()
    if end == position:
        return News(end, frozenset())
    records = [*islice(log.scan(after=position, until=end), MOST_AT_ONCE + 1)]
    if end < position or len(records) > MOST_AT_ONCE:
        return News(end, None)
    return News(end, frozenset(record.stream for record in records))


def stream_named(text: str | None) -> str | None:
    """Return the stream of the order `provider/order_id`; None if the text names none."""
    provider, slash, order_id = (text or "").partition("/")
    return f"{ORDERS}{provider}:{order_id}" if slash else None


def _event(position: int) -> bytes:
    return f"id: {position}\nevent: change\ndata: {json.dumps({'position': position})}\n\n".encode()
