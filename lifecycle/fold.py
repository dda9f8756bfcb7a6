"""The fold: definition + set of events → view. Pure.

    events ─→ one content a key ─→ canonical order ─→ judge, one by one ─→ view
              (the rest: evidence)   (place)            (verdicts)

Whatever order the events come in, and however often, the view is the same: they are
placed by content first. `Folding` does this event by event; where a newcomer sorts last
it takes one step, where it does not it folds again. Both give what `fold` gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from lifecycle.argument import check_type
from lifecycle.awaiting import awaiting, missing
from lifecycle.definition import Definition
from lifecycle.errors import InvalidArgumentError, MixedOrdersError
from lifecycle.event import FAILED, NOTHING, REJECTED, Event, Problem, stream_of
from lifecycle.reason import reason, shown_key
from lifecycle.verdict import Place, first_stage, place, supersedes
from lifecycle.view import (
    Anomaly,
    AnomalyCode,
    HistoryEntry,
    OrderError,
    OrderView,
    Verdict,
)

# For what every event becomes: a named tuple's own constructor takes twice as long.
_new: Final = tuple.__new__


def fold(definition: Definition, events: Iterable[Event]) -> OrderView:
    """Return the view of one order.

    The order in which `events` come does not matter and repeats change nothing: they
    are sorted by content first. Nothing here reads the clock.

    Raises:
        MixedOrdersError: the events are about more than one order, or there are none.
    """
    return Folding.of(definition, events).view()


def history(definition: Definition, events: Iterable[Event]) -> tuple[HistoryEntry, ...]:
    """Return every event in canonical order with its verdict, then the divergent evidence.

    Raises:
        MixedOrdersError: the events are about more than one order, or there are none.
    """
    return Folding.of(definition, events).history()


def _refuse_strangers(events: object) -> None:
    """Raise for what was no list of events: looked at only once it went wrong."""
    if not isinstance(events, list) or not all(isinstance(event, Event) for event in events):
        raise InvalidArgumentError("events", "an iterable of Event") from None


class Entered(NamedTuple):
    """One step of a path, or a milestone, as `Step` shows it; cheap to make and to compare."""

    status: str
    at: datetime | None
    event: str


class Judged(NamedTuple):
    """One event with its verdict, and the states before and after it."""

    event: Event
    lane: int
    verdict: Verdict
    before: str | None
    after: str | None


class Folding:
    """The events of one order, folded one at a time, in whatever order they come.

    Not for several threads at once.
    """

    def __init__(self, definition: Definition) -> None:
        check_type("definition", definition, Definition)
        self.definition = definition
        self._known: set[tuple[str, str]] = set()
        self._counted: dict[str, Event] = {}
        self._evidence: list[Event] = []
        self._places: list[Place] = []
        self._events: list[Event] = []
        self._order: tuple[str, str] | None = None
        self._view: OrderView | None = None
        self._restart()

    @classmethod
    def of(cls, definition: Definition, events: Iterable[Event]) -> Folding:
        """Return the folding of all these events, sorted once and folded once."""
        folding = cls(definition)
        try:
            events = list(events)
            folding._count_all(events)
        except (AttributeError, TypeError):
            _refuse_strangers(events)
            raise
        folding._sort()
        return folding

    @property
    def path(self) -> tuple[Entered, ...]:
        """The states that events entered, in canonical order."""
        return tuple(self._path)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event added, in canonical order, then the divergent evidence."""
        return (*self._events, *self._evidence)

    def __reduce__(self) -> tuple[Any, ...]:
        return Folding.of, (self.definition, self.events)

    def add(self, event: Event) -> None:
        """Fold one more event in; a repeat changes nothing.

        Raises:
            MixedOrdersError: it is about another order than those before it.
        """
        check_type("event", event, Event)
        if not self._count(event):
            return
        if self._counted[event.key] is not event:
            return
        where = place(self.definition, event)
        replaced = len(self._counted) == len(self._events)
        if replaced or (self._places and where < self._places[-1]):
            self._sort()
            return
        self._places.append(where)
        self._events.append(event)
        self._step(event, where[0])

    def view(self) -> OrderView:
        """Return the view of what was added so far.

        Raises:
            MixedOrdersError: nothing was added.
        """
        if self._view is None:
            self._view = self._look()
        return self._view

    def history(self) -> tuple[HistoryEntry, ...]:
        """Return every event with its verdict and reason, then the divergent evidence.

        Raises:
            MixedOrdersError: nothing was added.
        """
        self.view()
        judged = self._judged()
        evidence = sorted(self._evidence, key=lambda event: place(self.definition, event))
        return (
            *map(self._entry, judged),
            *(self._entry(Judged(event, 0, Verdict.DIVERGENT, None, None)) for event in evidence),
        )

    def _count_all(self, events: list[Event]) -> None:
        """Take events in; most orders are read with nothing to decide: at once, then."""
        counted = {event.key: event for event in events}
        orders = {(event.provider, event.order_id) for event in events}
        if len(counted) == len(events) and len(orders) == 1:
            self._counted = counted
            self._known = {(event.key, event.digest) for event in events}
            (self._order,) = orders
        else:
            for event in events:
                self._count(event)

    def _count(self, event: Event) -> bool:
        """Take an event in; tell whether its content is new."""
        key = event.key
        identity = (key, event.digest)
        if identity in self._known:
            return False
        order = (event.provider, event.order_id)
        if order != self._order:
            if self._order is not None:
                raise MixedOrdersError((stream_of(*self._order), event.stream))
            self._order = order
        self._known.add(identity)
        self._view = None
        rival = self._counted.get(key)
        if rival is None:
            self._counted[key] = event
        elif supersedes(event, rival):
            self._counted[key] = event
            self._evidence.append(rival)
        else:
            self._evidence.append(event)
        return True

    def _sort(self) -> None:
        """Bring the counted events into canonical order and fold them from the start."""
        definition = self.definition
        placed = [(place(definition, event), event) for event in self._counted.values()]
        placed.sort()
        self._places = [where for where, _ in placed]
        self._events = [event for _, event in placed]
        self._restart()
        for where, event in placed:
            self._step(event, where[0])

    def _restart(self) -> None:
        self._standing = first_stage(self.definition)
        self._path: list[Entered] = []
        self._milestones: list[Entered] = []
        self._details: dict[str, Any] = {}
        self._told: Mapping[str, Any] = NOTHING
        self._odd: list[Judged] = []

    def _step(self, event: Event, lane: int) -> None:
        before, at = self._standing, event.occurred_at
        taken = before.steps[event.trigger, event.kind, at is not None, lane]
        verdict, after, overwrite, beside = taken
        if after is not before:
            self._standing = after
            self._path.append(_new(Entered, (after.status or "", at, event.key)))
        elif beside is not None:
            self._milestones.append(_new(Entered, (beside, at, event.key)))
        told = event.details
        # Events of one order mostly tell the same: what was told last is known already.
        if told and told is not self._told and overwrite is not None:
            _merge(self._details, told, overwrite=overwrite)
            if overwrite:
                self._told = told
        if verdict in _ODD or event.problems:
            self._odd.append(Judged(event, lane, verdict, before.status, after.status))

    def _judged(self) -> Iterator[Judged]:
        """Yield each event with its verdict: the same steps once more."""
        stage = first_stage(self.definition)
        for event in self._events:
            before, lane = stage, place(self.definition, event)[0]
            meaning = (event.trigger, event.kind, event.occurred_at is not None, lane)
            verdict, stage, _, _ = before.steps[meaning]
            yield Judged(event, lane, verdict, before.status, stage.status)

    def _look(self) -> OrderView:
        events, definition = self._events, self.definition
        if not events:
            raise MixedOrdersError(())
        status = self._standing.status or definition.initial
        attempt = max([event.attempt or 0 for event in events])
        # Nested values are made with it: most of what making them one by one costs is the calls.
        return OrderView.model_validate(
            {
                "order_id": events[0].order_id,
                "provider": events[0].provider,
                "status": status,
                "terminal": status in definition.terminal,
                "attempt": attempt,
                "details": definition.details.model_validate(self._details),
                "errors": self._errors(),
                "awaiting": awaiting(definition, status, attempt, events),
                "path": [{"status": s, "at": at, "event": key} for s, at, key in self._path],
                "missing": missing(definition, self._standing.highest, events),
                "milestones": [
                    {"name": name, "at": at, "event": key} for name, at, key in self._milestones
                ],
                "anomalies": self._anomalies(),
                "events": len(self._known),
                "definition": definition.fingerprint,
                "arrival": self._arrivals(),
            }
        )

    def _errors(self) -> tuple[OrderError, ...]:
        definition = self.definition
        if self._standing.highest >= definition.birth_rank:
            return ()
        failed = [event for event in self._events if event.name in (REJECTED, FAILED)]
        newest = max((event.attempt or 0 for event in failed), default=None)
        return tuple(
            OrderError(
                **fault._asdict(),
                http_status=event.http_status,
                correctable=event.name == REJECTED,
            )
            for event in failed
            if event.attempt == newest
            for fault in event.faults
        )

    def _anomalies(self) -> tuple[Anomaly, ...]:
        if not self._odd and not self._evidence:
            return ()
        found: dict[tuple[AnomalyCode, str], str] = {}
        for judged in self._odd:
            event, code = judged.event, _ODD.get(judged.verdict)
            if code is not None:
                found[code, event.key] = self._reason(judged)
            for problem in event.problems:
                found.setdefault((problem, event.key), _DETAILS[problem])
        for event in self._evidence:
            found["divergent", event.key] = (
                f"several contents came under the key {shown_key(event.key)}; one of them counts"
            )
        return tuple(
            Anomaly(code=code, detail=found[code, key], events=(key,))
            for code, key in sorted(found)
        )

    def _arrivals(self) -> dict[str, Any]:
        """Return what `Arrivals` shows."""
        events = [*self._events, *self._evidence] if self._evidence else self._events
        received = [event.received_at for event in events]
        first = min(received)
        return {
            "first_received_at": first,
            "last_received_at": max(received),
            "version": max([event.version or 0 for event in events]),
            "late": self._late(),
            "waiting_since": self._waiting_since(first),
        }

    def _late(self) -> int:
        """Return how many events were recorded after one that they precede."""
        late, earliest_behind = 0, math.inf
        for event in reversed(self._events):
            version = event.version
            if version is None:
                continue
            if version > earliest_behind:
                late += 1
            else:
                earliest_behind = version
        return late

    def _waiting_since(self, first_received_at: datetime) -> datetime:
        if not self._path:
            return first_received_at
        last = self._path[-1]
        return last.at or self._counted[last.event].received_at

    def _reason(self, judged: Judged) -> str:
        return reason(self.definition, judged.event, judged.verdict, judged.before, judged.lane)

    def _entry(self, judged: Judged) -> HistoryEntry:
        event = judged.event
        return HistoryEntry(
            name=event.name,
            kind=event.kind,
            key=event.key,
            verdict=judged.verdict,
            reason=self._reason(judged),
            from_=judged.before,
            to=judged.after,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            sha256=event.sha256,
        )


_ODD: Final[Mapping[Verdict, AnomalyCode]] = {
    Verdict.REFUSED: "refused",
    Verdict.UNRECOGNIZED: "unrecognized",
}
"""Verdicts that are anomalies."""

_DETAILS: Final[Mapping[Problem, str]] = {
    "bad_time": "the event's time is no RFC 3339 time with a zone from 2000 to 2099, so it counts "
    "as undated",
    "unreadable_body": "the order was accepted, but the answer is no JSON object",
    "unrecognized": "the order was accepted with a status that the definition does not know",
}


# Nearly all values are these, and asking them whether they are a `Mapping` is slow.
_LEAVES: Final = frozenset({str, bool, int, float})


def _merge(known: dict[str, Any], told: Mapping[str, Any], *, overwrite: bool) -> None:
    """Merge `told`, which holds only leaves that say something, into what is known."""
    for name, value in told.items():
        if type(value) not in _LEAVES and isinstance(value, Mapping):
            _merge(known.setdefault(name, {}), value, overwrite=overwrite)
        elif overwrite or name not in known:
            known[name] = value
