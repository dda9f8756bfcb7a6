"""What changes is told to the browsers that look: server-sent events, a line for each change.

    log ─→ looked at every quarter second ─→ positions and orders ─→ every stream of events

The log is looked at only while somebody listens, once for all who do. A stream ends by itself
after a while, so that no server waits for it; the browser comes again and says what it saw last.
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
"""Records that are looked through; of more, every order may have changed."""

_COME_AGAIN: Final = b"retry: 200\n\n"


class News(NamedTuple):
    """What came into the log up to a position; `streams` is None where it may be any."""

    position: int
    streams: frozenset[str] | None


class LiveLog:
    """Tells those who listen what came into the log."""

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
        """Yield the events of one stream of the log, or of all; `seen` is what was seen last."""
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
            except StoreError:  # whoever listens comes again, and is told when it is there
                break
            if news.position != position:
                position = news.position
                for queue in self._listening:
                    queue.put_nowait(news)


def news_after(log: Log, position: int) -> News:
    """Return what came into a log after a position."""
    end = log.last_position()
    if end == position:
        return News(end, frozenset())
    records = [*islice(log.scan(after=position, until=end), MOST_AT_ONCE + 1)]
    if end < position or len(records) > MOST_AT_ONCE:
        return News(end, None)
    return News(end, frozenset(record.stream for record in records))


def stream_named(text: str | None) -> str | None:
    """Return the stream of the order `provider/order_id`; None where none is named."""
    provider, slash, order_id = (text or "").partition("/")
    return f"{ORDERS}{provider}:{order_id}" if slash else None


def _event(position: int) -> bytes:
    return f"id: {position}\nevent: change\ndata: {json.dumps({'position': position})}\n\n".encode()
