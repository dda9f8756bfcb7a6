"""The certificate: what `lifecycle check --json` prints, held whole and word for word.

The lifecycles are tiny, so that every count can be counted again: `n` events have
`n * (n - 1) / 2` pairs, and a set of `n` events has `2 ** n - 1` subsets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import combinations
from typing import Any

import pytest

from lifecycle.core.definition import Definition, Written
from lifecycle.proof import arrivals, certificate
from lifecycle.proof.arrivals import ArrivalFold
from lifecycle.proof.certificate import certify, certify_fold
from lifecycle.proof.known_bad import KNOWN_BAD, Said
from lifecycle.proof.obligation import Proved
from lifecycle.proof.quotient import FunctionFold
from lifecycle.proof.sorting import Rules, Scope

SCOPE = Scope(size=1, lattice=3, workers=1)


def move(source: str, dest: str, trigger: str | None = None) -> dict[str, str]:
    return {"trigger": trigger or dest, "source": source, "dest": dest}


def written(**changes: Any) -> Written:
    parts = {"states": ["asked", "given"], "moves": [move("asked", "given")], "terminal": ["given"]}
    return Written(**({"name": "gift"} | parts | changes))


LETTERS = [
    *("request 1", "request 2", "accepted 1", "rejected 1 to rejected", "failed 1"),
    *("accepted 2", "rejected 2 to rejected", "failed 2", "asked", "asked@1", "asked@2"),
    *("given", "given@1", "given@2", "poll_failed", "poll_failed@1", "poll_failed@2"),
    *("unheard_of@1", "given@1 ≠"),
]
BESIDE = [
    *("unheard_of", "unheard_of@2", "requested by them", "request 1 ≠", "poll asked@1"),
    *("poll asked@2", "poll given@1", "poll given@2", "asked@1 ≠"),
]


def obligation(name: str, checked: int, says: str) -> dict[str, Any]:
    """Return what is shown of an obligation that was met."""
    return {
        "name": name,
        "verdict": "proved",
        "checked": checked,
        "says": says,
        "counterexample": None,
    }


def swapped(one: str, other: str, one_gives: str, other_gives: str) -> dict[str, Any]:
    """Return a counterexample of two arrivals in both orders."""
    return {
        "prefix": [],
        "one": [one, other],
        "other": [other, one],
        "suffix": [],
        "one_gives": one_gives,
        "other_gives": other_gives,
    }


SORTED = [
    obligation("places are totally ordered", 378, "every two places compare, without a circle"),
    obligation("distinct events have distinct places", 2 * 28, "ties end at key and digest"),
    obligation("places read content only", 548, "what depends on delivery moves no event"),
    obligation(
        "one content counts a key, whatever came first",
        28 * 24,
        "of rivals the earliest, then the smallest",
    ),
    obligation(
        "incremental = batch, sets of 1 of 19 events",
        19,
        "whichever comes last, and repeats: the same inner state",
    ),
    obligation("views read content only", 171, "another delivery gives the same digest"),
    obligation(
        "incremental = batch = view, all subsets of 3 events", 7, "the same state, view and history"
    ),
    obligation("folds that are known to be wrong are refuted", 6, "the prover can tell"),
]
CONTROLS = {
    "last arrival wins": swapped("confirmed@1", "arrived@2", "arrived", "confirmed"),
    "first arrival wins": swapped("confirmed@1", "arrived@2", "confirmed", "arrived"),
    "reject what does not fit": swapped("confirmed@1", "arrived@2", "arrived", "confirmed"),
    "timestamp without tie-break": swapped("boxed@2", "moving@2", "moving", "boxed"),
    "attempt counter without ids": {
        "prefix": [],
        "one": ["request"],
        "other": ["request", "request"],
        "suffix": [],
        "one_gives": "1",
        "other_gives": "2",
    },
    "stable sort on a coarse clock": swapped("confirmed@1", "boxed@2", "boxed", "confirmed"),
}


def test_a_proof_is_shown_whole() -> None:
    gift = Definition.of(written(birth=["asked"]))
    labels = [*LETTERS, *BESIDE]
    assert certify(gift, scope=SCOPE).shown() == {
        "ok": True,
        "verdict": "proved",
        "definition": "gift",
        "fingerprint": gift.fingerprint,
        "states_explored": 19 + 7,
        "alphabet": LETTERS,
        "alphabet_beside": BESIDE,
        "obligations": SORTED,
        "findings": [],
        "must_pass": {"given": ["asked"]},
        "without_sorting": {
            "name": "verdicts as events arrive",
            "verdict": "proved",
            "counterexample": None,
            "states_explored": 3,
            "pairs": 28 * 27 // 2,
            "commuting": 28 * 27 // 2,
            # There is but one way to go, so nothing that arrives ever mattered.
            "commuting_pairs": {
                label: labels[place:] for place, label in enumerate(labels[:-1], 1)
            },
            "harmless": labels,
        },
        "controls": [
            {"name": name, "verdict": "refuted", "counterexample": found}
            for name, found in CONTROLS.items()
        ],
    }


def test_a_written_definition_is_certified_like_the_built_one() -> None:
    built = Definition.of(written(birth=["asked"]))
    shown = certify(written(birth=["asked"]), scope=SCOPE).shown()
    assert shown == certify(built, scope=SCOPE).shown()


def test_only_two_ends_depend_on_arrival_without_sorting() -> None:
    gift = written(
        states=["asked", "given", "lost"],
        moves=[move("asked", "given"), move("asked", "lost")],
        terminal=["given", "lost"],
        birth=["asked"],
    )
    shown = certify(gift, scope=SCOPE).shown()
    labels = [*shown["alphabet"], *shown["alphabet_beside"]]
    found = shown["without_sorting"]
    partners = found.pop("commuting_pairs")
    commuting = [(one, other) for one, others in partners.items() for other in others]

    def end(label: str) -> str:
        """Return the end that a letter says: a rival of either says the other."""
        said, other = ("given", "lost") if "given" in label else ("lost", "given")
        return other if "≠" in label else said

    ends = [label for label in labels if "given" in label or "lost" in label]
    assert commuting == [
        (one, other)
        for one, other in combinations(labels, 2)
        if not {one, other} <= set(ends) or end(one) == end(other)
    ]
    assert found == {
        "name": "verdicts as events arrive",
        "verdict": "refuted",
        "counterexample": swapped("given", "lost", "given", "lost"),
        "states_explored": 4,
        "pairs": len(labels) * (len(labels) - 1) // 2,
        "commuting": len(commuting),
        "harmless": [label for label in labels if label not in ends],
    }


@pytest.mark.parametrize(
    ("changes", "why", "findings"),
    [
        (
            {"moves": [{"trigger": "given"}, move("asked", "given")]},
            "move 1 has trigger, expected trigger, source and dest, and nothing else",
            ["malformed"],
        ),
        (
            {"aborts": ["asked"]},
            "state 'asked' aborts but is not terminal",
            [],
        ),
        (
            {"name": 7, "moves": [move("asked", "given"), move("asked", "given", "trigger")]},
            "'trigger' is a name that `transitions` uses itself",
            [],
        ),
        (
            {"side": ["x"], "aborts": ["y"]},
            "aborts names state 'y', which has no rank",
            ["unknown_state", "unknown_state"],
        ),
        (
            {"side": ["x"], "informational": [7]},
            "informational holds a value of type int, expected plain text",
            ["malformed", "unknown_state"],
        ),
        ({"states": [], "terminal": []}, "it has no states", ["no_states"]),
    ],
)
def test_a_definition_that_cannot_be_built_is_shown_with_the_first_reason(
    changes: dict[str, Any], why: str, findings: list[str]
) -> None:
    certified = certify(written(**changes))
    shown = certified.shown()
    assert [each["code"] for each in shown.pop("findings")] == findings
    assert shown == {
        "ok": False,
        "verdict": "unproved",
        "definition": str(changes.get("name", "gift")),
        "fingerprint": None,
        "states_explored": 0,
        "alphabet": [],
        "alphabet_beside": [],
        "obligations": [
            {
                "name": "the definition can be built",
                "verdict": "unproved",
                "checked": 0,
                "says": f"nothing is proved of what cannot be built: {why}",
                "counterexample": None,
            }
        ],
        "must_pass": {} if "states" in changes else {"given": ["asked"]},
        "without_sorting": None,
        "controls": [],
    }


def test_a_proved_definition_is_not_ok_while_the_lint_has_findings() -> None:
    trapped = written(states=["asked", "lost", "given"])
    found = certify(trapped, scope=SCOPE)
    assert (found.ok, found.verdict) == (False, Proved.PROVED)
    assert [each["code"] for each in found.shown()["findings"]] == ["unreachable_state", "trap"]
    assert certify(written(), scope=SCOPE).ok


def fold(take: Callable[[Any, Any], Hashable], start: Hashable = 0) -> FunctionFold:
    return FunctionFold("a fold", (1, 2), start, take)


def test_a_fold_over_arrivals_is_shown_whole() -> None:
    assert certify_fold(fold(max)).alphabet == ("1", "2")
    assert certify_fold(fold(max)).shown() == {
        "ok": True,
        "verdict": "proved",
        "definition": "a fold",
        "fingerprint": None,
        "states_explored": 3,
        "alphabet": ["1", "2"],
        "alphabet_beside": [],
        "obligations": [
            obligation("steps are a function", 3 * 2, "none raises, and each has one answer"),
            obligation("every two events commute", 3, "in every class of states"),
            obligation("every event repeats harmlessly", 3 * 2, "in every class of states"),
        ],
        "findings": [],
        "must_pass": {},
        "without_sorting": None,
        "controls": [],
    }


def test_a_fold_is_refuted_or_left_unproved_by_the_limit_it_is_given() -> None:
    latest = certify_fold(fold(lambda _, event: event))
    assert (latest.ok, latest.verdict) == (False, Proved.REFUTED)
    counting = fold(lambda state, event: state + 1 if event == 1 else state)
    endless = FunctionFold(counting.name, counting.alphabet, 0, counting.take, lambda _: "the same")
    for limit in (20, 30):
        found = certify_fold(endless, limit=limit)
        assert (found.ok, found.verdict) == (False, Proved.UNPROVED)
        assert limit <= found.states <= limit + 1


def test_rules_and_scope_are_those_that_were_asked_for() -> None:
    gift = Definition.of(written(birth=["asked"]))
    found = certify(gift, rules=Rules(supersedes=lambda event, other: True), scope=SCOPE)
    assert (found.ok, found.verdict) == (False, Proved.REFUTED)
    refuted = [each for each in found.obligations if each.proved is Proved.REFUTED]
    assert [each.name for each in refuted] == ["one content counts a key, whatever came first"]
    cut_off = certify(gift, scope=SCOPE._replace(limit=5))
    assert (cut_off.ok, cut_off.verdict, cut_off.states) == (False, Proved.UNPROVED, 7)


def test_a_prover_that_misses_a_fold_that_is_known_to_be_wrong_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = [FunctionFold(name, (1, 2), 0, max) for name in ("the greater", "the highest")]
    monkeypatch.setattr(certificate, "KNOWN_BAD", (*KNOWN_BAD[:2], *sound))
    found = certify(Definition.of(written()), scope=SCOPE)
    assert found.verdict is Proved.UNPROVED
    assert found.obligations[-1].shown() == {
        "name": "folds that are known to be wrong are refuted",
        "verdict": "unproved",
        "checked": 4,
        "says": "the prover does not see what is wrong with: the greater, the highest",
        "counterexample": None,
    }
    assert [(each["name"], each["verdict"]) for each in found.shown()["controls"]] == [
        ("last arrival wins", "refuted"),
        ("first arrival wins", "refuted"),
        ("the greater", "proved"),
        ("the highest", "proved"),
    ]


# Of each control: where it starts, its events, and what it tells after none of them, after
# each alone, after all, and after all the other way round.
TOLD: dict[str, tuple[str, list[str], list[object]]] = {
    "last arrival wins": (
        "nothing",
        ["confirmed@1", "arrived@2", "delivered@3"],
        ["nothing", "confirmed", "arrived", "delivered", "delivered", "confirmed"],
    ),
    "first arrival wins": (
        "nothing",
        ["confirmed@1", "arrived@2", "delivered@3"],
        ["nothing", "confirmed", "arrived", "delivered", "confirmed", "delivered"],
    ),
    "reject what does not fit": (
        "nothing",
        ["confirmed@1", "arrived@2", "delivered@3"],
        ["nothing", "confirmed", "nothing", "nothing", "delivered", "confirmed"],
    ),
    "timestamp without tie-break": (
        "nothing@0",
        ["confirmed@1", "boxed@2", "moving@2"],
        ["nothing", "confirmed", "boxed", "moving", "moving", "boxed"],
    ),
    "attempt counter without ids": ("0", ["request", "rejected"], [0, 1, 0, 1, 1]),
    "stable sort on a coarse clock": (
        "()",
        ["confirmed@1", "boxed@2", "moving@2"],
        ["nothing", "confirmed", "boxed", "moving", "moving", "confirmed"],
    ),
}


@pytest.mark.parametrize("bad", KNOWN_BAD, ids=lambda bad: bad.name)
def test_a_known_bad_fold_fails_as_its_name_says(bad: FunctionFold) -> None:
    letters = tuple(range(len(bad.alphabet)))
    strings = [(), *((letter,) for letter in letters), letters, letters[::-1]]
    told = [arrivals.output_after(bad, string) for string in strings]
    assert (str(bad.initial), [*map(str, bad.alphabet)], told) == TOLD[bad.name]
    assert isinstance(bad, ArrivalFold)


def test_a_coarse_clock_distinguishes_minutes_and_no_seconds() -> None:
    coarse = KNOWN_BAD[-1]
    assert coarse.step((Said("second", 60),), Said("first", 59)) == (
        *(Said("first", 59), Said("second", 60)),
    )
    assert coarse.step((Said("second", 59),), Said("first", 0)) == (
        *(Said("second", 59), Said("first", 0)),
    )


COUNTED = {
    "last arrival wins": (4, 4),
    "first arrival wins": (4, 4),
    "reject what does not fit": (4, 4),
    "timestamp without tie-break": (4, 4),
    "attempt counter without ids": (51, 0),
    "stable sort on a coarse clock": (16, 13),
}


@pytest.mark.parametrize("bad", KNOWN_BAD, ids=lambda bad: bad.name)
def test_a_fold_that_is_known_to_be_wrong_is_explored_whole_unless_it_counts(
    bad: FunctionFold,
) -> None:
    found = arrivals.prove(bad, limit=50)
    assert (found.states, found.classes) == COUNTED[bad.name]
