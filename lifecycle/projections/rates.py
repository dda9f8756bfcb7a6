"""What came in by the hour, and how much of it came late."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.core.fold import Folding
from lifecycle.core.verdict import MOVES
from lifecycle.core.view import HistoryEntry, Verdict

MOST_HOURS: Final = 24 * 14

_HOUR: Final = timedelta(hours=1)


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


class HourTally:
    """Counts by the hour."""

    def __init__(self) -> None:
        self._counts: defaultdict[datetime, Counter[str]] = defaultdict(Counter)

    def add(self, folding: Folding) -> None:
        """Count one order."""
        view, history = folding.view(), folding.history()
        late = late_events(history)
        for index, entry in enumerate(history):
            self._counts[_hour_of(entry.received_at)].update(events=1, late=int(index in late))
        arrival = view.arrival
        self._counts[_hour_of(arrival.first_received_at)]["begun"] += 1
        self._counts[_hour_of(arrival.last_received_at)]["missing"] += len(view.missing)
        self._counts[_hour_of(arrival.waiting_since)]["ended"] += view.terminal

    def hours(self, since: datetime | None = None) -> tuple[Hour, ...]:
        """Return the last two weeks by the hour, those without anything too.

        They begin with the first hour that is whole after `since`, or with the last one.
        """
        if not self._counts:
            return ()
        last = max(self._counts)
        first = max(min(self._counts), last - _HOUR * (MOST_HOURS - 1))
        if since is not None:
            first = min(last, max(first, _hour_of(since) + _HOUR))
        every = (first + _HOUR * number for number in range((last - first) // _HOUR + 1))
        return tuple(
            Hour(hour, *(self._counts[hour][name] for name in Hour._fields[1:])) for hour in every
        )


def heard(entry: HistoryEntry) -> tuple[datetime, int]:
    """Return by what events sort as they came; of several at one moment, as they were recorded."""
    return entry.received_at, entry.position or 0


def late_events(history: Sequence[HistoryEntry]) -> frozenset[int]:
    """Return the places in history of events that came after one that they precede.

    An event that tells no time and moves nothing stands where it does for want of a
    better place: it makes no other late.
    """
    late: set[int] = set()
    earliest_behind: tuple[datetime, int] | None = None
    for index in reversed(range(len(history))):
        entry = history[index]
        if entry.verdict is Verdict.DIVERGENT:
            continue
        if earliest_behind is not None and earliest_behind < heard(entry):
            late.add(index)
        elif entry.occurred_at is not None or entry.verdict in MOVES:
            earliest_behind = heard(entry)
    return frozenset(late)


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
