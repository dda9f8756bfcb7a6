"""Traces and metrics of a log, by the OpenTelemetry API; nothing leaves unless an SDK is set up.

| name | kind | says |
|---|---|---|
| `lifecycle.append` | span | one call that records: how many entries, what became of one |
| `lifecycle.append.duration` | histogram, seconds | until it is durable, or failed |
| `lifecycle.appended` | counter | entries, by `lifecycle.outcome` |
| `lifecycle.feed.lag`, `lifecycle.views.lag` | gauges, records | how far readers are behind |
| `lifecycle.feed.dead_letters` | gauge, changes | dead letters, and what they block, not reviewed |
| `lifecycle.anomalies` | gauge, orders | of the stored views, those to look at, not reviewed |

Attributes name the store's kind, never an order and never what a body says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self
from weakref import WeakSet

from lifecycle.errors import LifecycleError, MissingExtraError
from lifecycle.log.contract import Append, Log
from lifecycle.log.event_log import EventLog
from lifecycle.log.partitioned import PartitionedLog
from lifecycle.log.view_store import Generation, Phase

try:
    from opentelemetry.metrics import CallbackOptions, Observation, get_meter
    from opentelemetry.trace import Span, Status, StatusCode, get_tracer, use_span
except ImportError as _missing:
    raise MissingExtraError("telemetry", "opentelemetry-api") from _missing

NAME: Final = "lifecycle"
_STORE: Final = "lifecycle.store"
_ENTRIES: Final = "lifecycle.entries"
_OUTCOME: Final = "lifecycle.outcome"
_POSITION: Final = "lifecycle.position"
_ERROR: Final = "error.type"
_FEED: Final = "lifecycle.feed"
_PROVIDER: Final = "lifecycle.provider"

Count = Callable[[], Mapping[str, int]]
"""Counts by name what nobody reviewed, when somebody asks."""

_Measured = tuple[int, str, str]
"""A figure, and the attribute that says of what."""


class Telemetry:
    """What watches one log; see `observe`."""

    def __init__(
        self, log: Log, providers: Iterable[str], dead_letters: Count, anomalies: Count
    ) -> None:
        self.log = log
        self.dead_letters = dead_letters
        self.anomalies = anomalies
        self.store: str = log.url.partition(":")[0]
        self.providers: tuple[str, ...] = tuple(providers)
        _OPEN.add(self)

    def on_append(self, entries: int) -> _Watched:
        """Return a block in which that many entries are recorded."""
        return _Watched(self.store, entries)


def observe(
    log: EventLog | PartitionedLog,
    providers: Iterable[str],
    dead_letters: Count,
    anomalies: Count,
) -> None:
    """Have the appends of a log traced and measured, and its lags with the views of `providers`.

    `dead_letters` counts by subscription, `anomalies` by provider.
    """
    watch = Telemetry(log, providers, dead_letters, anomalies).on_append
    for part in log.partitions:
        part.on_append = watch


_OPEN: Final = WeakSet[Telemetry]()
_Measure = Callable[[Telemetry], Iterable[_Measured]]


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
            ("feed.dead_letters", "{change}", _dead_letters, "Dead letters, and what they block."),
            ("views.lag", "{record}", _views_lag, "Records that stored views lack."),
            ("anomalies", "{order}", _anomalies, "Orders that a person should look at."),
        ):
            meter.create_observable_gauge(
                f"{NAME}.{name}", [partial(_measured, measure)], unit, description
            )


def _measured(measure: _Measure, _: CallbackOptions) -> list[Observation]:
    """Return what is measured of every open log; nothing of one that cannot be asked."""
    found: list[Observation] = []
    for watched in list(_OPEN):
        with suppress(LifecycleError):
            found += [
                Observation(number, {_STORE: watched.store, name: value})
                for number, name, value in measure(watched)
            ]
    return found


def _feed_lag(watched: Telemetry) -> Iterator[_Measured]:
    end = watched.log.last_position()
    for feed in watched.log.feeds.positions():
        yield max(end - feed.position, 0), _FEED, feed.name


def _dead_letters(watched: Telemetry) -> Iterator[_Measured]:
    for name, count in watched.dead_letters().items():
        yield count, _FEED, name


def _views_lag(watched: Telemetry) -> Iterator[_Measured]:
    end = watched.log.last_position()
    for live in _live(watched):
        yield max(end - live.position, 0), _PROVIDER, live.provider


def _anomalies(watched: Telemetry) -> Iterator[_Measured]:
    for name, count in watched.anomalies().items():
        yield count, _PROVIDER, name


def _live(watched: Telemetry) -> Iterator[Generation]:
    store = watched.log.views
    if store is None:
        return
    for provider in watched.providers:
        for generation in store.generations(provider):
            if generation.phase is Phase.LIVE:
                yield generation


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

    def answered(self, appended: list[Append]) -> list[Append]:
        """Count what became of the entries, now that they are durable, and return it."""
        store = self._store
        for outcome, count in Counter(each.outcome.value for each in appended).items():
            _INSTRUMENTS.appended.add(count, {_STORE: store, _OUTCOME: outcome})
        if len(appended) == 1:
            self._span.set_attribute(_OUTCOME, appended[0].outcome.value)
            self._span.set_attribute(_POSITION, appended[0].position)
        return appended

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
