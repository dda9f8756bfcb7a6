"""The theorem about folds over arrivals: does the order of arrival matter, or a repeat?

    explore all states ─→ minimize by output ─→ every pair commutes, every event repeats
                                                harmlessly: in every class of states

Adjacent swaps generate all permutations, so if every two events commute in every class,
no order of arrival matters; a repeat can then be swapped next to its first copy, where it
changes nothing. Classes differ only where some string of arrivals tells them apart, so a
violation is always a real one: the shortest such string is its counterexample. This is
complete for the finite alphabet, and says nothing of events outside it.

A state space that does not end is cut off at a limit. What was explored can still refute,
but never prove.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Final, NamedTuple

from lifecycle.proof.obligation import Counterexample, Obligation, Proved
from lifecycle.proof.quotient import ArrivalFold, Broken, Explored, Quotient, explore, minimize

LIMIT: Final = 100_000
"""So many states are explored, unless asked otherwise."""

# Where the states do not end, so much of the beginning is searched for a refutation.
_SEARCHED_STRINGS: Final = 300_000
_SEARCHED_DEPTH: Final = 4

_STEPS: Final = "steps are a function"

Pair = tuple[int, int]
"""Two events of the alphabet, by index; twice the same one is a repeat."""


class ArrivalProof(NamedTuple):
    """The result of exploring a fold over arrivals.

    `commuting` holds the pairs whose order made no difference in any explored state.
    """

    proved: Proved
    states: int
    classes: int
    obligations: tuple[Obligation, ...]
    commuting: tuple[Pair, ...] = ()

    @property
    def counterexample(self) -> Counterexample | None:
        """The first thing that refutes, if anything does."""
        found = (each.counterexample for each in self.obligations)
        return next((each for each in found if each is not None), None)


def prove(fold: ArrivalFold, *, limit: int = LIMIT) -> ArrivalProof:
    """Return whether the order of arrival and repeats make no difference to a fold's output."""
    explored = explore(fold, limit)
    if isinstance(explored, Broken):
        return _broken(explored)
    if not explored.complete:
        return _cut_off(fold, explored, limit)
    return _complete(fold, explored)


def _broken(found: Broken) -> ArrivalProof:
    obligation = Obligation(_STEPS, Proved.REFUTED, found.states, found.says)
    return ArrivalProof(Proved.REFUTED, found.states, 0, (obligation,))


def _complete(fold: ArrivalFold, explored: Explored) -> ArrivalProof:
    quotient = minimize(explored)
    worst = _violations(explored, quotient, len(fold.alphabet))
    pairs = list(combinations_with_replacement(range(len(fold.alphabet)), 2))
    taken = len(explored.states) * len(fold.alphabet)
    steps = Obligation(_STEPS, Proved.PROVED, taken, "none raises, and each has one answer")
    obligations = tuple(
        _judged(fold, explored, name, len(quotient.members) * len(those), violated)
        for name, those, violated in (
            ("every two events commute", *_those(pairs, worst, repeat=False)),
            ("every event repeats harmlessly", *_those(pairs, worst, repeat=True)),
        )
    )
    commuting = tuple(pair for pair in pairs if pair[0] != pair[1] and pair not in worst)
    refuted = any(each.proved is Proved.REFUTED for each in obligations)
    proved = Proved.REFUTED if refuted else Proved.PROVED
    return ArrivalProof(
        proved, len(explored.states), len(quotient.members), (steps, *obligations), commuting
    )


class _Violation(NamedTuple):
    """A pair that makes a difference after `state`; the shorter one comes first.

    `length` counts the arrivals that lead to the state and those that reveal the difference.
    """

    length: int
    state: int
    pair: Pair
    suffix: tuple[int, ...]


def _violations(explored: Explored, quotient: Quotient, letters: int) -> dict[Pair, _Violation]:
    """Return, for each pair that makes a difference, the shortest way to show it."""
    worst: dict[Pair, _Violation] = {}
    for state in quotient.members:
        depth = explored.depth(state)
        for pair in combinations_with_replacement(range(letters), 2):
            one, other = _both(explored, state, pair)
            apart = quotient.apart(one, other)
            if apart is not None and (pair not in worst or depth + apart < worst[pair].length):
                suffix = quotient.telling_apart(one, other)
                worst[pair] = _Violation(depth + apart, state, pair, suffix)
    return worst


def _both(explored: Explored, state: int, pair: Pair) -> Pair:
    """Return where a pair leads in both orders; where it is a repeat, once and twice."""
    moves, (first, second) = explored.moves, pair
    if first == second:
        return moves[state][first], moves[moves[state][first]][first]
    return moves[moves[state][first]][second], moves[moves[state][second]][first]


def _those(
    pairs: Sequence[Pair], worst: dict[Pair, _Violation], *, repeat: bool
) -> tuple[list[Pair], _Violation | None]:
    those = [pair for pair in pairs if (pair[0] == pair[1]) is repeat]
    found = [worst[pair] for pair in those if pair in worst]
    return those, min(found, default=None)


def _judged(
    fold: ArrivalFold, explored: Explored, name: str, checked: int, found: _Violation | None
) -> Obligation:
    if found is None:
        return Obligation(name, Proved.PROVED, checked, "in every class of states")
    prefix = explored.way(found.state)
    counterexample = replayed(fold, prefix, found.pair, found.suffix)
    return Obligation(name, Proved.REFUTED, checked, str(counterexample), counterexample)


def replayed(
    fold: ArrivalFold, prefix: Sequence[int], pair: Pair, suffix: Sequence[int]
) -> Counterexample:
    """Return a counterexample with the outputs that the fold itself gives, step by step."""
    one, other = (pair[:1], pair) if pair[0] == pair[1] else (pair, pair[::-1])
    told = [_shown(output_after(fold, (*prefix, *middle, *suffix))) for middle in (one, other)]
    labels = [str(event) for event in fold.alphabet]
    before, first, second, after = (
        tuple(labels[index] for index in part) for part in (prefix, one, other, suffix)
    )
    return Counterexample(before, first, second, after, *told)


def output_after(fold: ArrivalFold, arrivals: Sequence[int]) -> Hashable:
    """Return what a fold tells after some arrivals."""
    state: Hashable = fold.initial
    for index in arrivals:
        state = fold.step(state, fold.alphabet[index])
    return fold.output(state)


def _cut_off(fold: ArrivalFold, explored: Explored, limit: int) -> ArrivalProof:
    """Look for a refutation near the start; without one, nothing is known."""
    name = "every two events commute, every event repeats harmlessly"
    found = next(_near_the_start(fold, explored), None)
    if isinstance(found, Broken):
        return _broken(found)
    if found is None:
        says = f"the states do not end within the limit of {limit}; nothing is proved"
        obligation = Obligation(name, Proved.UNPROVED, len(explored.states), says)
    else:
        says = str(found)
        obligation = Obligation(name, Proved.REFUTED, len(explored.states), says, found)
    return ArrivalProof(obligation.proved, len(explored.states), 0, (obligation,))


def _near_the_start(fold: ArrivalFold, explored: Explored) -> Iterator[Counterexample | Broken]:
    """Yield what refutes near the start: shorter revealing strings first."""
    letters = range(len(fold.alphabet))
    pairs = list(combinations_with_replacement(letters, 2))
    for depth in range(_SEARCHED_DEPTH):
        fit = _SEARCHED_STRINGS // (len(pairs) * len(letters) ** depth)
        for number in range(min(fit, len(explored.moves))):
            for pair in pairs:
                found = _looked_at(fold, explored, number, pair, depth)
                if found is not None:
                    yield found


def _looked_at(
    fold: ArrivalFold, explored: Explored, number: int, pair: Pair, depth: int
) -> Counterexample | Broken | None:
    """Return what a pair comes to in one state; its steps may leave what was explored."""
    try:
        ways = _ways(fold, explored.states[number], pair)
        suffix = _revealing(fold, *ways, depth)
    except Exception as failure:  # noqa: BLE001 - a step is a stranger's code
        way = ", ".join(str(fold.alphabet[letter]) for letter in (*explored.way(number), *pair))
        says = f"soon after {way}, a step raises {type(failure).__name__}: {failure}"
        return Broken(len(explored.states), says)
    return None if suffix is None else replayed(fold, explored.way(number), pair, suffix)


def _ways(fold: ArrivalFold, state: Hashable, pair: Pair) -> tuple[Hashable, Hashable]:
    """Return the states that a pair leads to in both orders; of a repeat, once and twice."""
    first, second = (fold.alphabet[index] for index in pair)
    once = fold.step(state, first)
    twice = fold.step(once, second)
    return (
        (once, twice) if pair[0] == pair[1] else (twice, fold.step(fold.step(state, second), first))
    )


def _revealing(
    fold: ArrivalFold, one: Hashable, other: Hashable, depth: int
) -> tuple[int, ...] | None:
    """Return a string of exactly `depth` arrivals after which two states tell different things."""
    if depth == 0:
        return () if fold.output(one) != fold.output(other) else None
    for letter, event in enumerate(fold.alphabet):
        rest = _revealing(fold, fold.step(one, event), fold.step(other, event), depth - 1)
        if rest is not None:
            return (letter, *rest)
    return None


def _shown(output: Hashable) -> str:
    return output if isinstance(output, str) else ascii(output)
