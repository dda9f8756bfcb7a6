"""What a diagram of a definition draws: its moves, folded until a person can read them.

Sixty moves between fifteen states are no picture. Three families of moves are drawn as one
thing each, and nothing is lost: every move is in an arrow or in one family.

* ends: states that every open state leads to, such as `canceled`: one arrow from a frame
* retreat: a run of states, each of which may go back to every earlier one: one frame
* hub: several states that all lead to the same several states: one diamond between them
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Final, NamedTuple

from lifecycle.core.argument import check_type
from lifecycle.core.definition import Definition
from lifecycle.core.verdict import MOVES
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.errors import InvalidArgumentError

_FEWEST_STATES: Final = 3
"""A family of fewer states is drawn arrow by arrow: it saves nothing."""

_FEWEST_SAVED: Final = 3

_PLAIN: Final = re.compile("[a-z][a-z0-9_]*")

Pair = tuple[str, str]
"""The states at the two ends of an arrow."""

Ends = tuple[str | None, str]
"""The two ends of a move or a step: None is the start."""

Key = str | int
"""What an arrow joins: a state by its name, a hub by its number from 1, the start as 0."""

START: Final = 0


def is_hub(key: Key) -> bool:
    """Tell whether an arrow begins or ends at the diamond of a hub there."""
    return isinstance(key, int) and key != START


Moves = Mapping[Pair, tuple[str, ...]]
"""The names to write on each arrow: none where the only trigger is called like the state."""


class Target(NamedTuple):
    """Where an arrow leads, and the triggers to write on it."""

    state: str
    names: tuple[str, ...] = ()


class Arrow(NamedTuple):
    """One arrow, with the moves that it stands for and the triggers to write on it.

    `steps` are the numbers of those who took it. An arrow that is not `declared` is no move
    of the definition: the order skipped ahead.
    """

    source: Key
    target: Key
    moves: tuple[Ends, ...]
    names: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    declared: bool = True

    @property
    def caption(self) -> str:
        """The numbers of those who took it, and whether they skipped ahead; empty for none."""
        numbers = ", ".join(str(step) for step in self.steps)
        return numbers if self.declared else f"{numbers} (skipped ahead)"


class Hub(NamedTuple):
    """Moves from each of `sources` to each of `targets`."""

    sources: tuple[str, ...]
    targets: tuple[Target, ...]

    def arrows(self, number: int) -> Iterator[Arrow]:
        """Yield the arrows into the diamond of this number, then those out of it."""
        for source in self.sources:
            yield Arrow(source, number, tuple((source, target.state) for target in self.targets))
        for state, names in self.targets:
            yield Arrow(number, state, tuple((source, state) for source in self.sources), names)


class Retreat(NamedTuple):
    """Moves from each of `states` to every earlier one of them, and to each of `further`.

    False where there are none.
    """

    states: tuple[str, ...] = ()
    further: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.states)

    @property
    def pairs(self) -> frozenset[Pair]:
        """The two ends of each of these moves."""
        back = ((later, earlier) for earlier, later in combinations(self.states, 2))
        return frozenset(back) | frozenset(product(self.states, self.further))


class Outline(NamedTuple):
    """What to draw of a definition: `ends` are reached from each of `active`.

    Of the `arrows`, those of hubs come last. `entered` are the states of the path, `now` is
    the one that the order stands at.
    """

    active: tuple[str, ...]
    ends: tuple[Target, ...]
    retreat: Retreat
    hubs: tuple[Hub, ...]
    arrows: tuple[Arrow, ...]
    entered: frozenset[str] = frozenset()
    now: str | None = None


def outline(
    definition: Definition,
    view: OrderView | None = None,
    history: Sequence[HistoryEntry] = (),
    *,
    also: Iterable[Ends] = (),
) -> Outline:
    """Return what to draw of a definition, with the path of `view` on it if there is one.

    Its steps carry the numbers that their events have in `history`, the canonical order;
    without one they are counted. `also` are ends between which an arrow is drawn even
    where a family holds it.

    Raises:
        InvalidArgumentError: the view was folded under another definition, or the history is
            of another order or time.
    """
    check_type("definition", definition, Definition)
    if view is not None and view.definition != definition.fingerprint:
        raise InvalidArgumentError("view", "one that was folded under the definition to draw")
    moves = _moves(definition)
    active = tuple(state for state in definition.states if state not in definition.terminal)
    ends = _ends(definition, active, moves)
    left = _without(moves, ((state, end.state) for state in active for end in ends))
    retreat = _retreat(definition, active, left)
    left = _without(left, retreat.pairs)
    hubs, left = _hubs(definition, left)
    path = () if view is None else tuple(step.status for step in view.path)
    numbers = range(1, len(path) + 1) if view is None or not history else numbers_of(view, history)
    steps = dict.fromkeys(also, ()) | _steps(path, numbers)
    of_hubs = (arrow for number, hub in enumerate(hubs, 1) for arrow in hub.arrows(number))
    return Outline(
        active=active,
        ends=ends,
        retreat=retreat,
        hubs=hubs,
        arrows=(*_arrows(definition, moves, left, steps), *of_hubs),
        entered=frozenset(path),
        now=path[-1] if path else None,
    )


def safe_ids(states: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """Return an id for each state: its own name where that is plain and not `reserved`.

    No id but those made up here starts with a capital: others are free for what else is drawn.
    """
    return {
        state: state if _PLAIN.fullmatch(state) and state not in reserved else f"S{number}"
        for number, state in enumerate(states)
    }


def _moves(definition: Definition) -> Moves:
    triggers: dict[Pair, set[str]] = {}
    for move in definition.moves:
        triggers.setdefault((move.source, move.dest), set()).add(move.trigger)
    return {
        (source, dest): () if names == {dest} else tuple(sorted(names))
        for (source, dest), names in triggers.items()
    }


def _without(moves: Moves, drawn: Iterable[Pair]) -> Moves:
    gone = frozenset(drawn)
    return {pair: names for pair, names in moves.items() if pair not in gone}


def _ends(definition: Definition, active: Sequence[str], moves: Moves) -> tuple[Target, ...]:
    """Return the terminal states that every open state leads to, by triggers of the same names."""
    if len(active) < _FEWEST_STATES:
        return ()
    ends = []
    for state in definition.states:
        names = {moves.get((source, state)) for source in active}
        if state in definition.terminal and len(names) == 1 and (same := names.pop()) is not None:
            ends.append(Target(state, same))
    return tuple(ends)


def _retreat(definition: Definition, active: Sequence[str], moves: Moves) -> Retreat:
    """Return the longest run of states that all step back, the first of those as long."""

    def steps_back(source: str, dest: str) -> bool:
        return moves.get((source, dest)) == ()

    longest: tuple[str, ...] = ()
    for first in range(len(active)):
        run: tuple[str, ...] = ()
        for state in active[first:]:
            if not all(steps_back(state, earlier) for earlier in run):
                break
            run += (state,)
        longest = max(longest, run, key=len)
    if len(longest) < _FEWEST_STATES:
        return Retreat()
    lowest = definition.ranks[longest[0]]
    further = (s for s in definition.states[:lowest] if all(steps_back(at, s) for at in longest))
    return Retreat(longest, tuple(further))


def _hubs(definition: Definition, moves: Moves) -> tuple[tuple[Hub, ...], Moves]:
    """Return diamonds, the one that saves most arrows first, and the moves that are left."""
    hubs: list[Hub] = []
    while (hub := _best_hub(definition, moves)) is not None:
        hubs.append(hub)
        moves = _without(moves, ((s, target.state) for s in hub.sources for target in hub.targets))
    return tuple(hubs), moves


def _best_hub(definition: Definition, moves: Moves) -> Hub | None:
    ranks = definition.ranks
    onward: dict[str, set[Target]] = {}
    for (source, dest), names in moves.items():
        if ranks[dest] > ranks[source]:
            onward.setdefault(source, set()).add(Target(dest, names))
    sources = sorted(onward, key=lambda state: ranks[state])
    candidates = []
    for one, other in combinations(sources, 2):
        shared = onward[one] & onward[other]
        all_of = tuple(state for state in sources if shared <= onward[state])
        targets = sorted(shared, key=lambda target: ranks[target.state])
        candidates.append(Hub(all_of, tuple(targets)))
    best = max(candidates, key=_saved, default=None)
    return best if best is not None and _saved(best) >= _FEWEST_SAVED else None


def _saved(hub: Hub) -> int:
    ends = len(hub.sources), len(hub.targets)
    return ends[0] * ends[1] - sum(ends)


def _arrows(
    definition: Definition, moves: Moves, left: Moves, steps: Mapping[Ends, tuple[int, ...]]
) -> Iterator[Arrow]:
    """Yield the arrows to draw one by one: what no family holds, and what the order took."""
    first = (None, definition.initial)
    named: dict[Ends, tuple[str, ...]] = {first: (), **dict(moves.items())}
    places: dict[str | None, int] = {None: -1, **dict(definition.ranks.items())}
    drawn: set[Ends] = {first, *left, *steps}
    for ends in sorted(drawn, key=lambda ends: (places[ends[0]], places[ends[1]])):
        source, target = ends
        taken, declared = steps.get(ends, ()), ends in named
        start = START if source is None else source
        yield Arrow(start, target, (ends,), named.get(ends, ()), taken, declared)


def numbers_of(view: OrderView, history: Sequence[HistoryEntry]) -> list[int]:
    """Return the number of each step's event in canonical order, from 1.

    Raises:
        InvalidArgumentError: the history has other steps than the view.
    """
    numbers = [number for number, entry in enumerate(history, 1) if entry.verdict in MOVES]
    if len(numbers) != len(view.path):
        raise InvalidArgumentError("history", "that of the view's order, of the same time")
    return numbers


def _steps(path: Sequence[str], numbers: Iterable[int]) -> dict[Ends, tuple[int, ...]]:
    steps: dict[Ends, tuple[int, ...]] = {}
    for number, pair in zip(numbers, zip((None, *path), path, strict=False), strict=True):
        steps[pair] = (*steps.get(pair, ()), number)
    return steps
