"""The picture of an order in time: when things occurred above, when we heard below."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.chart import LABEL, pill, pill_width, solid
from lifecycle.diagram.clock import clock, date
from lifecycle.diagram.frame import Part, Sign, framed, line_sign
from lifecycle.diagram.harmless import spoken
from lifecycle.diagram.ledger import ledger
from lifecycle.diagram.metrics import fitted, text_width
from lifecycle.diagram.moments import Moment, Order, order_of
from lifecycle.diagram.scene import Area, Box, Disc, Item, Line, Scene, Text, centered
from lifecycle.diagram.wording import facts_of, summary_of, title_of

_LEFT: Final = 130.0
_LEAST: Final = 960.0
_MOST: Final = 4000.0
_EACH: Final = 20.0
_LEAST_GAP: Final = 12.0
_BAND: Final = 34.0
_LANES_APART: Final = 96.0
_LEVEL: Final = 21.0
_NUMBER: Final = 9.5
_NUMBER_LEVEL: Final = 12.0
_FEW: Final = 16
_MOST_LEVELS: Final = 9
_LONGEST_NAME: Final = 190.0
_END: Final = 30.0


class _Label(NamedTuple):
    """A text that points down at `x`, and how far it reaches to both sides of it."""

    x: float
    before: float
    after: float


def lanes(
    view: OrderView, history: Sequence[HistoryEntry], *, asked: str = "", bare: bool = False
) -> Scene:
    """Return an order in time, in two lanes, with every event in a list below them.

    A `bare` one has neither title nor list.
    """
    order = order_of(view, history)
    facts = facts_of(order, asked)
    drawn = _Lanes(order).part()
    parts = [drawn] if bare else [drawn, ledger(order, drawn.width)]
    summary = summary_of(order, facts)
    return framed(title_of(order), facts, parts, [*_signs(order)], summary, bare=bare)


class _Lanes:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._moments = order.moments
        instants = {e.at for e in self._moments}
        instants |= {e.entry.received_at for e in self._moments}
        self._instants = sorted(instants)
        self._places = self._stretched()
        # The lanes go on after the last event as far as its texts reach.
        last = text_width(spoken(order.view.status), LABEL, bold=True) + 14
        self._right = _LEFT + self._places[-1] + max(_END, last)

    def part(self) -> Part:
        """Return the lanes as a piece of a picture."""
        labels, room = self._above()
        occurred = _BAND + 22 + room
        arrived = occurred + _LANES_APART
        items = [
            *self._band(),
            *self._lane(occurred, "occurred", "the provider's clock"),
            *self._lane(arrived, "arrived", "our clock"),
            *self._lines(occurred, arrived),
            *self._leads(labels, occurred),
            *self._points(occurred, arrived),
            *self._labels(labels, occurred),
        ]
        numbers, below = self._below(arrived)
        items += numbers
        axis = arrived + 16 + below
        items += self._axis(axis)
        reach = max(item.area.right for item in items if isinstance(item, Text))
        return Part(tuple(items), max(self._right, reach + 2), axis + 22)

    # The axis: short spans are given more than their share, so that nothing coincides.

    def _stretched(self) -> list[float]:
        """Return the place of each instant, from 0."""
        gaps = [(b - a).total_seconds() ** 0.5 for a, b in pairwise(self._instants)]
        whole = min(max(_LEAST, _EACH * len(self._moments)), _MOST)
        least = min(_LEAST_GAP, whole / (2 * len(gaps))) if gaps else 0.0
        share = (whole - least * len(gaps)) / (sum(gaps) or 1.0)
        places = [0.0]
        for gap in gaps:
            places.append(places[-1] + least + gap * share)
        return places

    def _x(self, at: datetime) -> float:
        return _LEFT + self._places[bisect_left(self._instants, at)]

    def _axis(self, y: float) -> Iterator[Item]:
        yield Line(((_LEFT, y), (self._right, y)), "grid")
        free, day = 0.0, None
        for at in self._instants:
            x, today = self._x(at), date(at)
            said = clock(at) if today == day else f"{today} {clock(at)}"
            label = Text(max(x - 4, _LEFT - 12), y + 15, said, 10, "faint")
            if label.area.left >= free:
                yield Line(((x, y - 4), (x, y + 4)), "line")
                yield label
                free, day = label.area.right + 12, today
        yield Text(0, y + 15, "UTC", 10, "faint")

    # The band: where the order stood.

    def _band(self) -> Iterator[Item]:
        yield Text(0, _BAND / 2 + 4, "state", LABEL, "ink", bold=True)
        moves = self._order.moves
        ends = [moment.at for moment in moves[1:]]
        reached = 0.0
        for moment, until in zip(moves, [*map(self._x, ends), self._right], strict=False):
            # Two clocks were compared where a step seems to lie before the one that it follows.
            left = max(self._x(moment.at), reached)
            reached = right = max(until, left)
            is_last = moment is moves[-1]
            look = "now" if is_last else "entered"
            title = f"{spoken(moment.entry.to or '')} {moment.stay}".strip()
            yield Box(Area(left, 0, max(right, left + 1), _BAND), look, 3, title)
            yield from self._written(moment, left, right, is_last=is_last)

    def _written(
        self, moment: Moment, left: float, right: float, *, is_last: bool
    ) -> Iterator[Item]:
        """Yield what fits into a piece of the band: the state and the stay, or the number."""
        room = right - left - 8
        name = spoken(moment.entry.to or "")
        stay = ("the end" if self._order.view.terminal else "now") if is_last else moment.stay
        number = f"{moment.number}"
        if text_width(name, LABEL, bold=True) <= room:
            yield Text(left + 4, 14, name, LABEL, "ink", bold=True)
            if text_width(stay, 10) <= room:
                yield Text(left + 4, 27, stay, 10, "ink")
        elif text_width(number, _NUMBER, bold=True) <= room + 6:
            yield centered((left + right) / 2, _BAND / 2, number, _NUMBER, "ink", bold=True)

    # The lanes, and what is in them.

    def _lane(self, y: float, name: str, whose: str) -> Iterator[Item]:
        yield Text(0, y - 1, name, LABEL, "ink", bold=True)
        yield Text(0, y + 12, whose, 10, "faint")
        yield Line(((_LEFT, y), (self._right, y)), "grid")

    def _ends_of(self, moment: Moment) -> tuple[float, float]:
        return self._x(moment.at), self._x(moment.entry.received_at)

    def _lines(self, occurred: float, arrived: float) -> Iterator[Item]:
        for moment in sorted(self._moments, key=lambda moment: moment.late):
            start, end = self._ends_of(moment)
            look = "back" if moment.late else "lead" if moment.ours else "line"
            yield Line(((start, occurred), (end, arrived)), look)

    def _points(self, occurred: float, arrived: float) -> Iterator[Item]:
        for moment in self._moments:
            start, end = self._ends_of(moment)
            look = solid("point", "odd" if moment.late else moment.look)
            yield Disc(start, occurred, 4.5, "point-ours" if moment.ours else look)
            yield Disc(end, arrived, 4.5, look)

    # The labels: names while there are few events, numbers alone where there are many.

    def _above(self) -> tuple[list[float], float]:
        """Return the level of each event's label above the lane, and the room they take."""
        if len(self._moments) <= _FEW:
            levels = _descending([self._named(moment) for moment in self._moments])
            if max(levels, default=0) < _MOST_LEVELS:
                heights = [18 + level * _LEVEL for level in levels]
                return heights, max(heights, default=0.0) + 18
        levels = _stacked([self._numbered(e, e.at) for e in self._moments])
        heights = [9 + level * _NUMBER_LEVEL for level in levels]
        return [-height for height in heights], max(heights, default=0.0) + 12

    def _named(self, moment: Moment) -> _Label:
        half = pill_width(f"{moment.number}") / 2
        return _Label(self._x(moment.at), half, half + 6 + text_width(_name(moment), LABEL))

    def _numbered(self, moment: Moment, at: datetime) -> _Label:
        half = text_width(f"{moment.number}", _NUMBER, bold=True) / 2
        return _Label(self._x(at), half, half)

    def _leads(self, heights: Sequence[float], y: float) -> Iterator[Item]:
        for moment, height in zip(self._moments, heights, strict=True):
            x = self._x(moment.at)
            if height > 0:
                yield Line(((x, y), (x, y - height)), "lead")

    def _labels(self, heights: Sequence[float], y: float) -> Iterator[Item]:
        for moment, height in zip(self._moments, heights, strict=True):
            x, number = self._x(moment.at), f"{moment.number}"
            ink = "odd" if moment.late else moment.look
            if height < 0:
                yield centered(x, y + height - 3, number, _NUMBER, ink, bold=True)
                continue
            yield from pill(x, y - height, number, ink)
            label = centered(0, y - height, _name(moment), LABEL, ink)
            yield label._replace(x=x + pill_width(number) / 2 + 4, anchor="start")

    def _below(self, y: float) -> tuple[list[Item], float]:
        """Return the numbers below the lower lane, in order of arrival, and the room they take."""
        labels = [self._numbered(e, e.entry.received_at) for e in self._moments]
        levels = _stacked(labels)
        items: list[Item] = []
        for moment, label, level in zip(self._moments, labels, levels, strict=True):
            ink = "odd" if moment.late else moment.look
            at = y + 13 + level * _NUMBER_LEVEL
            items.append(centered(label.x, at, f"{moment.number}", _NUMBER, ink, bold=True))
        return items, (max(levels, default=0) + 1) * _NUMBER_LEVEL


def _descending(labels: Sequence[_Label]) -> list[int]:
    """Return levels at which no label meets another, nor the line down from another.

    Labels reach to the right. So one stands above all that it would reach into.
    """
    levels = [0] * len(labels)
    by_place = sorted(range(len(labels)), key=lambda number: (labels[number].x, number))
    for place in reversed(range(len(by_place))):
        label = labels[by_place[place]]
        reach = label.x + label.after + 8
        levels[by_place[place]] = max(
            (
                levels[other] + 1
                for other in by_place[place + 1 :]
                if labels[other].x - labels[other].before < reach
            ),
            default=0,
        )
    return levels


def _stacked(labels: Sequence[_Label]) -> list[int]:
    """Return the lowest level for each label, from left to right, at which it meets no other."""
    levels = [0] * len(labels)
    reached: list[float] = []
    for number in sorted(range(len(labels)), key=lambda number: (labels[number].x, number)):
        label = labels[number]
        free = (at for at, right in enumerate(reached) if right < label.x - label.before)
        level = next(free, len(reached))
        if level == len(reached):
            reached.append(0.0)
        reached[level] = label.x + label.after + 2
        levels[number] = level
    return levels


def _name(moment: Moment) -> str:
    late = ", late" if moment.late else ""
    verdict = "" if moment.moves or moment.look == "faint" else f", {moment.verdict.value}"
    return fitted(f"{spoken(moment.entry.name)}{verdict}{late}", _LONGEST_NAME, LABEL)


def _signs(order: Order) -> Iterator[Sign]:
    """Yield what points and lines mean."""
    yield Sign((Disc(0, 0, 4.5, "point"),), "entered a state")
    inks: Iterable[str] = {moment.look for moment in order.moments}
    for ink, says in (("faint", "informed"), ("odd", "unusual"), ("wrong", "does not count")):
        if ink in inks:
            yield Sign((Disc(0, 0, 4.5, solid("point", ink)),), says)
    if any(moment.ours for moment in order.moments):
        yield Sign((Disc(0, 0, 4.5, "point-ours"),), "tells no time: placed by our clock")
    if any(moment.late for moment in order.moments):
        yield line_sign("back", "late: came after one that it precedes", head=False)
    yield line_sign("grid", "the axis is wider where much happens", head=False)
