"""A definition's verdicts without sorting: where arrivals lead, and which never mattered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

import pytest

from lifecycle import Definition, Folding
from lifecycle.core.verdict import sort_key
from lifecycle.proof.alphabet import Letter, alphabet
from lifecycle.proof.arrivals import output_after
from lifecycle.proof.obligation import Counterexample, Proved
from lifecycle.proof.unsorted import Heard, Unordered, unordered, unsorted

DOOR = Definition.write(
    "door",
    states=["asked", "open", "ajar", "wide", "shut", "burnt"],
    birth=["open"],
    moves=[
        {"trigger": trigger, "source": source, "dest": trigger}
        for source, trigger in (
            ("asked", "open"),
            ("open", "ajar"),
            ("ajar", "open"),
            ("ajar", "shut"),
            ("ajar", "wide"),
            ("wide", "ajar"),
        )
    ],
    terminal=["shut", "burnt"],
    aborts=["burnt"],
    informational=["creak"],
)
OVER = alphabet(DOOR)
LETTERS = {letter.label: letter for letter in OVER.wide}
FEW = tuple(LETTERS[label] for label in ("ajar", "shut@1", "shut", "creak", "creak@1"))


def heard(letter: Letter) -> Heard:
    return Heard(letter, sort_key(DOOR, letter.event)[0])


def test_what_does_not_depend_on_sorting_is_reported_in_full() -> None:
    """A late `ajar` is stale after `shut`; `creak` never moves anything."""
    found = unordered(DOOR, OVER._replace(wide=FEW))
    assert found.finding.proved is Proved.PROVED
    assert (found.finding.states, found.finding.classes) == (3, 3)
    assert (found.pairs, len(found.commuting)) == (10, 10)
    assert found.harmless == ("ajar", "shut@1", "shut", "creak", "creak@1")


def test_what_depends_on_sorting_is_reported_in_full() -> None:
    few = tuple(LETTERS[label] for label in ("open", "shut@1", "burnt@1", "creak"))
    found = unordered(DOOR, OVER._replace(wide=few))
    counterexample = Counterexample(
        prefix=(),
        one=("shut@1", "burnt@1"),
        other=("burnt@1", "shut@1"),
        suffix=(),
        one_gives="shut",
        other_gives="burnt",
    )
    assert found.finding.counterexample == counterexample
    assert found == Unordered(
        found.finding,
        pairs=6,
        commuting=(
            ("open", "shut@1"),
            ("open", "burnt@1"),
            ("open", "creak"),
            ("shut@1", "creak"),
            ("burnt@1", "creak"),
        ),
        harmless=("open", "creak"),
    )


def test_a_lagging_snapshot_changes_nothing_but_a_dated_step_back_does() -> None:
    few = tuple(LETTERS[label] for label in ("ajar", "ajar@2", "wide@1"))
    found = unordered(DOOR, OVER._replace(wide=few))
    assert found.commuting == (("ajar", "ajar@2"), ("ajar", "wide@1"))
    assert found.harmless == ("ajar",)


def test_the_fold_over_arrivals_has_a_name_and_shows_events_by_their_labels() -> None:
    machine = unsorted(DOOR, [heard(letter) for letter in FEW])
    assert machine.name == "door without sorting"
    assert [str(event) for event in machine.alphabet] == [letter.label for letter in FEW]
    assert output_after(machine, ()) == "not placed"
    assert output_after(machine, (3, 4)) == "not placed"
    assert output_after(machine, (0,)) == "ajar"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_arrivals_in_canonical_order_lead_where_the_fold_leads(size: int) -> None:
    machine = unsorted(DOOR, [heard(letter) for letter in OVER.letters])
    numbered = enumerate(OVER.letters)
    canonical = [
        number for number, _ in sorted(numbered, key=lambda each: sort_key(DOOR, each[1].event))
    ]
    for arrivals in list(combinations(canonical, size))[::7]:
        events = [OVER.letters[number].event for number in arrivals]
        if len({event.key for event in events}) < size:
            continue
        path = Folding.of(DOOR, events).path
        assert output_after(machine, arrivals) == (path[-1].status if path else "not placed")


def test_pairs_reported_as_commuting_commute_in_every_order_of_four() -> None:
    few = tuple(LETTERS[label] for label in ("ajar@2", "open@1", "shut", "burnt", "creak"))
    found = unordered(DOOR, OVER._replace(wide=few))
    machine = unsorted(DOOR, [heard(letter) for letter in few])

    def mattering() -> Iterator[frozenset[str]]:
        for before, one, other, after in permutations(range(len(few)), 4):
            for prefix, suffix in (
                ((), ()),
                ((before,), ()),
                ((), (after,)),
                ((before,), (after,)),
            ):
                told = output_after(machine, (*prefix, one, other, *suffix))
                if told != output_after(machine, (*prefix, other, one, *suffix)):
                    yield frozenset((few[one].label, few[other].label))

    matters = {frozenset({"ajar@2", "open@1"}), frozenset({"shut", "burnt"})}
    assert set(mattering()) == matters
    commuting = {frozenset(pair) for pair in found.commuting}
    every = {frozenset(pair) for pair in combinations((each.label for each in few), 2)}
    assert commuting == every - matters
