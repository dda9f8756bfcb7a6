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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from lifecycle.core.argument import check_type
from lifecycle.core.change import Change
from lifecycle.core.definition import Definition
from lifecycle.core.event import Event, stream_of
from lifecycle.core.summary import ODD, Entered, Folded, Judged, summarize, why
from lifecycle.core.verdict import (
    SortKey,
    Stage,
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


class Placed(Generic[T]):
    """What events come to, each item with the place of its event, in canonical order."""

    __slots__ = ("items", "places")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.places: list[SortKey] = []

    def replace(self, first: SortKey, last: SortKey, by: list[tuple[SortKey, T]]) -> list[T]:
        """Put items in the stead of those placed from `first` to `last`, which are returned."""
        places, items = self.places, self.items
        start, end = bisect_left(places, first), bisect(places, last)
        replaced = items[start:end]
        if by or replaced:
            places[start:end] = [where for where, _ in by]
            items[start:end] = [item for _, item in by]
        return replaced

    def copy(self) -> Placed[T]:
        """Return the same, to go on without the other."""
        twin: Placed[T] = Placed()
        twin.items, twin.places = self.items.copy(), self.places.copy()
        return twin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placed) and self.items == other.items

    __hash__: None = None  # type: ignore[assignment]


class Folding:
    """The events of one order, folded one at a time, in whatever order they come.

    Not for several threads at once.
    """

    def __init__(self, definition: Definition) -> None:
        if not isinstance(definition, Definition):
            check_type("definition", definition, Definition)
        self.definition = definition
        self._start = first_stage(definition)
        self._known: set[tuple[str, str]] = set()
        self._counted: dict[str, Event] = {}
        self._evidence: list[Event] = []
        self._places: list[SortKey] = []
        self._events: list[Event] = []
        self._steps: list[Taken] = []
        self._order: tuple[str, str] | None = None
        self._view: OrderView | None = None
        self._path: Placed[Entered] = Placed()
        self._milestones: Placed[Entered] = Placed()
        self._odd: Placed[Judged] = Placed()

    @classmethod
    def of(cls, definition: Definition, events: Iterable[Event]) -> Folding:
        """Return the folding of all these events, sorted once and folded once."""
        folding = cls(definition)
        folding.add_all(events)
        return folding

    @property
    def path(self) -> tuple[Entered, ...]:
        """The states that events entered, in canonical order."""
        return tuple(self._path.items)

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event added, in canonical order, then the divergent evidence."""
        return (*self._events, *self._evidence)

    def __reduce__(self) -> tuple[Any, ...]:
        return Folding.of, (self.definition, self.events)

    def add(self, event: Event) -> Change | None:
        """Fold one more event in, and return what it changed; a repeat changes nothing.

        Raises:
            MixedOrdersError: it is about another order than those before it.
        """
        if not isinstance(event, Event):
            check_type("event", event, Event)
        if not self._count(event) or self._counted[event.key] is not event:
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
            self._count_all(events)
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
            self._view = summarize(
                Folded(
                    definition=self.definition,
                    events=self._events,
                    evidence=self._evidence,
                    stage=self._stage_before(len(self._steps)),
                    path=self._path.items,
                    milestones=self._milestones.items,
                    odd=self._odd.items,
                    details=self._details(),
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
        evidence = sorted(self._evidence, key=lambda event: sort_key(self.definition, event))
        return (
            *map(self._entry, judged),
            *(self._entry(Judged(event, 0, Verdict.DIVERGENT, None, None)) for event in evidence),
        )

    def _count_all(self, events: list[Event]) -> None:
        """Take events in; most orders are read with nothing to decide: at once, then."""
        counted = {event.key: event for event in events}
        orders = {(event.provider, event.order_id) for event in events}
        if not self._known and len(counted) == len(events) and len(orders) == 1:
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
        elif (supersedes_by_number if self.definition.numbered else supersedes)(event, rival):
            self._counted[key] = event
            self._evidence.append(rival)
        else:
            self._evidence.append(event)
        return True

    def _sort(self) -> None:
        """Bring the counted events into canonical order and fold them from the start."""
        definition = self.definition
        placed = [(sort_key(definition, event), event) for event in self._counted.values()]
        placed.sort()
        self._places = [where for where, _ in placed]
        self._events = [event for _, event in placed]
        if self._steps:
            self._path, self._milestones, self._odd = Placed(), Placed(), Placed()
        self._steps = []
        stage = self._start
        for where, event in placed:
            taken = self._step(stage, event, where[0])
            self._steps.append(taken)
            stage = taken.after
        self._collect(0, len(placed))

    def _insert(self, event: Event, where: SortKey) -> Change | None:
        """Fold an event in at its place, and on to where nothing changes any more."""
        events, places, steps = self._events, self._places, self._steps
        at = start = bisect(places, where)
        led_to = stage = self._stage_before(at)
        places.insert(at, where)
        events.insert(at, event)
        steps.insert(at, self._step(stage, event, where[0]))
        while (stage := steps[at].after) is not led_to and at + 1 < len(steps):
            at += 1
            led_to = steps[at].after
            steps[at] = self._step(stage, events[at], places[at][0])
        return self._collect(start, at + 1, event.key)

    def _step(self, before: Stage, event: Event, lane: int) -> Taken:
        at = event.sequence if self.definition.numbered else event.occurred_at
        return before.steps[event.trigger, event.kind, at is not None, lane]

    def _stage_before(self, at: int) -> Stage:
        return self._steps[at - 1].after if at else self._start

    def _collect(self, start: int, end: int, cause: str = "") -> Change | None:
        """Collect anew what the steps from `start` to before `end` come to.

        Returns what that changed in the path, with `cause` as its cause.
        """
        if start == end:
            return None
        path: list[tuple[SortKey, Entered]] = []
        milestones: list[tuple[SortKey, Entered]] = []
        odd: list[tuple[SortKey, Judged]] = []
        stage = self._stage_before(start)
        for where, event, taken in zip(
            self._places[start:end], self._events[start:end], self._steps[start:end], strict=True
        ):
            before, stage = stage, taken.after
            if stage is not before:
                path.append((where, Entered(str(stage.status), event.occurred_at, event.key)))
            elif taken.beside is not None:
                milestones.append((where, Entered(taken.beside, event.occurred_at, event.key)))
            if taken.verdict in ODD or event.problems:
                judged = Judged(event, where[0], taken.verdict, before.status, stage.status)
                odd.append((where, judged))
        first, last = self._places[start], self._places[end - 1]
        if milestones or self._milestones.items:
            self._milestones.replace(first, last, milestones)
        if odd or self._odd.items:
            self._odd.replace(first, last, odd)
        return self._path_replaced(first, last, path, cause)

    def _path_replaced(
        self, first: SortKey, last: SortKey, by: list[tuple[SortKey, Entered]], cause: str
    ) -> Change | None:
        """Replace what the events from `first` to `last` entered, and return what changed."""
        path = self._path.items
        before = path[-1].status if path else None
        replaced = self._path.replace(first, last, by)
        entered = [item for _, item in by]
        if entered == replaced or not path:
            return None
        continues = path[-1] is entered[-1] if entered else False
        corrected = not continues or entered[: len(replaced)] != replaced
        return Change(before, path[-1].status, cause, corrected)

    def _details(self) -> dict[str, Any]:
        """Return what all events say of the order, merged in canonical order."""
        merged: dict[str, Any] = {}
        for event, taken in zip(self._events, self._steps, strict=True):
            if taken.overwrites is not None:
                merge(merged, event.details, overwrite=taken.overwrites)
        return merged

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


# Nearly all values are these, and asking them whether they are a `Mapping` is slow.
_LEAVES: Final = frozenset({str, bool, int, float})


def merge(known: dict[str, Any], told: Mapping[str, Any], *, overwrite: bool) -> None:
    """Merge `told`, which holds only leaves that say something, into what is known."""
    for name, value in told.items():
        if type(value) not in _LEAVES and isinstance(value, Mapping):
            merge(known.setdefault(name, {}), value, overwrite=overwrite)
        elif overwrite or name not in known:
            known[name] = value
