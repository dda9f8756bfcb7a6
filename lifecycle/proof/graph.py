"""The graph of declared moves: the shortest way to a state, and what can be reached from it.

An event string is what an order hears, first to last. By declared moves an order starts
when it hears of the initial state, so each string begins with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from lifecycle.proof.sketch import Row, Sketch

Words = tuple[str, ...]
"""An event string: what an order hears, first to last."""


class Graph:
    """The moves that an order can make: first answers only, none in place, none from an end."""

    def __init__(self, sketch: Sketch) -> None:
        self.states = sketch.states
        self.terminal = sketch.terminal
        self._ranks = {state: rank for rank, state in enumerate(sketch.states)}
        self.onward: dict[str, list[Row]] = {state: [] for state in sketch.states}
        for row in sketch.answers.values():
            if row.source not in sketch.terminal and row.source != row.dest:
                self.onward[row.source].append(row)

    @cached_property
    def ways(self) -> Mapping[str, Words]:
        """State → the shortest event string of declared moves that leads there."""
        return self._walk()

    def way(self, state: str) -> Words:
        """Return the shortest event string that brings an order to a state.

        Where no declared moves lead there, an order may still skip ahead to it.
        """
        return self.ways.get(state, (state,))

    def ascends(self, row: Row) -> bool:
        """Tell whether a move leads to a higher rank."""
        return self._ranks[row.dest] > self._ranks[row.source]

    def reached_from(self, start: str, *, without: str | None = None) -> frozenset[str]:
        """Return the states that declared moves lead to from `start`, itself included."""
        found, waiting = {start}, [start]
        while waiting:
            for row in self.onward[waiting.pop()]:
                if row.dest != without and row.dest not in found:
                    found.add(row.dest)
                    waiting.append(row.dest)
        return frozenset(found)

    def hopeless(self) -> frozenset[str]:
        """Return the states from which no declared moves lead to an end."""
        return frozenset(
            state for state in self.states if not self.reached_from(state) & self.terminal
        )

    def circle(self, start: str) -> Words:
        """Return the shortest event string that leads from a state back to it, or nothing."""
        ways: dict[str, Words] = {start: ()}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            for row in self.onward[state]:
                if row.dest == start:
                    return (*ways[state], row.trigger)
                if row.dest not in ways:
                    ways[row.dest] = (*ways[state], row.trigger)
                    waiting.append(row.dest)
        return ()

    def _walk(self) -> dict[str, Words]:
        if not self.states:
            return {}
        initial = self.states[0]
        ways: dict[str, Words] = {initial: (initial,)}
        waiting = deque([initial])
        while waiting:
            state = waiting.popleft()
            for row in self.onward[state]:
                if row.dest not in ways:
                    ways[row.dest] = (*ways[state], row.trigger)
                    waiting.append(row.dest)
        return ways


class Retreat(NamedTuple):
    """A state that declared moves enter only by stepping back: `row` is the first to do so."""

    state: str
    row: Row


def retreats(graph: Graph) -> Iterable[Retreat]:
    """Yield the states whose rank says that they come before all that leads to them.

    What can only be reached through such a state is not held against it again.
    """
    reached = _ascend(graph, set(graph.states[:1]))
    by_distance = sorted(graph.ways, key=lambda state: len(graph.ways[state]))
    while True:
        entered = next(
            (
                Retreat(row.dest, row)
                for state in by_distance
                if state in reached
                for row in graph.onward[state]
                if row.dest not in reached
            ),
            None,
        )
        if entered is None:
            return
        yield entered
        reached = _ascend(graph, reached | {entered.state})


def must_pass(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """Return, for each end, the states that every string of declared moves to it passes."""
    if not graph.states:
        return {}
    initial = graph.states[0]
    return {
        end: tuple(state for state in graph.states if state in _between(graph, initial, end))
        for end in graph.states
        if end in graph.terminal and end in graph.ways
    }


def _between(graph: Graph, initial: str, end: str) -> Collection[str]:
    return {
        state
        for state in graph.ways
        if state != end
        and (state == initial or end not in graph.reached_from(initial, without=state))
    }


def _ascend(graph: Graph, reached: set[str]) -> set[str]:
    found, waiting = set(reached), list(reached)
    while waiting:
        for row in graph.onward[waiting.pop()]:
            if row.dest not in found and graph.ascends(row):
                found.add(row.dest)
                waiting.append(row.dest)
    return found
