"""A definition's states and moves as shapes: what every picture of it has in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.diagram.frame import Part
from lifecycle.diagram.grid import Grid, placed
from lifecycle.diagram.harmless import harmless, spoken
from lifecycle.diagram.metrics import pieces, shortened, text_width
from lifecycle.diagram.outline import START, Key, Outline, is_hub
from lifecycle.diagram.routes import Layout, Link, Route, Strip, routed
from lifecycle.diagram.scene import (
    Area,
    Box,
    Disc,
    Item,
    Line,
    Text,
    centered,
    diamond,
    moved,
)

LABEL: Final = 11.0
SMALL: Final = 10.5
_NAME: Final = 13.0
_LEADING: Final = 1.24
_NARROWEST: Final = 92.0
_WIDEST: Final = 150.0
_PADDING: Final = 7.0
_FINAL_GAP: Final = 4.0
_DOT: Final = 6.0
_DIAMOND: Final = 8.0
_MOST_LINES: Final = 3
_LONGEST_LABEL: Final = 26


class Words(NamedTuple):
    """One line of text inside a box."""

    text: str
    size: float = SMALL
    look: str = "faint"
    bold: bool = False


class Wire(NamedTuple):
    """One arrow to draw: `steps` stand in a pill, `words` beside it."""

    source: Key
    target: Key
    look: str = "line"
    steps: str = ""
    words: str = ""

    @property
    def width(self) -> float:
        """How wide its label is, 0 for none."""
        pill = pill_width(self.steps) if self.steps else 0.0
        words = text_width(self.words, LABEL) + 8 if self.words else 0.0
        return pill + words


class Rails(NamedTuple):
    """How the lines are shown that stand for many moves, and what is said of them first."""

    look: str = "strong-rail"
    back: str = "steps back"
    ends: str = "from every open state"

    @property
    def hub(self) -> str:
        """The look of what joins lines: as strong as they are."""
        return "hub-strong" if self.look == "strong-rail" else "hub"


class Look(NamedTuple):
    """How a state is shown: its box's look, and what stands below its name."""

    look: str = "box"
    lines: tuple[Words, ...] = ()

    @property
    def room(self) -> float:
        """How wide a box must be for its lines."""
        widths = (text_width(line.text, line.size, bold=line.bold) for line in self.lines)
        return max(widths) + 2 * _PADDING

    @property
    def height(self) -> float:
        """How high its lines are together."""
        return sum(line.size * _LEADING for line in self.lines)


def chart(
    definition: Definition,
    drawn: Outline,
    looks: Mapping[str, Look],
    wires: Sequence[Wire],
    *,
    rails: Rails | None = None,
    narrow: bool = False,
) -> Part:
    """Return the states and moves of an outline, drawn with these looks and arrows."""
    rails = rails or Rails()
    grid = placed(definition, drawn, narrow=narrow)
    shown = {state: _with_name(state, looks.get(state, Look())) for state in definition.states}
    width = min(max(_NARROWEST, *(look.room for look in shown.values())), _WIDEST)
    sizes: dict[Key, tuple[float, float]] = {
        key: _size(shown[key], width, final=key in definition.terminal)
        if isinstance(key, str)
        else (2 * (_DIAMOND if key else _DOT),) * 2
        for key in grid.cells
    }
    strips = [*_retreat(drawn, grid, rails), *_ends(drawn, grid)]
    links = [Link(wire.source, wire.target, wire.width) for wire in wires]
    layout = routed(grid, sizes, links, strips)
    items = (
        *_rails(drawn, layout, rails),
        *_wires(wires, layout.routes),
        *_nodes(definition, layout, shown, rails),
        *_sayings(drawn, layout, rails),
        *_labels(wires, layout.routes),
    )
    # It is as wide as its labels ask for.
    areas = [item.area for item in items if isinstance(item, Text)]
    left = min(0.0, *(area.left - 4 for area in areas))
    right = max(layout.width, *(area.right + 4 for area in areas))
    return Part(moved(items, -left, 0), right - left, layout.height)


def named(names: Iterable[str]) -> str:
    """Return the triggers of an arrow as its label."""
    return shortened(" / ".join(spoken(name) for name in names), _LONGEST_LABEL)


def pill_width(steps: str) -> float:
    """Return how wide the pill around the numbers of some steps is."""
    return max(text_width(steps, LABEL, bold=True) + 10, 18.0)


def solid(what: str, ink: str) -> str:
    """Return the look of a `pill` or a `point` that goes with texts of a color."""
    return {"taken": what, "faint": f"{what}-plain"}.get(ink, f"{what}-{ink}")


def pill(x: float, y: float, steps: str, ink: str = "taken") -> list[Item]:
    """Return numbers in a pill whose middle is at a point."""
    half = pill_width(steps) / 2
    return [
        Box(Area(x - half, y - 9, x + half, y + 9), solid("pill", ink), 9),
        centered(x, y, steps, LABEL, ink, bold=True),
    ]


def _with_name(state: str, look: Look) -> Look:
    """Return a look with the state's name above, on as few lines as its box is wide for."""
    lines: list[str] = []
    measure = partial(text_width, size=_NAME, bold=True)
    text = spoken(state)
    words = (pieces(word, _WIDEST - 2 * _PADDING, measure) for word in text.split() or [text])
    for word in chain.from_iterable(words):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and measure(longer) <= _NARROWEST:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][:-1] + "\u2026"]
    name = (Words(line, _NAME, "ink", bold=True) for line in lines)
    return look._replace(lines=(*name, *look.lines))


def _size(look: Look, width: float, *, final: bool) -> tuple[float, float]:
    frame = 2 * _FINAL_GAP if final else 0.0
    return width + frame, max(look.height + 2 * _PADDING, 38.0) + frame


def _retreat(drawn: Outline, grid: Grid, rails: Rails) -> Iterator[Strip]:
    """Yield the line below the row in which most states stand that may step back."""
    if not drawn.retreat:
        return
    rows = [grid.cells[state].row for state in drawn.retreat.states]
    row = max(sorted(set(rows)), key=rows.count)
    members = [state for state in drawn.retreat.states if grid.cells[state].row == row]
    members.sort(key=lambda state: grid.cells[state].column)
    yield Strip(
        row, members[0], members[-1], text_width(_stepping(drawn, rails), LABEL) + 12, "upper"
    )


def _stepping(drawn: Outline, rails: Rails) -> str:
    further = " or ".join(spoken(state) for state in drawn.retreat.further)
    also = f", or to {further}" if further else ""
    return f"{rails.back}: from each \u25c4 to every earlier \u25c4{also}"


def _ends(drawn: Outline, grid: Grid) -> Iterator[Strip]:
    """Yield the line above the last row that stands for an arrow from every open state."""
    if not drawn.ends:
        return
    columns = sorted(drawn.active, key=lambda state: grid.cells[state].column)
    yield Strip(grid.rows - 2, columns[0], columns[-1], 0.0, "lower")


def _rails(drawn: Outline, layout: Layout, rails: Rails) -> Iterator[Item]:
    """Yield the lines that stand for many moves."""
    if drawn.retreat:
        yield Line(layout.strips[0].points, rails.look, head=True)
    if drawn.ends:
        (right, y), (left, _) = layout.strips[-1].points
        yield Line(((left, y - 9), (left, y), (right, y), (right, y - 9)), rails.look)
        for end in drawn.ends:
            area = layout.areas[end.state]
            x, _ = area.middle
            look = "line" if rails.look == "strong-rail" else "unused"
            yield Line(((x, y), (x, area.top)), look, head=True)
            yield Disc(x, y, 4.5, rails.hub)


def _sayings(drawn: Outline, layout: Layout, rails: Rails) -> Iterator[Item]:
    """Yield what is said of the lines that stand for many moves, over whatever crosses them."""
    if drawn.retreat:
        yield from _haloed(*layout.strips[0].label, _stepping(drawn, rails))
    if drawn.ends:
        (_, y), (left, _) = layout.strips[-1].points
        first = layout.areas[drawn.ends[0].state]
        names = sorted({named(end.names) for end in drawn.ends if end.names})
        said = rails.ends + (f": {', '.join(names)}" if names else "")
        middle = max((left + first.left) / 2, left + text_width(said, LABEL) / 2 + 14)
        yield from _haloed(middle, y, said)


def _haloed(x: float, y: float, text: str, look: str = "faint") -> Iterator[Item]:
    """Yield a text at a point, on a piece of page that hides the lines below it."""
    half = text_width(text, LABEL) / 2 + 4
    yield Box(Area(x - half, y - 7.5, x + half, y + 7.5), "page", 0)
    yield centered(x, y, text, LABEL, look)


def _wires(wires: Sequence[Wire], routes: Sequence[Route]) -> Iterator[Item]:
    """Yield the lines, those that were taken over those that were not."""
    pairs = sorted(zip(wires, routes, strict=True), key=lambda pair: bool(pair[0].steps))
    for wire, route in pairs:
        yield Line(route.points, wire.look, head=not is_hub(wire.target))


def _labels(wires: Sequence[Wire], routes: Sequence[Route]) -> Iterator[Item]:
    for wire, route in zip(wires, routes, strict=True):
        x, y = route.label
        left = x - wire.width / 2
        if wire.steps:
            width = pill_width(wire.steps)
            ink = "odd" if wire.look == "back" else "taken"
            yield from pill(left + width / 2, y, wire.steps, ink)
            left += width
        if wire.words:
            look = "taken" if wire.steps else "faint"
            yield from _haloed(left + (x + wire.width / 2 - left) / 2, y, wire.words, look)


def _nodes(
    definition: Definition,
    layout: Layout,
    looks: Mapping[str, Look],
    rails: Rails,
) -> Iterator[Item]:
    for key, area in layout.areas.items():
        if isinstance(key, str):
            yield from _state(key, area, looks[key], final=key in definition.terminal)
        elif key == START:
            yield Disc(*area.middle, _DOT, "dot")
        else:
            yield diamond(*area.middle, _DIAMOND, rails.hub)


def _state(state: str, area: Area, look: Look, *, final: bool) -> Iterator[Item]:
    if final:
        bordered = look.look in {"apart", "entered", "now"}
        yield Box(area, f"border-{look.look}" if bordered else "border", 10)
        gap = _FINAL_GAP
        area = Area(area.left + gap, area.top + gap, area.right - gap, area.bottom - gap)
    yield Box(area, look.look, 7, harmless(state))
    x, y = area.middle
    y -= look.height / 2
    for line in look.lines:
        y += line.size * _LEADING
        middle = y - line.size * _LEADING / 2
        yield centered(x, middle, line.text, line.size, line.look, bold=line.bold)
