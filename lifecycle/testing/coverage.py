"""Which states and moves of a definition a test suite covers.

A state or a move is covered when the view of an order that went through it is read: from a
receipt's view or change, from the orders, or by folding its events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from lifecycle.core.change import Change
from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding
from lifecycle.core.view import OrderView
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.testing.walk import walkable

_COUNTS: Final[ContextVar[bool]] = ContextVar("lifecycle_coverage_counts", default=True)

Pair = tuple[str, str]


@dataclass
class DefinitionCoverage:
    """The coverage of one definition."""

    name: str
    states: tuple[str, ...]
    moves: tuple[Pair, ...]
    met_states: set[str] = field(default_factory=set)
    met_moves: set[Pair] = field(default_factory=set)

    @property
    def missed_states(self) -> tuple[str, ...]:
        """The states that no order entered, by rank."""
        return tuple(state for state in self.states if state not in self.met_states)

    @property
    def missed_moves(self) -> tuple[Pair, ...]:
        """The moves that no order made, as (from, to), by rank."""
        return tuple(move for move in self.moves if move not in self.met_moves)

    @property
    def percent(self) -> float:
        """The share of all states and moves that is covered, in percent."""
        missed = len(self.missed_states) + len(self.missed_moves)
        return 100 - 100 * missed / self.size

    @property
    def size(self) -> int:
        """How many states and moves there are."""
        return len(self.states) + len(self.moves)


class Coverage:
    """The coverage of every definition that a suite folds with, by fingerprint."""

    def __init__(self) -> None:
        self.definitions: dict[str, DefinitionCoverage] = {}

    def meet(self, definition: Definition, states: Iterable[str]) -> None:
        """Count the states that an order entered, in order, and the moves between them."""
        met = self._coverage_of(definition)
        path = tuple(states)
        met.met_states.update(path)
        met.met_moves.update(pairwise(path))

    def expect(self, definition: Definition) -> None:
        """Report a definition even if nothing of it is covered."""
        self._coverage_of(definition)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count every view that this process reads in this context."""
        read_view, read_change = Folding.view, FoldCache.change

        def view(folding: Folding) -> OrderView:
            seen = read_view(folding)
            if _COUNTS.get():
                self.meet(folding.definition, (step.status for step in seen.path))
            return seen

        def change(cache: FoldCache, *told: Any) -> Change | None:
            changed = read_change(cache, *told)
            cache.view(*told)  # a change is told without the view that tells the path
            return changed

        Folding.view = view  # type: ignore[method-assign, assignment]
        FoldCache.change = change  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            Folding.view, FoldCache.change = read_view, read_change  # type: ignore[method-assign]

    @property
    def percent(self) -> float:
        """The coverage of all definitions together, in percent; 0 if there are none."""
        all_of_them = self.definitions.values()
        whole = sum(met.size for met in all_of_them)
        return sum(met.percent * met.size for met in all_of_them) / whole if whole else 0.0

    def table(self) -> list[str]:
        """Return the report: a line per definition, then what was missed of it."""
        if not self.definitions:
            return ["no view of any order was looked at"]
        return [
            line
            for _, met in sorted(self.definitions.items(), key=lambda item: item[1].name)
            for line in _lines(met)
        ]

    def dump(self) -> dict[str, Any]:
        """Return the coverage as plain values, for `merge` in another process."""
        return {
            fingerprint: {
                "name": met.name,
                "states": list(met.states),
                "moves": [list(move) for move in met.moves],
                "met_states": sorted(met.met_states),
                "met_moves": sorted(list(move) for move in met.met_moves),
            }
            for fingerprint, met in self.definitions.items()
        }

    def merge(self, dumped: Mapping[str, Any]) -> None:
        """Add the coverage of another process."""
        for fingerprint, part in dumped.items():
            moves = tuple((source, dest) for source, dest in part["moves"])
            met = self.definitions.setdefault(
                fingerprint, DefinitionCoverage(part["name"], tuple(part["states"]), moves)
            )
            met.met_states.update(part["met_states"])
            met.met_moves.update((source, dest) for source, dest in part["met_moves"])

    def _coverage_of(self, definition: Definition) -> DefinitionCoverage:
        met = self.definitions.get(definition.fingerprint)
        if met is None:
            moves = dict.fromkeys((move.source, move.dest) for move in walkable(definition))
            met = DefinitionCoverage(definition.name, definition.states, tuple(moves))
            self.definitions[definition.fingerprint] = met
        return met


@contextmanager
def uncounted() -> Iterator[None]:
    """Do not count the views that are read here, such as those of samples."""
    token = _COUNTS.set(False)
    try:
        yield
    finally:
        _COUNTS.reset(token)


def _lines(met: DefinitionCoverage) -> Iterator[str]:
    states, moves = len(met.states), len(met.moves)
    yield (
        f"{met.name}: {met.percent:.0f} % "
        f"({states - len(met.missed_states)} of {states} states, "
        f"{moves - len(met.missed_moves)} of {moves} moves)"
    )
    if met.missed_states:
        yield f"  states missed: {', '.join(met.missed_states)}"
    by_source: dict[str, list[str]] = {}
    for source, dest in met.missed_moves:
        by_source.setdefault(source, []).append(dest)
    for source, dests in by_source.items():
        yield f"  moves missed: {source} → {', '.join(dests)}"
