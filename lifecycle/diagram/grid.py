"""Where each state stands: the same place for the same definition, in every picture.

    above   states that only lead on from one step of the happy path to a later one
    spine   the start, the happy path, and the diamonds of hubs, left to right
    below   states on a way that leads back, and other ends
    last    ends that every open state leads to

A long happy path goes on in further bands of such rows; in a narrow picture, sooner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.diagram.outline import START, Key, Outline

_LONGEST_BAND: Final = 10
_NARROW_BAND: Final = 6
_FURTHEST: Final = 2
"""How many columns a state may stand beyond the step of the spine that it follows."""


class Cell(NamedTuple):
    """One place: rows count downwards, columns to the right, both from 0."""

    row: int
    column: int


class Grid(NamedTuple):
    """Every place that is taken, and how many rows and columns there are."""

    cells: Mapping[Key, Cell]
    rows: int
    columns: int

    def is_free(self, row: int, columns: Iterable[int]) -> bool:
        """Tell whether nothing stands in these columns of a row."""
        taken = {cell.column for cell in self.cells.values() if cell.row == row}
        return taken.isdisjoint(columns)


Pairs = frozenset[tuple[str, str]]


def placed(definition: Definition, drawn: Outline, *, narrow: bool = False) -> Grid:
    """Return where the start, every state and every hub of an outline stands."""
    ends = {end.state for end in drawn.ends}
    pairs = _pairs(definition, drawn)
    spine = [state for state in _spine(definition, pairs) if state not in ends]
    sequence = _with_hubs(definition, spine, drawn)
    beside = [s for s in definition.states if s not in ends and s not in spine]
    follows = {state: _step_before(definition, sequence, state) for state in beside}
    back = _on_a_way_back(definition, pairs)
    cells: dict[Key, Cell] = {}
    rows = 0
    longest = _NARROW_BAND if narrow else _LONGEST_BAND
    for first in range(0, len(sequence), longest):
        band = sequence[first : first + longest]
        near = [(at - first, s) for s, at in follows.items() if first <= at < first + len(band)]
        rows = _place_band(cells, band, near, back, rows)
    columns = max(cell.column for cell in cells.values()) + 1
    for number, end in enumerate(drawn.ends):
        cells[end.state] = Cell(rows, max((columns - len(drawn.ends)) // 2, 0) + number)
    columns = max(cell.column for cell in cells.values()) + 1
    return Grid(cells, rows + bool(drawn.ends), columns)


def _pairs(definition: Definition, drawn: Outline) -> Pairs:
    """Return the moves from state to state that no retreat and no common end explains."""
    ends = {end.state for end in drawn.ends}
    moves = {(move.source, move.dest) for move in definition.moves if move.dest not in ends}
    return frozenset(moves - drawn.retreat.pairs)


def _spine(definition: Definition, pairs: Pairs) -> Sequence[str]:
    """Return the happy path: as the definition names it, else the longest way on to the goal."""
    if definition.main_line:
        wanted = {*definition.main_line, *definition.birth, definition.initial, definition.goal}
        return [state for state in definition.states if state in wanted]
    ranks = definition.ranks
    longest: dict[str, tuple[str, ...]] = {definition.initial: (definition.initial,)}
    for state in definition.states:
        ways = [
            (*longest[source], state)
            for source in definition.states
            if source in longest and (source, state) in pairs and ranks[source] < ranks[state]
        ]
        if ways:
            longest[state] = max(ways, key=len)
    goal = definition.goal
    if goal is not None and goal in longest:
        return longest[goal]
    return max(longest.values(), key=len)


def _on_a_way_back(definition: Definition, pairs: Pairs) -> Collection[str]:
    """Return the states that another state leads to and from again, and terminal ones."""
    onward: dict[str, set[str]] = {}
    for source, dest in pairs:
        if source != dest:
            onward.setdefault(source, set()).add(dest)
    return {state for state in definition.states if state in _reached(state, onward)} | set(
        definition.terminal
    )


def _reached(state: str, onward: Mapping[str, Collection[str]]) -> Collection[str]:
    reached: set[str] = set()
    waiting = list(onward.get(state, ()))
    while waiting:
        found = waiting.pop()
        if found not in reached:
            reached.add(found)
            waiting += onward.get(found, ())
    return reached


def _with_hubs(definition: Definition, spine: Sequence[str], drawn: Outline) -> list[Key]:
    """Return the spine with the start before it, and each hub after its last source."""
    ranks = definition.ranks
    sequence: list[Key] = [START, *spine]
    for number, hub in enumerate(drawn.hubs, 1):
        highest = max(ranks[source] for source in hub.sources)
        before = [key for key in sequence if isinstance(key, str) and ranks[key] <= highest]
        at = sequence.index(before[-1]) + 1 if before else 1
        while at < len(sequence) and isinstance(sequence[at], int):
            at += 1
        sequence.insert(at, number)
    return sequence


def _step_before(definition: Definition, sequence: Sequence[Key], state: str) -> int:
    """Return the place of the last step of the spine whose rank is lower, else of the first."""
    ranks = definition.ranks
    steps = [at for at, key in enumerate(sequence) if isinstance(key, str)]
    before = [at for at in steps if ranks[str(sequence[at])] < ranks[state]]
    return before[-1] if before else (steps or [0])[0]


def _place_band(
    cells: dict[Key, Cell],
    band: Sequence[Key],
    following: Sequence[tuple[int, str]],
    back: Collection[str],
    top: int,
) -> int:
    """Place one band from row `top` on, and return the row after it."""
    raised: list[dict[int, str]] = []
    lowered: list[dict[int, str]] = []
    for column, state in following:
        if state in back:
            _settle(lowered, column, state)
        else:
            _settle(raised, column + 1, state)
    rows: list[Mapping[int, Key]] = [*reversed(raised), dict(enumerate(band)), *lowered]
    for row, held in enumerate(rows, top):
        for column, key in held.items():
            cells[key] = Cell(row, column)
    return top + len(rows)


def _settle(rows: list[dict[int, str]], column: int, state: str) -> None:
    """Place a state in the first row that has room near `column`, right of what came before."""
    for row in rows:
        free = max(column, max(row, default=-1) + 1)
        if free <= column + _FURTHEST:
            row[free] = state
            return
    rows.append({column: state})
