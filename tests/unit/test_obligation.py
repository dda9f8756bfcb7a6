"""What a proof has to show: its sentences, its JSON, and the verdict on all of it."""

from __future__ import annotations

import pytest

from lifecycle.proof.obligation import Counterexample, Obligation, Proved, altogether

SWAPPED = Counterexample(("a",), ("b", "c"), ("c", "b"), ("d", "e"), "shut", "open")
PROVED, REFUTED, UNPROVED = Proved.PROVED, Proved.REFUTED, Proved.UNPROVED


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (SWAPPED, "a, b, c, d, e gives shut; a, c, b, d, e gives open"),
        (Counterexample((), (), ("a",), (), "1", "2"), "nothing gives 1; a gives 2"),
        (Counterexample((), ("a",), (), (), "1", "2"), "a gives 1; nothing gives 2"),
    ],
)
def test_a_counterexample_is_one_sentence(found: Counterexample, says: str) -> None:
    assert str(found) == says


def test_a_counterexample_is_shown_as_lists_of_arrivals_and_what_they_give() -> None:
    assert SWAPPED.shown() == {
        "prefix": ["a"],
        "one": ["b", "c"],
        "other": ["c", "b"],
        "suffix": ["d", "e"],
        "one_gives": "shut",
        "other_gives": "open",
    }


def test_an_obligation_is_shown_with_its_counterexample_or_with_none() -> None:
    shown = {"name": "doors", "verdict": "refuted", "checked": 3, "says": "they slam"}
    assert Obligation("doors", REFUTED, 3, "they slam", SWAPPED).shown() == shown | {
        "counterexample": SWAPPED.shown()
    }
    shown = {"name": "doors", "verdict": "unproved", "checked": 0, "says": "nobody looked"}
    assert Obligation("doors", UNPROVED, 0, "nobody looked").shown() == shown | {
        "counterexample": None
    }


@pytest.mark.parametrize(
    ("proved", "verdict"),
    [
        ([PROVED, PROVED], PROVED),
        ([PROVED, UNPROVED], UNPROVED),
        ([UNPROVED, REFUTED, PROVED], REFUTED),
        ([REFUTED], REFUTED),
        ([], UNPROVED),
    ],
)
def test_one_refutation_refutes_and_a_gap_leaves_all_of_it_unproved(
    proved: list[Proved], verdict: Proved
) -> None:
    assert altogether(proved) is verdict
    assert [each.value for each in Proved] == ["proved", "refuted", "unproved"]
