"""Folds over arrivals: wrong ones are refuted with a string that anyone can play.

The expected counterexamples are written out; right folds are proved. Where the prover
claims that nothing matters, all short sequences are played by brute force beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations, permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.verdict import sort_key
from lifecycle.proof.alphabet import alphabet
from lifecycle.proof.arrivals import ArrivalFold, ArrivalProof, output_after, prove
from lifecycle.proof.known_bad import KNOWN_BAD
from lifecycle.proof.obligation import Counterexample, Obligation, Proved
from lifecycle.proof.quotient import FunctionFold
from lifecycle.proof.unsorted import Heard, unordered, unsorted
from lifecycle.providers.instacart.definition import LAST_MILE

RANKS = {"confirmed": 1, "arrived": 2, "delivered": 3}


def fold(
    take: Callable[[Any, str], Hashable], *, start: Hashable = "", **changes: Any
) -> FunctionFold:
    parts = {"name": "a fold", "alphabet": tuple(RANKS), "initial": start, "take": take}
    return FunctionFold(**(parts | changes))


def furthest(state: str, event: str) -> str:
    return max(state, event, key=lambda name: RANKS.get(name, 0))


BAD = {
    "last arrival wins": (
        ("confirmed@1", "arrived@2"),
        "confirmed@1, arrived@2 gives arrived; arrived@2, confirmed@1 gives confirmed",
    ),
    "first arrival wins": (
        ("confirmed@1", "arrived@2"),
        "confirmed@1, arrived@2 gives confirmed; arrived@2, confirmed@1 gives arrived",
    ),
    "reject what does not fit": (
        ("confirmed@1", "arrived@2"),
        "confirmed@1, arrived@2 gives arrived; arrived@2, confirmed@1 gives confirmed",
    ),
    "timestamp without tie-break": (
        ("boxed@2", "moving@2"),
        ("boxed@2, moving@2 gives moving; moving@2, boxed@2 gives boxed"),
    ),
    "attempt counter without ids": (
        ("request",),
        "request gives 1; request, request gives 2",
    ),
    "stable sort on a coarse clock": (
        ("confirmed@1", "boxed@2"),
        ("confirmed@1, boxed@2 gives boxed; boxed@2, confirmed@1 gives confirmed"),
    ),
}


@pytest.mark.parametrize("bad", KNOWN_BAD, ids=lambda bad: bad.name)
def test_a_known_bad_fold_is_refuted_with_a_string_that_can_be_read(bad: FunctionFold) -> None:
    found = prove(bad, limit=1000)
    one, sentence = BAD[bad.name]
    assert found.proved is Proved.REFUTED
    assert found.counterexample is not None
    assert found.counterexample.one == one
    assert str(found.counterexample) == sentence


def test_there_are_six_known_bad_folds() -> None:
    assert {bad.name for bad in KNOWN_BAD} == set(BAD)
    assert len(KNOWN_BAD) == 6


def test_the_furthest_state_and_the_set_of_names_are_proved() -> None:
    names = fold(lambda state, event: state | {event}, start=frozenset())
    for good in (fold(furthest), names):
        found = prove(good)
        assert found.proved is Proved.PROVED
        assert found.counterexample is None
        assert len(found.commuting) == 3


def test_states_that_no_output_distinguishes_are_one_class() -> None:
    """It remembers the order of arrival, and never tells it: so arrival does not matter."""
    secretive = fold(
        lambda state, event: (*state, event) if event not in state else state,
        start=(),
        tell=len,
    )
    found = prove(secretive)
    assert found.proved is Proved.PROVED
    assert (found.states, found.classes) == (16, 8)


def test_a_counterexample_has_the_shortest_suffix_that_reveals_it() -> None:
    """The last of a and b is kept, and told only once both keys have come."""

    def take(state: tuple[str, frozenset[str]], event: str) -> tuple[str, frozenset[str]]:
        kept, keys = state
        return (kept, keys | {event}) if event.startswith("key") else (event, keys)

    safe = fold(
        take,
        start=("", frozenset()),
        alphabet=("a", "b", "key 1", "key 2", "noise"),
        tell=lambda state: state[0] if len(state[1]) == 2 else "closed",
    )
    assert take(("a", frozenset()), "noise") == ("noise", frozenset())
    assert prove(safe).counterexample == Counterexample(
        prefix=(),
        one=("a", "b"),
        other=("b", "a"),
        suffix=("key 1", "key 2"),
        one_gives="b",
        other_gives="a",
    )


def test_a_counterexample_has_a_prefix_where_the_pair_alone_shows_nothing() -> None:
    """A switch that only turns on, until it is armed: then it toggles."""

    def take(state: tuple[bool, bool], event: str) -> tuple[bool, bool]:
        armed, lit = state
        return (True, lit) if event == "arm" else (armed, not lit or not armed)

    lamp = fold(
        take,
        start=(False, False),
        alphabet=("arm", "switch"),
        tell=lambda state: "lit" if state[1] else "dark",
    )
    found = prove(lamp)
    assert found.counterexample == Counterexample(
        prefix=("switch",),
        one=("arm", "switch"),
        other=("switch", "arm"),
        suffix=(),
        one_gives="dark",
        other_gives="lit",
    )
    repeats = found.obligations[-1].counterexample
    assert str(repeats) == "arm, switch gives lit; arm, switch, switch gives dark"


def test_states_without_an_end_are_unproved_and_never_proved() -> None:
    endless = fold(lambda state, event: state + 1, start=0, tell=lambda state: "the same")
    found = prove(endless, limit=50)
    assert found.proved is Proved.UNPROVED
    assert "limit of 50" in found.obligations[0].says
    assert found.counterexample is None
    assert prove(fold(furthest), limit=2).proved is Proved.UNPROVED
    assert prove(fold(furthest), limit=4).proved is Proved.PROVED


def test_states_without_an_end_can_still_be_refuted_near_the_start() -> None:
    late = fold(
        lambda state, event: (*state, event),
        start=(),
        tell=lambda state: state[-2] if len(state) > 3 else "",
    )
    found = prove(late, limit=50)
    assert found.proved is Proved.REFUTED
    assert found.counterexample is not None
    played = found.counterexample
    assert len((*played.prefix, *played.one, *played.suffix)) <= 4


@pytest.mark.parametrize(
    ("take", "says"),
    [
        (lambda state, event: {}[event], "after nothing, confirmed raises KeyError"),
        (lambda state, event: [event], "raises TypeError: unhashable"),
        (lambda state, event: object(), "after nothing, confirmed gives two answers"),
    ],
    ids=["raises", "unhashable", "two answers"],
)
def test_a_step_that_is_no_function_is_refuted_with_where_it_happened(
    take: Callable[[Any, str], Hashable], says: str
) -> None:
    found = prove(fold(take))
    assert found.proved is Proved.REFUTED
    assert says in found.obligations[0].says


def test_an_output_that_raises_is_refuted() -> None:
    found = prove(fold(furthest, tell=lambda state: {}[state]))
    assert found.proved is Proved.REFUTED
    assert "the output raises KeyError" in found.obligations[0].says


def sequences(letters: Sequence[Any], length: int) -> list[tuple[int, ...]]:
    return [each for n in range(length + 1) for each in product(range(len(letters)), repeat=n)]


def is_function_of_the_set(candidate: ArrivalFold, length: int) -> bool:
    """Play every sequence up to a length, and see whether its set decides what is told."""
    told: dict[frozenset[int], Hashable] = {}
    return all(
        told.setdefault(frozenset(arrivals), output_after(candidate, arrivals))
        == output_after(candidate, arrivals)
        for arrivals in sequences(candidate.alphabet, length)
    )


tables = st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=4, max_size=4)


@settings(max_examples=300, deadline=None)
@given(tables, st.tuples(*[st.sampled_from("xy")] * 4))
def test_the_prover_agrees_with_playing_every_short_sequence(
    table: list[tuple[int, int]], outputs: tuple[str, ...]
) -> None:
    """Random machines of four states and two events: length 6 decides them in practice."""
    machine = FunctionFold("random", (0, 1), 0, lambda s, e: table[s][e], lambda s: outputs[s])
    found = prove(machine)
    assert (found.proved is Proved.PROVED) == is_function_of_the_set(machine, 8)
    if found.counterexample is not None:
        played = found.counterexample
        one, other = (
            [int(label) for label in (*played.prefix, *middle, *played.suffix)]
            for middle in (played.one, played.other)
        )
        assert set(one) == set(other)
        assert output_after(machine, one) == played.one_gives
        assert output_after(machine, other) == played.other_gives
        assert played.one_gives != played.other_gives


def test_the_shipped_verdicts_do_depend_on_arrival_without_sorting() -> None:
    found = unordered(LAST_MILE, alphabet(LAST_MILE))
    assert found.finding.proved is Proved.REFUTED
    assert 0 < len(found.commuting) < found.pairs
    assert {"order_location@1", "rating_updated", "poll_failed@2"} <= set(found.harmless)
    assert "canceled@1" not in found.harmless
    commuting = {frozenset(pair) for pair in found.commuting}
    assert frozenset({"delivered@1", "canceled@1"}) not in commuting


def test_pairs_that_commute_without_sorting_do_so_in_every_short_sequence() -> None:
    over = alphabet(LAST_MILE)
    found = unordered(LAST_MILE, over)
    commuting = {frozenset(pair) for pair in found.commuting}
    wanted = ("request 1", "created", "arrived@1", "staged@2", "canceled@1", "order_location@1")
    letters = [letter for letter in over.wide if letter.label in wanted]
    heard = [Heard(each, sort_key(LAST_MILE, each.event)[0]) for each in letters]
    machine = unsorted(LAST_MILE, heard)
    for one, other in combinations(range(len(heard)), 2):
        rest = [index for index in range(len(heard)) if index not in (one, other)]
        matters = any(
            output_after(machine, (*before, one, other, *after))
            != output_after(machine, (*before, other, one, *after))
            for before in permutations(rest, 2)
            for after in permutations(rest, 2)
        )
        if matters:
            assert frozenset({str(heard[one]), str(heard[other])}) not in commuting


NONE_RAISES = Obligation(
    "steps are a function", Proved.PROVED, 6, "none raises, and each has one answer"
)
COMMUTE, REPEAT = "every two events commute", "every event repeats harmlessly"
EVERYWHERE = "in every class of states"


def letters(take: Callable[[str, str], str], tell: Callable[[str], Hashable]) -> FunctionFold:
    return FunctionFold("letters", ("a", "b"), "", take, tell)


def test_a_proof_is_reported_verbatim() -> None:
    assert prove(letters(max, str)) == ArrivalProof(
        Proved.PROVED,
        states=3,
        classes=3,
        obligations=(
            NONE_RAISES,
            Obligation(COMMUTE, Proved.PROVED, 3, EVERYWHERE),
            Obligation(REPEAT, Proved.PROVED, 6, EVERYWHERE),
        ),
        commuting=((0, 1),),
    )


def test_a_refutation_is_reported_verbatim() -> None:
    """The first of the last two letters is told: neither swaps nor repeats are harmless."""
    swap = Counterexample((), ("a", "b"), ("b", "a"), (), "a", "b")
    repeat = Counterexample(("a",), ("b",), ("b", "b"), (), "a", "b")
    found = prove(letters(lambda state, event: (state + event)[-2:], lambda state: state[:1]))
    assert found == ArrivalProof(
        Proved.REFUTED,
        states=7,
        classes=5,
        obligations=(
            NONE_RAISES._replace(checked=14),
            Obligation(COMMUTE, Proved.REFUTED, 5, "a, b gives a; b, a gives b", swap),
            Obligation(REPEAT, Proved.REFUTED, 10, "a, b gives a; a, b, b gives b", repeat),
        ),
        commuting=(),
    )
    assert found.counterexample == swap


def test_a_step_that_is_no_function_is_reported_verbatim() -> None:
    found = prove(letters(lambda state, event: {"": "a"}[state], str))
    says = "after a, a raises KeyError: 'a'"
    assert found == ArrivalProof(
        Proved.REFUTED,
        states=2,
        classes=0,
        obligations=(Obligation("steps are a function", Proved.REFUTED, 2, says),),
    )
    assert found.counterexample is None


def growing(told: Callable[[str], Hashable]) -> FunctionFold:
    return letters(lambda state, event: state + event, told)


def test_an_unbounded_fold_is_reported_verbatim() -> None:
    name = f"{COMMUTE}, {REPEAT}"
    says = "the states do not end within the limit of 5; nothing is proved"
    assert prove(growing(lambda state: ""), limit=5) == ArrivalProof(
        Proved.UNPROVED, 7, 0, (Obligation(name, Proved.UNPROVED, 7, says),)
    )
    found = prove(growing(lambda state: state[0] if len(state) > 3 else "-"), limit=5)
    shortest = Counterexample(("a",), ("a",), ("a", "a"), ("a",), "-", "a")
    says = "a, a, a gives -; a, a, a, a gives a"
    assert found == ArrivalProof(
        Proved.REFUTED, 7, 0, (Obligation(name, Proved.REFUTED, 7, says, shortest),)
    )


@pytest.mark.parametrize(
    ("length", "limit", "proved"),
    [
        (1, 0, Proved.UNPROVED),
        (5, 1, Proved.REFUTED),
        (6, 1, Proved.UNPROVED),
        (6, 2, Proved.REFUTED),
    ],
)
def test_a_refutation_near_the_start_takes_a_suffix_of_three_at_most(
    length: int, limit: int, proved: Proved
) -> None:
    """Only states that were expanded are prefixes: with a limit of one the start alone."""
    once = FunctionFold("once", ("a",), "", lambda s, e: s + e, lambda s: len(s) >= length)
    found = prove(once, limit=limit)
    assert found.proved is proved, found
    if found.counterexample is not None:
        assert (*found.counterexample.prefix, "a", "a", "a", "a", "a") == ("a",) * (length)
        assert found.counterexample.suffix == ("a", "a", "a")
        assert (found.counterexample.one_gives, found.counterexample.other_gives) == (
            "False",
            "True",
        )


def test_the_search_near_the_start_is_left_where_there_are_too_many_strings() -> None:
    """Of a hundred letters there are 5,050 pairs: none is followed by a letter more."""
    taken = Counter[str]()

    def take(state: int, event: int) -> int:
        taken["steps"] += 1
        return state + 1

    many = FunctionFold("many", tuple(range(100)), 0, take, lambda state: "the same")
    assert prove(many, limit=1).proved is Proved.UNPROVED
    exploring, repeats, swaps = 2 * 100, 2 * 100, 4 * 4950
    assert taken["steps"] == exploring + repeats + swaps


def test_a_step_that_raises_only_beyond_the_limit_is_reported_and_not_raised() -> None:
    def take(state: str, event: str) -> str:
        if len(state) > 4 and state.startswith("ab"):
            raise LookupError("too long")
        return state + event

    says = "soon after a, a, b, a step raises LookupError: too long"
    found = prove(letters(take, lambda state: ""), limit=3)
    assert found == ArrivalProof(
        Proved.REFUTED, 5, 0, (Obligation("steps are a function", Proved.REFUTED, 5, says),)
    )


def test_a_longer_prefix_is_taken_where_less_must_follow() -> None:
    """At the start three `c` show that `x` came twice; after `e` it shows by itself."""

    def take(state: tuple[bool, int, int], event: str) -> tuple[bool, int, int]:
        is_early, twice, thrice = state
        if event == "e":
            return (is_early or not twice, twice, thrice)
        return (is_early, min(twice + (event == "x"), 2), min(thrice + (event == "c"), 3))

    def tell(state: tuple[bool, int, int]) -> str:
        is_early, twice, thrice = state
        return "twice" if twice == 2 and (is_early or thrice == 3) else "-"

    found = prove(FunctionFold("early", ("x", "c", "e"), (False, 0, 0), take, tell))
    repeats = found.obligations[-1].counterexample
    assert repeats == Counterexample(("e",), ("x",), ("x", "x"), (), "-", "twice")


def test_letters_that_are_no_text_are_shown_as_they_print() -> None:
    def take(state: int, event: int) -> int:
        if state > 3:
            raise LookupError("no more")
        return state + event

    numbers = FunctionFold("numbers", (1, 2), 0, take, lambda state: "the same")
    [found] = prove(numbers).obligations
    assert found.says == "after 2, 2, 1 raises LookupError: no more"
    [found] = prove(numbers, limit=1).obligations
    assert found.says == "soon after 2, 2, a step raises LookupError: no more"
