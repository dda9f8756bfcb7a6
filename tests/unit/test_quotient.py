"""The states of a fold over arrivals: how they are found, and which of them are alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest

from lifecycle.proof.quotient import Broken, Explored, FunctionFold, Quotient, explore, minimize

ENOUGH = 100


def fold(
    take: Callable[[Any, str], Hashable], tell: Callable[[Any], Hashable] = lambda state: state
) -> FunctionFold:
    return FunctionFold("a fold", ("on", "stay"), 0, take, tell)


def around(state: int, event: str) -> int:
    return (state + 1) % 4 if event == "on" else state


AROUND = Explored(
    states=[0, 1, 2, 3],
    outputs=["a", "a", "a", "b"],
    moves=[[1, 0], [2, 1], [3, 2], [0, 3]],
    came=[None, (0, 0), (1, 0), (2, 0)],
    complete=True,
)


def letter_of(state: int) -> str:
    return "b" if state == 3 else "a"


def test_states_are_found_nearest_first_with_the_way_that_leads_there() -> None:
    explored = explore(fold(around, letter_of), ENOUGH)
    assert explored == AROUND
    assert [AROUND.way(state) for state in range(4)] == [(), (0,), (0, 0), (0, 0, 0)]
    assert [AROUND.depth(state) for state in range(4)] == [0, 1, 2, 3]


def test_a_counterexample_starts_at_its_first_event() -> None:
    def take(state: str, event: str) -> str:
        return (state + event[0])[:3]

    explored = explore(FunctionFold("spelling", ("on", "stay"), "", take), ENOUGH)
    assert isinstance(explored, Explored)
    assert len(explored.states) == 1 + 2 + 4 + 8
    for number, state in enumerate(explored.states):
        assert "".join("os"[letter] for letter in explored.way(number)) == state


def test_no_more_states_are_expanded_once_there_are_more_than_the_limit() -> None:
    assert explore(fold(around, letter_of), 4) == AROUND
    assert explore(fold(around, letter_of), 3) == AROUND._replace(
        moves=AROUND.moves[:3], complete=False
    )
    assert explore(fold(around, letter_of), 0) == Explored([0], ["a"], [], [None], complete=False)


def until(last: int, tell: Callable[[int], Hashable] | None = None) -> FunctionFold:
    """Return a fold that raises when it is asked to go on from its last state."""

    def take(state: int, event: str) -> int:
        if event == "on" and state == last:
            raise LookupError("no more")
        return around(state, event)

    return fold(take, tell or letter_of)


def raising(number: int) -> Callable[[int], Hashable]:
    def tell(state: int) -> str:
        if state == number:
            raise LookupError("not told")
        return "a"

    return tell


@pytest.mark.parametrize(
    ("broken", "states", "says"),
    [
        (until(0), 1, "after nothing, on raises LookupError: no more"),
        (until(2), 3, "after on, on, on raises LookupError: no more"),
        (fold(around, raising(0)), 0, "after nothing, the output raises LookupError: not told"),
        (fold(around, raising(2)), 2, "after on, on, the output raises LookupError: not told"),
        (fold(around, lambda state: [state]), 0, "after nothing, the output raises TypeError"),
        (fold(lambda _, __: [0]), 1, "after nothing, on raises TypeError: unhashable type"),
        (fold(lambda _, __: object()), 1, "after nothing, on gives two answers"),
    ],
    ids=["at once", "later", "no output", "later no output", "list told", "list", "two answers"],
)
def test_steps_that_are_no_function_are_reported_with_their_arrivals(
    broken: FunctionFold, states: int, says: str
) -> None:
    found = explore(broken, ENOUGH)
    assert isinstance(found, Broken)
    assert found.states == states
    assert found.says.startswith(says)


def test_states_are_distinguished_in_as_many_rounds_as_the_shortest_string_is_long() -> None:
    """From state 0 three steps show a `b`, from 1 two, from 2 one, from 3 none."""
    quotient = minimize(AROUND)
    assert quotient == Quotient(
        AROUND, rounds=[[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3]], members=(0, 1, 2, 3)
    )
    assert [quotient.apart(0, state) for state in range(4)] == [None, 2, 1, 0]
    assert quotient.telling_apart(0, 1) == (0, 0)
    assert quotient.telling_apart(2, 1) == (0,)
    assert quotient.telling_apart(3, 1) == ()


def test_states_that_no_string_distinguishes_are_one_class_represented_by_the_nearest() -> None:
    explored = AROUND._replace(outputs=["a", "b", "a", "b"])
    quotient = minimize(explored)
    assert quotient == Quotient(explored, rounds=[[0, 1, 0, 1]], members=(0, 1))
    assert quotient.apart(0, 2) is None
    assert quotient.apart(0, 1) == 0


def test_the_distinguishing_event_need_not_be_the_first() -> None:
    def take(state: tuple[int, int], event: str) -> tuple[int, int]:
        kept, shown = state
        return (min(kept + 1, 2), shown) if event == "on" else (kept, kept)

    explored = explore(
        FunctionFold("shown later", ("on", "stay"), (0, 0), take, lambda s: s[1]), ENOUGH
    )
    assert isinstance(explored, Explored)
    quotient = minimize(explored)
    one, other = explored.states.index((1, 0)), explored.states.index((2, 0))
    assert quotient.apart(one, other) == 1
    assert quotient.telling_apart(one, other) == (1,)
