"""Traces and metrics of a log, by the OpenTelemetry API; nothing leaves unless an SDK is set up.

| name | kind | says |
|---|---|---|
| `lifecycle.append` | span | one call that records: how many entries, what became of one |
| `lifecycle.append.duration` | histogram, seconds | until it is durable, or failed |
| `lifecycle.appended` | counter | entries, by `lifecycle.outcome` |

Attributes name the store's kind, never an order and never what a body says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from lifecycle.errors import MissingExtraError
from lifecycle.event import Entry
from lifecycle.feed_store import FeedStore
from lifecycle.log import ORDERS, Appended, Log, Record, Setting
from lifecycle.view_store import ViewStore

try:
    from opentelemetry.metrics import get_meter
    from opentelemetry.trace import Span, Status, StatusCode, get_tracer, use_span
except ImportError as missing:
    raise MissingExtraError("telemetry", "opentelemetry-api") from missing

NAME: Final = "lifecycle"
_STORE: Final = "lifecycle.store"
_ENTRIES: Final = "lifecycle.entries"
_OUTCOME: Final = "lifecycle.outcome"
_POSITION: Final = "lifecycle.position"
_ERROR: Final = "error.type"


class ObservedLog:
    """A log whose appends are traced and measured; everything else it passes on."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._instruments = _Instruments(log.url.partition(":")[0])

    @property
    def url(self) -> str:
        """Where the log lies, without secrets."""
        return self.log.url

    @property
    def gapless(self) -> bool:
        """Whether positions have no gaps, and every record names the one before it."""
        return self.log.gapless

    @property
    def views(self) -> ViewStore | None:
        """Where views are stored beside the log, as `Log.views`."""
        return self.log.views

    @property
    def feeds(self) -> FeedStore:
        """Where subscriptions keep how far they are, as `Log.feeds`."""
        return self.log.feeds

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Appended:
        """Append one entry, as `Log.append`."""
        with self._instruments.watching(1) as watched:
            appended = self.log.append(entry, expected_version=expected_version)
            watched.tell([appended])
        return appended

    def append_many(self, entries: Sequence[Entry]) -> list[Appended]:
        """Append entries in one commit, as `Log.append_many`."""
        with self._instruments.watching(len(entries)) as watched:
            appended = self.log.append_many(entries)
            watched.tell(appended)
        return appended

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Appended:
        """Append one entry from a coroutine, as `Log.append_async`."""
        with self._instruments.watching(1) as watched:
            appended = await self.log.append_async(entry, expected_version=expected_version)
            watched.tell([appended])
        return appended

    def restore(self, records: Sequence[Record]) -> None:
        """Insert records of another log, as `Log.restore`."""
        self.log.restore(records)

    def read(self, stream: str, *, after: int = 0, until: int | None = None) -> list[Record]:
        """Return a stream's records, as `Log.read`."""
        return self.log.read(stream, after=after, until=until)

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        """Return the records of many streams, as `Log.read_many`."""
        return self.log.read_many(streams)

    def streams(self, *, prefix: str = ORDERS, after: str = "") -> Iterator[str]:
        """Yield the names of streams, as `Log.streams`."""
        return self.log.streams(prefix=prefix, after=after)

    def scan(self, *, after: int = 0, until: int | None = None) -> Iterator[Record]:
        """Yield every record, as `Log.scan`."""
        return self.log.scan(after=after, until=until)

    def last_position(self) -> int:
        """Return the highest position, as `Log.last_position`."""
        return self.log.last_position()

    def settings(self) -> Sequence[Setting]:
        """Return the store's settings, as `Log.settings`."""
        return self.log.settings()

    def close(self) -> None:
        """Close the log."""
        self.log.close()

    def __repr__(self) -> str:
        return f"<ObservedLog {self.url}>"


class _Instruments:
    """What the appends of one store are traced and measured with."""

    def __init__(self, store: str) -> None:
        meter = get_meter(NAME)
        self.store = store
        self.tracer = get_tracer(NAME)
        self.appended = meter.create_counter(
            "lifecycle.appended", unit="{entry}", description="Entries, by what became of them."
        )
        self.duration = meter.create_histogram(
            "lifecycle.append.duration",
            unit="s",
            description="From the call that records until it is durable, or failed.",
        )

    def watching(self, entries: int) -> _Watched:
        return _Watched(self, entries)


class _Watched:
    """One append while it runs, its span the current one."""

    def __init__(self, instruments: _Instruments, entries: int) -> None:
        self._instruments = instruments
        self._entries = entries

    def __enter__(self) -> Self:
        attributes: dict[str, Any] = {
            _STORE: self._instruments.store,
            _ENTRIES: self._entries,
        }
        self._span: Span = self._instruments.tracer.start_span(
            "lifecycle.append", attributes=attributes
        )
        self._current = use_span(self._span)
        self._current.__enter__()
        self._began = perf_counter()
        return self

    def tell(self, appended: Sequence[Appended]) -> None:
        """Count what became of the entries, now that they are durable."""
        store = self._instruments.store
        for outcome, count in Counter(each.outcome.value for each in appended).items():
            self._instruments.appended.add(count, {_STORE: store, _OUTCOME: outcome})
        if len(appended) == 1:
            self._span.set_attribute(_OUTCOME, appended[0].outcome.value)
            self._span.set_attribute(_POSITION, appended[0].position)

    def __exit__(
        self,
        failed: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = perf_counter() - self._began
        attributes: dict[str, Any] = {_STORE: self._instruments.store}
        if failed is not None:
            attributes[_ERROR] = failed.__qualname__
            self._span.set_attribute(_ERROR, failed.__qualname__)
            self._span.set_status(Status(StatusCode.ERROR))
        self._instruments.duration.record(seconds, attributes)
        self._current.__exit__(None, None, None)
        self._span.end()
