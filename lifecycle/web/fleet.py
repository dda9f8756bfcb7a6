"""All orders in figures: counted beside the pages, one provider at a time, and kept for a while.

    log ─→ folded order by order ─→ moves and stays ┬→ Counted ─→ page, diagram, rates
                                └→ hours ───────────┘

A count folds the whole log. It lets others go first, and a page shows the last one meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Lock, Thread
from typing import Any, Final, NamedTuple

from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.diagram.moments import late_events
from lifecycle.errors import StoreError
from lifecycle.log.contract import Log
from lifecycle.projections.fold_cache import FoldCache, why_unfoldable
from lifecycle.projections.folded_views import prefix_of
from lifecycle.projections.stats import LogStats, Tally
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource

LOG: Final = logging.getLogger("lifecycle.pages")
SHOWN_HOURS: Final = 48
MOST_HOURS: Final = 24 * 14

_AT_ONCE: Final = 100
_FIRST_SECONDS: Final = 0.5
_LEAST_AGE: Final = 5.0
_AGE_PER_SECOND: Final = 30.0
_HEADINGS: Final = ("provider", "hour", "events", "late", "begun", "ended", "missing")


class Hour(NamedTuple):
    """One hour: events that came, those of them that came late, orders begun and ended in it.

    `missing` counts the states that no event named, of orders last heard of in it.
    """

    hour: datetime
    events: int
    late: int
    begun: int
    ended: int
    missing: int


class Counted(NamedTuple):
    """The figures of one provider's orders, as of a position of the log."""

    stats: LogStats
    hours: tuple[Hour, ...]
    position: int
    counted_at: datetime
    seconds: float


class HourTally:
    """Counts by the hour, the last two weeks that anything came in."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[datetime]] = {
            name: Counter() for name in Hour._fields if name != "hour"
        }

    def add(self, folding: Folding) -> None:
        """Count one order."""
        view, history = folding.view(), folding.history()
        late = late_events(history)
        for index, entry in enumerate(history):
            hour = _hour_of(entry.received_at)
            self._counts["events"][hour] += 1
            self._counts["late"][hour] += index in late
        arrival = view.arrival
        self._counts["begun"][_hour_of(arrival.first_received_at)] += 1
        self._counts["missing"][_hour_of(arrival.last_received_at)] += len(view.missing)
        if view.terminal:
            self._counts["ended"][_hour_of(arrival.waiting_since)] += 1
        if len(self._counts["events"]) > 2 * MOST_HOURS:
            self._forget()

    def hours(self) -> tuple[Hour, ...]:
        """Return every hour from the first to the last, those without anything too."""
        self._forget()
        found = self._counts["events"]
        if not found:
            return ()
        last, count = max(found), (max(found) - min(found)) // timedelta(hours=1) + 1
        every = (last - timedelta(hours=back) for back in reversed(range(min(count, MOST_HOURS))))
        return tuple(
            Hour(hour, *(self._counts[name][hour] for name in Hour._fields[1:])) for hour in every
        )

    def _forget(self) -> None:
        kept = {hour for hour, _ in sorted(self._counts["events"].items())[-MOST_HOURS:]}
        for name, counts in self._counts.items():
            self._counts[name] = Counter({hour: counts[hour] for hour in counts if hour in kept})


def count(log: Log, known: dict[str, Provider], provider: Provider) -> Counted:
    """Return the figures of a provider's orders; takes no more than half of a processor."""
    begun, position = time.monotonic(), log.last_position()
    cache, hours = FoldCache(log, known), HourTally()
    tally = Tally(provider.name, provider.definition)
    streams = log.streams(prefix=prefix_of(provider))
    while page := [*islice(streams, _AT_ONCE)]:
        at = time.monotonic()
        cache.catch_up()
        for records in log.read_many(page).values():
            try:
                events = [cache.event(record) for record in records]
                folding = Folding.of(provider.definition, events)
                hours.add(folding)
            except Exception as trouble:  # noqa: BLE001 - one order's trouble is no other's
                why_unfoldable(trouble)
                tally.skip()
            else:
                tally.add(folding)
        if len(page) == _AT_ONCE:
            time.sleep(time.monotonic() - at)
    seconds = time.monotonic() - begun
    return Counted(tally.stats(), hours.hours(), position, datetime.now(UTC), seconds)


class FleetCounter:
    """Counts a provider's orders when somebody looks and the last count is old."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._lock = Lock()
        self._counted: dict[str, Counted] = {}
        self._counting: dict[str, Thread] = {}

    def latest(self, provider: str) -> Counted | None:
        """Return the last count; None while there is none yet. Waits a little for the first."""
        with self._lock:
            last = self._counted.get(provider)
            counting = self._counting.get(provider)
            if counting is None and self._is_old(last):
                counting = Thread(target=self._count, args=(provider,), daemon=True)
                self._counting[provider] = counting
                counting.start()
        if last is None and counting is not None:
            counting.join(_FIRST_SECONDS)
        return self._counted.get(provider)

    def _is_old(self, last: Counted | None) -> bool:
        if last is None:
            return True
        age = (self._source.now - last.counted_at).total_seconds()
        is_due = age > max(_LEAST_AGE, _AGE_PER_SECOND * last.seconds)
        return is_due and last.position != self._source.log.last_position()

    def _count(self, provider: str) -> None:
        known = dict(self._source.known)
        try:
            self._counted[provider] = count(self._source.log, known, known[provider])
        except StoreError as failed:
            LOG.warning("the orders of %a could not be counted: %s", provider, failed)
        finally:
            self._counting.pop(provider, None)


def fleet_page(source: LogSource, counter: FleetCounter) -> Page:
    """Return the figures of all orders, by provider."""
    counted = {name: counter.latest(name) for name in source.readable()}
    shown = {
        "counted": counted,
        "is_waiting": None in counted.values(),
        "hours": SHOWN_HOURS,
        "definitions": {name: source.known[name].definition for name in counted},
    }
    told = {name: None if each is None else _told(each) for name, each in counted.items()}
    table = Table(_HEADINGS, _rows(counted))
    live = "*" if None not in counted.values() else ""
    return Page("fleet.html", "Fleet", shown, {"providers": told}, table, live=live)


def _rows(counted: dict[str, Counted | None]) -> Iterator[list[Any]]:
    for name, each in counted.items():
        for hour in () if each is None else each.hours:
            yield [name, *hour]


def _told(counted: Counted) -> dict[str, Any]:
    hours = [hour._asdict() for hour in counted.hours]
    return {**counted._asdict(), "hours": hours}


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
