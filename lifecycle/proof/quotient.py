"""The states of a fold over arrivals: all that can be reached, and which of them are alike.

Two states are alike if no string of arrivals makes their outputs differ. They are told
apart in rounds, after Moore: in round 0 by their outputs, in round n by a letter that
leads to states told apart in round n - 1. So the round in which two states part is the
length of the shortest string that tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable


@runtime_checkable
class ArrivalFold(Protocol):
    """A fold that takes events as they arrive. States and outputs are hashable values.

    Events of the alphabet are shown by `str`.
    """

    @property
    def name(self) -> str:
        """What a certificate calls it."""

    @property
    def alphabet(self) -> Sequence[Any]:
        """The events that the proof ranges over."""

    @property
    def initial(self) -> Hashable:
        """The state before anything arrived."""

    def step(self, state: Any, event: Any) -> Hashable:
        """Return the state after one more arrival."""

    def output(self, state: Any) -> Hashable:
        """Return what is told in this state: the view."""


@dataclass(frozen=True)
class FunctionFold:
    """A fold over arrivals made of plain functions."""

    name: str
    alphabet: tuple[Any, ...]
    initial: Hashable
    take: Callable[[Any, Any], Hashable]
    tell: Callable[[Any], Hashable] = lambda state: state

    def step(self, state: Any, event: Any) -> Hashable:
        """Return the state after one more arrival."""
        return self.take(state, event)

    def output(self, state: Any) -> Hashable:
        """Return what is told in this state."""
        return self.tell(state)


class Broken(NamedTuple):
    """A fold whose steps are no function: it raised, or gave two answers."""

    states: int
    says: str


class Explored(NamedTuple):
    """States in the order of discovery, nearest first; `moves` of those that were expanded.

    `came` tells for each state the one before it and the letter that led here.
    """

    states: list[Hashable]
    outputs: list[Hashable]
    moves: list[list[int]]
    came: list[tuple[int, int] | None]
    complete: bool

    def way(self, state: int) -> tuple[int, ...]:
        """Return the shortest string of letters that leads to a state."""
        letters: list[int] = []
        step = self.came[state]
        while step is not None:
            letters.append(step[1])
            step = self.came[step[0]]
        return tuple(reversed(letters))

    def depth(self, state: int) -> int:
        """Return how many arrivals lead to a state."""
        return len(self.way(state))


class Quotient(NamedTuple):
    """The classes of states that no string of arrivals tells apart.

    `rounds[n]` gives each state's class by strings of up to n letters; `members` holds
    the nearest state of each class of the last round.
    """

    explored: Explored
    rounds: list[list[int]]
    members: tuple[int, ...]

    def apart(self, one: int, other: int) -> int | None:
        """Return the length of the shortest string that tells two states apart, if any."""
        if self.rounds[-1][one] == self.rounds[-1][other]:
            return None
        return next(n for n, classes in enumerate(self.rounds) if classes[one] != classes[other])

    def telling_apart(self, one: int, other: int) -> tuple[int, ...]:
        """Return a shortest string that tells apart two states that are not alike."""
        letters: list[int] = []
        while left := self.apart(one, other):
            classes, moves = self.rounds[left - 1], self.explored.moves
            mine, theirs = moves[one], moves[other]
            letter = next(n for n in range(len(mine)) if classes[mine[n]] != classes[theirs[n]])
            one, other = mine[letter], theirs[letter]
            letters.append(letter)
        return tuple(letters)


class _Stumbled(Exception):  # noqa: N818 - it never leaves this module
    """A step that is no function: after which letters, and what happens then."""

    def __init__(self, way: tuple[int, ...], says: str) -> None:
        self.way, self.says = way, says


def explore(fold: ArrivalFold, limit: int) -> Explored | Broken:
    """Return every state that arrivals lead to, nearest first, and at most so many."""
    explored = Explored([], [], [], [], complete=True)
    known: dict[Hashable, int] = {}
    try:
        _discover(fold, explored, known, fold.initial, None)
        while len(explored.moves) < len(explored.states):
            if len(explored.states) > limit:
                return explored._replace(complete=False)
            _expand(fold, explored, known)
    except _Stumbled as stumbled:
        after = ", ".join(str(fold.alphabet[letter]) for letter in stumbled.way) or "nothing"
        return Broken(len(explored.states), f"after {after}, {stumbled.says}")
    return explored


def minimize(explored: Explored) -> Quotient:
    """Return the classes of alike states of a fold that was explored to its end."""
    rounds = [_numbered(explored.outputs)]
    while True:
        classes = rounds[-1]
        finer = _numbered(
            [
                (classes[state], *(classes[target] for target in moves))
                for state, moves in enumerate(explored.moves)
            ]
        )
        if max(finer) == max(classes):
            break
        rounds.append(finer)
    nearest: dict[int, int] = {}
    for state, number in enumerate(rounds[-1]):
        nearest.setdefault(number, state)
    return Quotient(explored, rounds, tuple(nearest.values()))


def _expand(fold: ArrivalFold, explored: Explored, known: dict[Hashable, int]) -> None:
    number = len(explored.moves)
    row: list[int] = []
    for letter in range(len(fold.alphabet)):
        target = _stepped(fold, explored, number, letter)
        if target not in known:
            _discover(fold, explored, known, target, (number, letter))
        row.append(known[target])
    explored.moves.append(row)


def _discover(
    fold: ArrivalFold,
    explored: Explored,
    known: dict[Hashable, int],
    state: Hashable,
    came: tuple[int, int] | None,
) -> None:
    try:
        output = fold.output(state)
        hash(output)
    except Exception as failure:
        way = () if came is None else (*explored.way(came[0]), came[1])
        raise _Stumbled(way, f"the output raises {_named(failure)}") from failure
    known[state] = len(explored.states)
    explored.states.append(state)
    explored.outputs.append(output)
    explored.came.append(came)


def _stepped(fold: ArrivalFold, explored: Explored, number: int, letter: int) -> Hashable:
    """Take one step, twice: a fold that reads a clock or a counter gives itself away."""
    state, event = explored.states[number], fold.alphabet[letter]
    try:
        target, again = fold.step(state, event), fold.step(state, event)
        hash(target)
    except Exception as failure:
        raise _Stumbled(explored.way(number), f"{event} raises {_named(failure)}") from failure
    if target != again:
        raise _Stumbled(explored.way(number), f"{event} gives two answers")
    return target


def _named(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"


def _numbered(keys: Sequence[Hashable]) -> list[int]:
    """Number keys in the order of their first appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]
