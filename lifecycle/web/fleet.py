"""All orders in figures: counted beside the pages, one provider at a time, and kept for a while.

A count looks at a bounded number of orders, however many there are, and says which. It lets
others go first, and a page shows the last one meanwhile.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from threading import Lock, Thread
from typing import Any, Final

from lifecycle.core.definition import Definition
from lifecycle.errors import StoreError
from lifecycle.projections.overview import Overview, overview_of
from lifecycle.projections.recent_views import MOST_LOOKED_AT
from lifecycle.web.answers import Page, Table
from lifecycle.web.log_source import LogSource

LOG: Final = logging.getLogger("lifecycle.pages")
SHOWN_HOURS: Final = 48

_FIRST_SECONDS: Final = 0.5
_LEAST_AGE: Final = 5.0
_AGE_PER_SECOND: Final = 30.0
_HEADINGS: Final = ("provider", "hour", "events", "late", "begun", "ended", "missing")


class FleetCounter:
    """Counts a provider's orders when somebody looks and the last count is old."""

    def __init__(self, source: LogSource) -> None:
        self._source = source
        self._lock = Lock()
        self._counted: dict[str, Overview] = {}
        self._counting: dict[str, Thread] = {}

    def latest(self, provider: str) -> Overview | None:
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

    def _is_old(self, last: Overview | None) -> bool:
        if last is None:
            return True
        age = (self._source.now - last.counted_at).total_seconds()
        is_due = age > max(_LEAST_AGE, _AGE_PER_SECOND * last.seconds)
        return is_due and last.position != self._source.log.last_position()

    def _count(self, provider: str) -> None:
        known = dict(self._source.known)
        try:
            self._counted[provider] = overview_of(self._source.log, known, known[provider])
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
        "most": MOST_LOOKED_AT,
        "figures": {
            name: _figures(source.known[name].definition, each)
            for name, each in counted.items()
            if each
        },
    }
    told = {name: None if each is None else _told(each) for name, each in counted.items()}
    table = Table(_HEADINGS, _rows(counted))
    live = "*" if None not in counted.values() else ""
    return Page("fleet.html", "Overview", shown, {"providers": told}, table, live=live)


def _figures(definition: Definition, counted: Overview) -> dict[str, int]:
    """Return how many orders there are, and how they ended."""
    figures = Counter({"Orders": 0, "Open": 0, "Ended well": 0, "Ended otherwise": 0})
    for state, number in counted.states.items():
        ended = "Ended otherwise" if state in definition.aborts else "Ended well"
        figures.update(
            {"Orders": number, ended if state in definition.terminal else "Open": number}
        )
    return figures


def _rows(counted: dict[str, Overview | None]) -> Iterator[list[Any]]:
    for name, each in counted.items():
        for hour in () if each is None else each.hours:
            yield [name, *hour]


def _told(counted: Overview) -> dict[str, Any]:
    hours = [hour._asdict() for hour in counted.hours]
    return {**counted._asdict(), "hours": hours}
