"""The graph of declared moves: the shortest way to a state, and what can be reached from it.

An event string is what an order hears, first to last. By declared moves an order starts
when it hears of the initial state, so each string begins with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from lifecycle.proof.sketch import Row, Sketch

Words = tuple[str, ...]
"""An event string: what an order hears, first to last."""


class Graph:
    """The moves that an order can make: first answers only, none in place, none from an end."""

    def __init__(self, sketch: Sketch) -> None:
        self.states: tuple[str, ...] = sketch.states
        self.terminal: frozenset[str] = sketch.terminal
        self._ranks = {state: rank for rank, state in enumerate(sketch.states)}
        self.onward: dict[str, list[Row]] = {state: [] for state in sketch.states}
        for row in sketch.answers.values():
            if row.source not in sketch.terminal and row.source != row.dest:
                self.onward[row.source].append(row)

    @cached_property
    def ways(self) -> Mapping[str, Words]:
        """State → the shortest event string of declared moves that leads there."""
        initial = self.states[0]
        return {state: (initial, *way) for state, way in self._ways_from(initial).items()}

    def way(self, state: str) -> Words:
        """Return the shortest event string that brings an order to a state.

        Where no declared moves lead there, an order may still skip ahead to it.
        """
        return self.ways.get(state, (state,))

    def way_over(self, row: Row) -> Words:
        """Return the shortest event string that ends with a move."""
        return (*self.way(row.source), row.trigger)

    def ascends(self, row: Row) -> bool:
        """Tell whether a move leads to a higher rank."""
        return self._ranks[row.dest] > self._ranks[row.source]

    def reached_from(self, *starts: str, by: Callable[[Row], bool] = lambda _: True) -> set[str]:
        """Return the states that declared moves lead to from `starts`, these included."""
        found = fresh = set(starts)
        while fresh:
            onward = {row.dest for state in fresh for row in self.onward[state] if by(row)}
            fresh = onward - found
            found |= fresh
        return found

    def hopeless(self) -> tuple[str, ...]:
        """Return the states from which no declared moves lead to an end, in rank order."""
        return tuple(
            state for state in self.states if self.terminal.isdisjoint(self.reached_from(state))
        )

    def circle(self, start: str) -> Words:
        """Return the shortest event string that leads from a state back to it, or nothing."""
        closing = (
            (*way, row.trigger)
            for state, way in self._ways_from(start).items()
            for row in self.onward[state]
            if row.dest == start
        )
        return next(closing, ())

    def _ways_from(self, start: str) -> dict[str, Words]:
        """Return the shortest strings of moves from a state, the shorter ones first."""
        ways: dict[str, Words] = {start: ()}
        for _ in self.states:
            for state, way in tuple(ways.items()):
                for row in self.onward[state]:
                    ways.setdefault(row.dest, (*way, row.trigger))
        return ways


def retreats(graph: Graph) -> Iterator[Row]:
    """Yield the first move to each state that declared moves enter only by stepping back.

    What can only be reached through such a state is not held against it again.
    """
    reached = {graph.states[0]}
    while True:
        reached = graph.reached_from(*reached, by=graph.ascends)
        stepping_back = (
            row for state in graph.ways for row in graph.onward[state] if row.dest not in reached
        )
        entered = next(stepping_back, None)
        if entered is None:
            return
        yield entered
        reached.add(entered.dest)


def must_pass(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """Return, for each end, the states that every string of declared moves to it passes."""
    around = {state: _reached_around(graph, state) for state in graph.states}
    return {
        end: tuple(state for state, reached in around.items() if end not in reached)
        for end in graph.states
        if end in graph.terminal and end in graph.ways
    }


def _reached_around(graph: Graph, state: str) -> set[str]:
    """Return the states that an order reaches if it never moves on from this one."""
    return graph.reached_from(graph.states[0], by=lambda row: row.source != state)
