"""The fold: definition + set of events → view. Pure.

    events ─→ one content a key ─→ canonical order ─→ judge, one by one ─→ view
              (the rest: evidence)   (sort_key)         (verdicts)

Whatever order the events come in, and however often, the view is the same: they are
placed by content first. `Folding` does this event by event; where a newcomer sorts last
it takes one step, where it does not it steps on from its place to where nothing changes
any more. Both give what `fold` gives.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, TypeVar

from lifecycle.core.argument import check_type
from lifecycle.core.change import Change
from lifecycle.core.definition import Definition
from lifecycle.core.event import Event, stream_of
from lifecycle.core.summary import Entered, Folded, Judged, summarize, why
from lifecycle.core.verdict import (
    UNTAKEN,
    SortKey,
    Taken,
    first_stage,
    sort_key,
    supersedes,
    supersedes_by_number,
)
from lifecycle.core.view import HistoryEntry, OrderView, Verdict
from lifecycle.errors import InvalidArgumentError, MixedOrdersError


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


T = TypeVar("T")

Placed = list[tuple[SortKey, T]]
"""What events come to, each item with the place of its event, in canonical order."""

_place_of: Final = itemgetter(0)


class Folding:
    """The events of one order, folded one at a time, in whatever order they come.

    Not for several threads at once.
    """

    def __init__(self, definition: Definition) -> None:
        if not isinstance(definition, Definition):
            check_type("definition", definition, Definition)
        self.definition = definition
        self._start = first_stage(definition)
        self._order: tuple[str, str] | None = None
        self._counted: dict[str, Event] = {}
        self._evidence: dict[tuple[str, str], Event] = {}
        self._places: list[SortKey] = []
        self._events: list[Event] = []
        self._steps: list[Taken] = []
        self._path: Placed[Entered] = []
        self._milestones: Placed[Entered] = []
        self._odd: Placed[Judged] = []
        self._view: OrderView | None = None

    @classmethod
    def of(cls, definition: Definition, events: Iterable[Event]) -> Folding:
        """Return the folding of all these events, sorted once and folded once."""
        folding = cls(definition)
        folding.add_all(events)
        return folding

    @property
    def path(self) -> tuple[Entered, ...]:
        """The states that events entered, in canonical order."""
        return tuple([entered for _, entered in self._path])

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event added, in canonical order, then the divergent evidence."""
        return (*self._events, *self._evidence.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return Folding.of, (self.definition, self.events)

    def add(self, event: Event) -> Change | None:
        """Fold one more event in, and return what it changed; a repeat changes nothing.

        Raises:
            MixedOrdersError: it is about another order than those before it.
        """
        if not isinstance(event, Event):
            check_type("event", event, Event)
        if not self._count(event):
            return None
        if len(self._counted) == len(self._events):
            before = self.path
            self._sort()  # it took the place of another content under its key
            return Change.between(before, self.path, event.key)
        return self._insert(event, sort_key(self.definition, event))

    def add_all(self, events: Iterable[Event]) -> None:
        """Fold more events in: sorted once and folded once, whatever was added before.

        Raises:
            MixedOrdersError: they are about more than one order.
        """
        try:
            events = list(events)
            counted = {event.key: event for event in events}
            orders = {(event.provider, event.order_id) for event in events}
            if not self._counted and len(counted) == len(events) and len(orders) == 1:
                self._counted = counted  # as most orders are read: nothing is to be decided
                (self._order,) = orders
            else:
                for event in events:
                    self._count(event)
        except (AttributeError, TypeError):
            _refuse_strangers(events)
            raise
        self._sort()

    def view(self) -> OrderView:
        """Return the view of what was added so far.

        Raises:
            MixedOrdersError: nothing was added.
        """
        if self._view is None:
            steps, events = self._steps, self._events
            told = [(t.overwrites, e.details) for t, e in zip(steps, events, strict=True)]
            self._view = summarize(
                Folded(
                    self.definition,
                    events,
                    self._evidence.values(),
                    steps[-1].after if steps else self._start,
                    self._path,
                    self._milestones,
                    self._odd,
                    merged(told),
                )
            )
        return self._view

    def history(self) -> tuple[HistoryEntry, ...]:
        """Return every event with its verdict and reason, then the divergent evidence.

        Raises:
            MixedOrdersError: nothing was added.
        """
        self.view()
        judged = self._judged()
        evidence = sorted(self._evidence.values(), key=partial(sort_key, self.definition))
        return (
            *map(self._entry, judged),
            *(self._entry(Judged(event, 0, Verdict.DIVERGENT, None, None)) for event in evidence),
        )

    def _count(self, event: Event) -> bool:
        """Take an event in; tell whether it counts from now on: a repeat and evidence do not."""
        order = (event.provider, event.order_id)
        if order != self._order:
            if self._order is not None:
                raise MixedOrdersError((stream_of(*self._order), event.stream))
            self._order = order
        key, digest = event.key, event.digest
        rival = self._counted.get(key)
        if rival is None:
            self._counted[key] = event
        elif rival.digest == digest or (key, digest) in self._evidence:
            return False
        elif (supersedes_by_number if self.definition.numbered else supersedes)(event, rival):
            self._counted[key] = event
            self._evidence[key, rival.digest] = rival
        else:
            self._evidence[key, digest] = event
        self._view = None
        return self._counted[key] is event

    def _sort(self) -> None:
        """Bring the counted events into canonical order and fold them from the start."""
        definition = self.definition
        placed = [(sort_key(definition, event), event) for event in self._counted.values()]
        placed.sort()
        self._places = [where for where, _ in placed]
        self._events = [event for _, event in placed]
        self._steps = [UNTAKEN] * len(placed)
        self._path, self._milestones, self._odd = [], [], []
        if placed:
            self._fold_from(0)

    def _insert(self, event: Event, where: SortKey) -> Change | None:
        """Fold an event in at its place, and on to where nothing changes any more."""
        at = bisect(self._places, where)
        self._places.insert(at, where)
        self._events.insert(at, event)
        # Until its step is taken, it leads to where the event before it does.
        self._steps.insert(at, self._steps[at - 1] if at else UNTAKEN._replace(after=self._start))
        return self._fold_from(at, event.key)

    def _fold_from(self, start: int, cause: str = "") -> Change | None:
        """Take the steps from `start` on, to where one leads to the same stage as before.

        Returns what that changed in the path, with `cause` as its cause.
        """
        places, events, steps = self._places, self._events, self._steps
        numbered, at = self.definition.numbered, start
        stage = steps[start - 1].after if start else self._start
        path: Placed[Entered] = []
        milestones: Placed[Entered] = []
        odd: Placed[Judged] = []
        for at in range(start, len(events)):
            where, event = places[at], events[at]
            is_timed = (event.sequence if numbered else event.occurred_at) is not None
            taken = stage.steps[event.trigger, event.kind, is_timed, where[0]]
            before, stage = stage, taken.after
            if stage is not before:
                path.append((where, Entered(str(stage.status), event.occurred_at, event.key)))
            elif taken.beside is not None:
                milestones.append((where, Entered(taken.beside, event.occurred_at, event.key)))
            if taken.is_odd or event.problems:
                judged = Judged(event, where[0], taken.verdict, before.status, stage.status)
                odd.append((where, judged))
            led_to, steps[at] = steps[at].after, taken
            if stage is led_to:
                break
        first, last = places[start], places[at]
        if milestones or self._milestones:
            replace(self._milestones, first, last, milestones)
        if odd or self._odd:
            replace(self._odd, first, last, odd)
        return self._path_replaced(first, last, path, cause)

    def _path_replaced(
        self, first: SortKey, last: SortKey, by: Placed[Entered], cause: str
    ) -> Change | None:
        """Replace what the events from `first` to `last` entered, and return what changed."""
        path, replaced = self._path, []
        before = path[-1][1].status if path else None
        if path and not path[-1][0] < first:
            replaced = [entered for _, entered in replace(path, first, last, by)]
        else:
            path += by  # as nearly always: nothing was entered after `first`
        entered = [each for _, each in by]
        if entered == replaced or not path:
            return None
        continues = path[-1] is by[-1] if by else False
        corrected = not continues or entered[: len(replaced)] != replaced
        return Change(before, path[-1][1].status, cause, corrected)

    def _judged(self) -> Iterator[Judged]:
        """Yield each event with its verdict."""
        before = self._start
        for event, where, taken in zip(self._events, self._places, self._steps, strict=True):
            yield Judged(event, where[0], taken.verdict, before.status, taken.after.status)
            before = taken.after

    def _entry(self, judged: Judged) -> HistoryEntry:
        event = judged.event
        return HistoryEntry(
            name=event.name,
            kind=event.kind,
            key=event.key,
            verdict=judged.verdict,
            reason=why(self.definition, judged),
            from_=judged.before,
            to=judged.after,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            sha256=event.sha256,
            position=event.position,
            recorded_at=event.recorded_at,
            recording=event.recording,
        )


def replace(placed: Placed[T], first: SortKey, last: SortKey, by: Placed[T]) -> Placed[T]:
    """Replace the items placed from `first` to `last`, and return those that were there."""
    start = bisect_left(placed, first, key=_place_of)
    end = bisect(placed, last, key=_place_of)
    replaced = placed[start:end]
    placed[start:end] = by
    return replaced


# Nearly all values are these, and asking them whether they are a `Mapping` is slow.
_LEAVES: Final = frozenset({str, bool, int, float})
_OBJECTS: Final = (dict, Mapping)
_UNITED: Final = frozenset({dict, MappingProxyType})
"""Types that `|` merges, in a third of the time that a loop over their items takes."""


def merged(told: Iterable[tuple[bool | None, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the details of events in canonical order, merged.

    First those that only fill gaps, the newest first, so that the oldest counts; then those that
    overwrite. Details hold only leaves that say something.
    """
    overwriting: list[Mapping[str, Any]] = []
    filling: list[Mapping[str, Any]] = []
    for overwrites, details in told:
        if overwrites:
            overwriting.append(details)
        elif overwrites is not None:
            filling.append(details)
    return _overlaid([*reversed(filling), *overwriting])


def _overlaid(told: Sequence[Any]) -> dict[str, Any]:
    """Return details merged leaf by leaf; of a leaf that stands in several, the last counts."""
    known: dict[str, Any] = {}
    for each in told:
        known = known | each if type(each) in _UNITED else known | dict(each)
    for name, value in known.items():
        if type(value) not in _LEAVES and isinstance(value, Mapping):
            parts = [each[name] for each in told if name in each]
            known[name] = _overlaid([part for part in parts if isinstance(part, _OBJECTS)])
    return known
