"""The ways that arrows take between the cells of a grid, so that no two lie on each other.

Rows are parted by channels, columns by corridors. An arrow runs straight where nothing
stands between, else from the edge of one box along a channel, where it has a track of its
own, perhaps through a corridor, to the edge of another. Labels lie on tracks too. So
lines may cross, but never cover one another, a box, or a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from lifecycle.diagram.grid import Cell, Grid
from lifecycle.diagram.outline import Key
from lifecycle.diagram.scene import Area, Point

_GAP: Final = 25.0
_MARGIN: Final = 14.0
_TRACK: Final = 11.0
_TRACK_WITH_LABELS: Final = 19.0
_CORRIDOR_TRACK: Final = 9.0
_PAD: Final = 15.0
_BESIDE: Final = 18.0
_SIDE: Final = 8.0

_APART: Final = 8.0

Side = Literal["top", "bottom"]

Group = Literal["upper", "middle", "lower"]
"""Whether a piece belongs to the row above a channel, passes between both, or to the row below."""

Owner = tuple[str, int, int]
"""Whose a piece is: a kind of line, its number, and which of its pieces."""


class Link(NamedTuple):
    """One arrow to be routed; `label` is how wide its label is, 0 for none."""

    source: Key
    target: Key
    label: float = 0.0


class Strip(NamedTuple):
    """A straight line of its own along the channel below a row, from box to box."""

    row: int
    first: Key
    last: Key
    label: float
    group: Group


class Route(NamedTuple):
    """Where an arrow runs, and where the middle of its label is."""

    points: tuple[Point, ...]
    label: Point


class Layout(NamedTuple):
    """Where everything is: boxes, arrows and strips in the order given, and the whole's size."""

    areas: Mapping[Key, Area]
    routes: tuple[Route, ...]
    strips: tuple[Route, ...]
    width: float
    height: float


class Span(NamedTuple):
    """A piece of a channel that somebody needs."""

    owner: Owner
    group: Group
    left: float
    right: float
    label: bool


class _Way(NamedTuple):
    """How an arrow runs: through no channel if straight, through one, or through two."""

    link: Link
    source: Cell
    target: Cell
    channels: tuple[int, ...] = ()
    corridor: int | None = None
    out: Side = "bottom"
    into: Side = "top"
    upright: bool = False


class _End(NamedTuple):
    """Where an arrow leaves a box, or enters it; `other` is the column that it comes from."""

    number: int
    key: Key
    other: float
    enters: bool


def routed(
    grid: Grid,
    sizes: Mapping[Key, tuple[float, float]],
    links: Sequence[Link],
    strips: Sequence[Strip] = (),
) -> Layout:
    """Return where boxes of these sizes stand on a grid, and how the arrows run between them."""
    return _Router(grid, sizes, links, strips).layout()


class _Router:
    def __init__(
        self,
        grid: Grid,
        sizes: Mapping[Key, tuple[float, float]],
        links: Sequence[Link],
        strips: Sequence[Strip],
    ) -> None:
        self._grid, self._sizes, self._strips = grid, sizes, strips
        self._ways = [self._way(link) for link in links]
        self._corridor_tracks = self._tracked_corridors()
        self._columns, self._corridors, self._width = self._across()
        self._ports = self._ported()
        self._tracks, self._rows, self._height = self._down()

    def layout(self) -> Layout:
        return Layout(
            areas={key: self._area(key) for key in self._grid.cells},
            routes=tuple(self._route(number) for number in range(len(self._ways))),
            strips=tuple(self._strip(number) for number in range(len(self._strips))),
            width=self._width,
            height=self._height,
        )

    # Which way each arrow goes.

    def _way(self, link: Link) -> _Way:
        source, target = self._grid.cells[link.source], self._grid.cells[link.target]
        straight = _Way(link, source, target)
        if source.row == target.row:
            between = range(source.column + 1, target.column)
            if target.column > source.column and self._grid.is_free(source.row, between):
                return straight
            if target.column >= source.column:
                return straight._replace(channels=(source.row,), out="top", into="top")
            return straight._replace(channels=(source.row + 1,), out="bottom", into="bottom")
        downwards = target.row > source.row
        first = source.row + downwards
        last = target.row + (not downwards)
        way = straight if downwards else straight._replace(out="top", into="bottom")
        if first == last:
            return way._replace(channels=(first,), upright=source.column == target.column)
        corridor = target.column + (source.column >= target.column)
        return way._replace(channels=(first, last), corridor=corridor)

    # From left to right: corridors, columns, and where arrows leave and enter boxes.

    def _tracked_corridors(self) -> dict[int, dict[int, int]]:
        """Return for each corridor the track of each arrow that runs through it."""
        needed: dict[int, list[Span]] = {}
        for number, way in enumerate(self._ways):
            if way.corridor is not None:
                top, bottom = sorted(way.channels)
                span = Span(("link", number, 0), "middle", top, bottom, label=False)
                needed.setdefault(way.corridor, []).append(span)
        return {
            corridor: {span.owner[1]: track for span, track in tracked(spans, apart=0)}
            for corridor, spans in needed.items()
        }

    def _across(self) -> tuple[list[float], list[float], float]:
        """Return the middles of the columns and of the corridors, and the whole width."""
        columns, corridors, x = [], [], 0.0
        for column in range(self._grid.columns + 1):
            room = self._room(column)
            corridors.append(x + room / 2)
            x += room
            if column < self._grid.columns:
                placed = self._grid.cells.items()
                widths = (self._sizes[key][0] for key, cell in placed if cell.column == column)
                width = max(widths, default=0.0)
                columns.append(x + width / 2)
                x += width
        return columns, corridors, x

    def _room(self, corridor: int) -> float:
        """Return how wide a corridor must be for its tracks and the labels in it."""
        tracks = len(set(self._corridor_tracks.get(corridor, {}).values()))
        straight = (way for way in self._ways if not way.channels)
        labels = (way.link.label for way in straight if way.source.column + 1 == corridor)
        least = _MARGIN if corridor in (0, self._grid.columns) else _GAP
        label = max(labels, default=0.0)
        return max(least, tracks * _CORRIDOR_TRACK + 16, label + 22 if label else 0.0)

    def _ported(self) -> dict[tuple[int, bool], float]:
        """Return where each arrow leaves and enters (True), as x.

        Whatever meets a channel in one column has a place of its own there, above and below.
        """
        ends: dict[tuple[int, int], list[_End]] = {}
        for number, way in enumerate(self._ways):
            if way.channels and not way.upright:
                for end, cell in self._ends(number, way):
                    channel = way.channels[-1 if end.enters else 0]
                    ends.setdefault((channel, cell.column), []).append(end)
        ports: dict[tuple[int, bool], float] = {}
        for (channel, column), found in ends.items():
            ports.update(self._spread(channel, column, found))
        ports.update(self._pinned())
        return ports

    def _ends(self, number: int, way: _Way) -> Iterator[tuple[_End, Cell]]:
        bend = None if way.corridor is None else way.corridor - 0.5
        beyond = way.target.column if bend is None else bend
        yield _End(number, way.link.source, beyond, enters=False), way.source
        before = way.source.column if bend is None else bend
        yield _End(number, way.link.target, before, enters=True), way.target

    def _spread(
        self, channel: int, column: int, found: Sequence[_End]
    ) -> Iterator[tuple[tuple[int, bool], float]]:
        """Yield places along the sides of boxes: what goes left on their left, and so on."""
        middle = self._columns[column]
        halves = {end.key: self._sizes[end.key][0] / 2 for end in found}
        narrow = {key for key, half in halves.items() if half <= 2 * _SIDE}
        yield from (((end.number, end.enters), middle) for end in found if end.key in narrow)
        half = min((half for key, half in halves.items() if key not in narrow), default=0.0)
        inner = self._kept_free(channel, column)
        for sign in (-1, 1):
            zone = [e for e in found if e.key not in narrow and (e.other < column) == (sign < 0)]
            zone.sort(key=lambda end: (-abs(end.other - column), end.number, end.enters))
            step = (half - _SIDE - inner) / (len(zone) + 1)
            for place, end in enumerate(zone, 1):
                yield (end.number, end.enters), middle + sign * (inner + place * step)

    def _kept_free(self, channel: int, column: int) -> float:
        """Return how far from its middle a column is taken by upright arrows in a channel."""
        here = (way for way in self._ways if way.upright and way.channels == (channel,))
        upright = sum(way.source.column == column for way in here)
        return max(upright - 1, 0) * _BESIDE / 2 + _SIDE if upright else 2.0

    def _pinned(self) -> Iterator[tuple[tuple[int, bool], float]]:
        """Yield the places of upright arrows: the same at both ends, side by side."""
        pairs: dict[frozenset[Key], list[int]] = {}
        for number, way in enumerate(self._ways):
            if way.upright:
                pairs.setdefault(frozenset((way.link.source, way.link.target)), []).append(number)
        for numbers in pairs.values():
            for place, number in enumerate(numbers):
                middle = self._columns[self._ways[number].source.column]
                x = middle + (place - (len(numbers) - 1) / 2) * _BESIDE
                yield (number, False), x
                yield (number, True), x

    # From top to bottom: channels with their tracks, and rows.

    def _down(self) -> tuple[dict[Owner, float], list[float], float]:
        """Return where each track and the middle of each row is, and the whole height."""
        tracks: dict[Owner, float] = {}
        rows, y = [], 0.0
        for channel in range(self._grid.rows + 1):
            spans = [*self._spans(channel)]
            pitch = _TRACK_WITH_LABELS if any(span.label for span in spans) else _TRACK
            count = 0
            for owner, track in stacked(spans):
                tracks[owner] = y + _PAD + (track + 0.5) * pitch
                count = max(count, track + 1)
            least = _MARGIN if channel in (0, self._grid.rows) else _GAP
            y += max(least, 2 * _PAD + count * pitch) if count else least
            if channel < self._grid.rows:
                placed = self._grid.cells.items()
                heights = (self._sizes[key][1] for key, cell in placed if cell.row == channel)
                height = max(heights, default=0.0)
                rows.append(y + height / 2)
                y += height
        return tracks, rows, y

    def _spans(self, channel: int) -> Iterator[Span]:
        for number, way in enumerate(self._ways):
            for leg, at in enumerate(way.channels):
                if at == channel and not (way.upright and not way.link.label):
                    yield self._span(number, leg)
        for number, strip in enumerate(self._strips):
            if strip.row + 1 == channel:
                left, right = self._reach(strip)
                yield Span(("strip", number, 0), strip.group, left, right, label=bool(strip.label))

    def _span(self, number: int, leg: int) -> Span:
        way = self._ways[number]
        left, right = sorted(self._leg(number, leg))
        label = way.link.label if leg == self._labeled_leg(number) else 0.0
        middle = (left + right) / 2
        left, right = min(left, middle - label / 2), max(right, middle + label / 2)
        sides = {way.out, way.into}
        group: Group = "middle" if len(sides) > 1 else "upper" if "bottom" in sides else "lower"
        return Span(("link", number, leg), group, left, right, label=bool(label))

    def _leg(self, number: int, leg: int) -> tuple[float, float]:
        """Return where an arrow's run along a channel starts and ends, as x."""
        out, into = self._ports[number, False], self._ports[number, True]
        corridor = self._ways[number].corridor
        if corridor is None:
            return out, into
        tracks = self._corridor_tracks[corridor]
        beside = tracks[number] - (len(set(tracks.values())) - 1) / 2
        bend = self._corridors[corridor] + beside * _CORRIDOR_TRACK
        return (out, bend) if leg == 0 else (bend, into)

    def _labeled_leg(self, number: int) -> int:
        """Return which of an arrow's runs along channels is the longest."""
        legs = [self._leg(number, leg) for leg, _ in enumerate(self._ways[number].channels)]
        lengths = [abs(start - end) for start, end in legs]
        return lengths.index(max(lengths))

    def _reach(self, strip: Strip) -> tuple[float, float]:
        ends = [self._columns[self._grid.cells[key].column] for key in (strip.first, strip.last)]
        left, right = min(ends), max(ends)
        short = max(strip.label + 40 - (right - left), 0.0)
        left = max(left - short / 2, 6.0)
        return left, max(right, left + strip.label + 40)

    # Where it all is.

    def _area(self, key: Key) -> Area:
        cell, (width, height) = self._grid.cells[key], self._sizes[key]
        x, y = self._columns[cell.column], self._rows[cell.row]
        return Area(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def _route(self, number: int) -> Route:
        way = self._ways[number]
        source, target = self._area(way.link.source), self._area(way.link.target)
        if not way.channels:
            y = self._rows[way.source.row]
            corridor = self._corridors[way.source.column + 1]
            return Route(((source.right, y), (target.left, y)), (corridor - 3, y))
        start = (self._ports[number, False], _edge(source, way.out))
        end = (self._ports[number, True], _edge(target, way.into))
        points = [start]
        for leg in range(len(way.channels)):
            y = self._tracks.get(("link", number, leg), (start[1] + end[1]) / 2)
            points += [(x, y) for x in self._leg(number, leg)]
        leg = self._labeled_leg(number)
        (left, y), (right, _) = points[1 + 2 * leg], points[2 + 2 * leg]
        return Route((*points, end), ((left + right) / 2, y))

    def _strip(self, number: int) -> Route:
        left, right = self._reach(self._strips[number])
        y = self._tracks["strip", number, 0]
        return Route(((right, y), (left, y)), ((left + right) / 2, y))


def _edge(area: Area, side: Side) -> float:
    return area.bottom if side == "bottom" else area.top


def stacked(spans: Sequence[Span]) -> Iterator[tuple[Owner, int]]:
    """Yield tracks from the top down: arcs of the row above, what passes, arcs of the row below."""
    above = 0
    for group in ("upper", "middle", "lower"):
        chosen = [span for span in spans if span.group == group]
        found = [*tracked(chosen)]
        count = max((track + 1 for _, track in found), default=0)
        for span, track in found:
            yield span.owner, above + (count - 1 - track if group == "lower" else track)
        above += count


def tracked(spans: Iterable[Span], *, apart: float = _APART) -> Iterator[tuple[Span, int]]:
    """Yield each piece with the first track on which it meets nobody, short ones first."""
    taken: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.right - span.left, span.left, span.owner)):
        free = (
            track
            for track, others in enumerate(taken)
            if all(
                span.right + apart < other.left or other.right + apart < span.left
                for other in others
            )
        )
        track = next(free, len(taken))
        if track == len(taken):
            taken.append([])
        taken[track].append(span)
        yield span, track
