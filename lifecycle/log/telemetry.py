"""Traces and metrics of a log, by the OpenTelemetry API; nothing leaves unless an SDK is set up.

| name | kind | says |
|---|---|---|
| `lifecycle.append` | span | one call that records: how many entries, what became of one |
| `lifecycle.append.duration` | histogram, seconds | until it is durable, or failed |
| `lifecycle.appended` | counter | entries, by `lifecycle.outcome` |
| `lifecycle.feed.lag`, `lifecycle.views.lag` | gauges, records | how far readers are behind |
| `lifecycle.feed.dead_letters` | gauge, changes | those that a handler did not take |
| `lifecycle.anomalies` | gauge, orders | of the stored views, those to look at |

Attributes name the store's kind, never an order and never what a body says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakSet

from lifecycle.core.event import Entry
from lifecycle.errors import LifecycleError, MissingExtraError
from lifecycle.log.contract import ORDERS, Append, Log, Record, Setting
from lifecycle.log.feed_store import FeedStore
from lifecycle.log.view_store import Generation, Phase, ViewStore

try:
    from opentelemetry.metrics import CallbackOptions, Observation, get_meter
    from opentelemetry.trace import Span, Status, StatusCode, get_tracer, use_span
except ImportError as missing:
    raise MissingExtraError("telemetry", "opentelemetry-api") from missing

NAME: Final = "lifecycle"
_STORE: Final = "lifecycle.store"
_ENTRIES: Final = "lifecycle.entries"
_OUTCOME: Final = "lifecycle.outcome"
_POSITION: Final = "lifecycle.position"
_ERROR: Final = "error.type"
_FEED: Final = "lifecycle.feed"
_PROVIDER: Final = "lifecycle.provider"

_Measured = tuple[int, str, str]
"""A figure, and the attribute that says of what."""


class ObservedLog:
    """A log whose appends are traced and measured; everything else it passes on."""

    def __init__(self, log: Log, providers: Iterable[str] = ()) -> None:
        self.log = log
        self.store = log.url.partition(":")[0]
        self.providers = tuple(providers)
        _OPEN.add(self)

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

    def append(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry, as `Log.append`."""
        with _Watched(self.store, 1) as watched:
            appended = self.log.append(entry, expected_version=expected_version)
            watched.tell([appended])
        return appended

    def append_many(self, entries: Sequence[Entry]) -> list[Append]:
        """Append entries in one commit, as `Log.append_many`."""
        with _Watched(self.store, len(entries)) as watched:
            appended = self.log.append_many(entries)
            watched.tell(appended)
        return appended

    async def append_async(self, entry: Entry, *, expected_version: int | None = None) -> Append:
        """Append one entry from a coroutine, as `Log.append_async`."""
        with _Watched(self.store, 1) as watched:
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

    def walk(self, stream: str) -> Iterator[Record]:
        """Yield every record of a stream, as `Log.walk`."""
        return self.log.walk(stream)

    def strays(self) -> Iterator[Record]:
        """Yield the records that no scan meets, as `Log.strays`."""
        return self.log.strays()

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
        _OPEN.discard(self)
        self.log.close()

    def __repr__(self) -> str:
        return f"<ObservedLog {self.url}>"


_OPEN: Final = WeakSet[ObservedLog]()
_Measure = Callable[[ObservedLog], Iterable[_Measured]]


class _Instruments:
    """What the appends of all logs are traced and measured with; a name is registered once."""

    def __init__(self) -> None:
        self.tracer = get_tracer(NAME)
        meter = get_meter(NAME)
        self.appended = meter.create_counter(
            "lifecycle.appended", unit="{entry}", description="Entries, by what became of them."
        )
        self.duration = meter.create_histogram(
            "lifecycle.append.duration",
            unit="s",
            description="From the call that records until it is durable, or failed.",
        )
        for name, unit, measure, description in (
            ("feed.lag", "{record}", _feed_lag, "Records that a subscription has to pass."),
            ("feed.dead_letters", "{change}", _dead_letters, "Changes that were not taken."),
            ("views.lag", "{record}", _views_lag, "Records that stored views lack."),
            ("anomalies", "{order}", _anomalies, "Orders that a person should look at."),
        ):
            meter.create_observable_gauge(
                f"{NAME}.{name}", [partial(_measured, measure)], unit, description
            )


def _measured(measure: _Measure, _: CallbackOptions) -> list[Observation]:
    """Return what is measured of every open log; nothing of one that cannot be asked."""
    found: list[Observation] = []
    for log in list(_OPEN):
        with suppress(LifecycleError):
            found += [
                Observation(number, {_STORE: log.store, name: value})
                for number, name, value in measure(log)
            ]
    return found


def _feed_lag(log: ObservedLog) -> Iterator[_Measured]:
    end = log.last_position()
    for name, position, _ in log.feeds.standings():
        yield max(end - position, 0), _FEED, name


def _dead_letters(log: ObservedLog) -> Iterator[_Measured]:
    for name, _, letters in log.feeds.standings():
        yield letters, _FEED, name


def _views_lag(log: ObservedLog) -> Iterator[_Measured]:
    end = log.last_position()
    for _, live in _live(log):
        yield max(end - live.position, 0), _PROVIDER, live.provider


def _anomalies(log: ObservedLog) -> Iterator[_Measured]:
    for store, live in _live(log):
        yield store.odd(live), _PROVIDER, live.provider


def _live(log: ObservedLog) -> Iterator[tuple[ViewStore, Generation]]:
    store = log.views
    if store is None:
        return
    for provider in log.providers:
        for generation in store.generations(provider):
            if generation.phase is Phase.LIVE:
                yield store, generation


class _Watched:
    """One append while it runs, its span the current one."""

    def __init__(self, store: str, entries: int) -> None:
        self._store = store
        self._entries = entries

    def __enter__(self) -> Self:
        attributes: dict[str, Any] = {
            _STORE: self._store,
            _ENTRIES: self._entries,
        }
        self._span: Span = _INSTRUMENTS.tracer.start_span("lifecycle.append", attributes=attributes)
        self._current = use_span(self._span)
        self._current.__enter__()
        self._began = perf_counter()
        return self

    def tell(self, appended: Sequence[Append]) -> None:
        """Count what became of the entries, now that they are durable."""
        store = self._store
        for outcome, count in Counter(each.outcome.value for each in appended).items():
            _INSTRUMENTS.appended.add(count, {_STORE: store, _OUTCOME: outcome})
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
        attributes: dict[str, Any] = {_STORE: self._store}
        if failed is not None:
            attributes[_ERROR] = failed.__qualname__
            self._span.set_attribute(_ERROR, failed.__qualname__)
            self._span.set_status(Status(StatusCode.ERROR))
        _INSTRUMENTS.duration.record(seconds, attributes)
        self._current.__exit__(None, None, None)
        self._span.end()


_INSTRUMENTS: Final = _Instruments()
