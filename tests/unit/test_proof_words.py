"""What a proof of folds that sort says, word for word, over an alphabet of ten letters.

It is small, so that every sentence, count and counterexample can be written down here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from inspect import signature
from math import comb
from pathlib import Path
from typing import Any, cast

import pytest

from lifecycle import Change, Definition, Event, Folding
from lifecycle.core.verdict import sort_key, supersedes
from lifecycle.proof import arrivals, sorting
from lifecycle.proof.alphabet import Alphabet, alphabet
from lifecycle.proof.obligation import Counterexample, Obligation, Proved
from lifecycle.proof.sorting import Rules, Scope

KITCHEN = Definition.write(
    "kitchen",
    states=["ordered", "cooking", "served"],
    birth=["ordered"],
    moves=[
        {"trigger": "cooking", "source": "ordered", "dest": "cooking"},
        {"trigger": "served", "source": "cooking", "dest": "served"},
    ],
    terminal=["served"],
    informational=["noise", "smell"],
)
LETTERS = {letter.label: letter for letter in alphabet(KITCHEN).wide}
ALL = (
    *("request 1", "rejected 1 to rejected", "ordered", "cooking@1", "cooking@2"),
    *("noise", "smell", "cooking@1 ≠", "served@2", "request 1 ≠"),
)
WIDE = tuple(LETTERS[label] for label in ALL)
OVER = Alphabet(WIDE[:8], WIDE, twins=((5, 6),), sooner={4: 3})
SCOPE = Scope(size=4, lattice=3, workers=1)


def test_unless_asked_otherwise_a_proof_goes_so_far() -> None:
    assert Scope() == (4, 1_000_000, 10, 0, None)
    assert signature(arrivals.prove).parameters["limit"].default == 100_000


def proved(rules: Rules = sorting.SHIPPED, **scope: Any) -> list[Obligation]:
    return sorting.prove(KITCHEN, OVER, rules=rules, scope=SCOPE._replace(**scope))


SAME = "whichever comes last, and repeats: the same inner state"
PROVED = [
    ("places are totally ordered", comb(10, 2), "every two places compare, without a circle"),
    ("distinct events have distinct places", 20, "ties end at key and digest"),
    ("places read content only", 198, "what depends on delivery moves no event"),
    (
        "one content counts a key, whatever came first",
        10 * 24,
        "of rivals the earliest, then the smallest",
    ),
    ("incremental = batch, sets of 1 of 10 events", 10, SAME),
    ("incremental = batch, sets of 2 of 10 events", comb(10, 2), SAME),
    (
        "incremental = batch, sets of 3 of 10 events",
        81,
        f"{SAME} (alike sets once: they stand for 120)",
    ),
    (
        "incremental = batch, sets of 4 of 8 events",
        43,
        f"{SAME} (alike sets once: they stand for 70)",
    ),
    ("views read content only", comb(8, 2), "another delivery gives the same digest"),
    (
        "incremental = batch = view, all subsets of 3 events",
        2**3 - 1,
        "the same state, view and history",
    ),
]


def test_a_proof_is_reported_verbatim() -> None:
    """`smell` without `noise` stands for nothing new, nor does `cooking@2` as the only instant.

    Of the 120 sets of three 28 have the smell alone, and 11 more that instant alone; of the
    70 sets of four among the letters 20 and 7.
    """
    found = proved()
    assert [(each.name, each.checked, each.says) for each in found] == PROVED
    assert {(each.proved, each.counterexample) for each in found} == {(Proved.PROVED, None)}


def test_a_reached_limit_is_reported_verbatim() -> None:
    for limit, least in ((136, 3), (135, 2), (9, 0)):
        walks = proved(limit=limit)[4:8]
        assert [(each.proved, each.says) for each in walks[:least]] == [
            (Proved.PROVED, says) for _, _, says in PROVED[4 : 4 + least]
        ]
        assert walks[least:] == [
            Obligation(
                name,
                Proved.UNPROVED,
                0,
                f"not looked at: {sets} sets are beyond the limit of {limit}",
            )
            for name, sets, _ in PROVED[4 + least : 8]
        ]


def shown_whole(found: Obligation) -> list[Any]:
    """Return the parts of the counterexample as they come out of the JSON."""
    shown = json.loads(json.dumps(found.shown()))
    assert shown["says"] == str(Counterexample(**shown["counterexample"]))
    return list(shown["counterexample"].values())


def test_a_sort_key_without_digests_ties_two_contents_of_one_key() -> None:
    """There is no copy in this alphabet: the proof makes one of each letter."""
    rules = Rules(place=lambda definition, event: sort_key(definition, event)[:-1])
    over = OVER._replace(letters=WIDE[:8], wide=WIDE[:7])
    found = sorting.prove(KITCHEN, over, rules=rules, scope=SCOPE)[1]
    assert (found.proved, found.checked) == (Proved.REFUTED, 8)
    assert found.says == (
        "request 1 gives the place 1, 0, 1, 0, request:1; "
        "request 1 of another content gives the place 1, 0, 1, 0, request:1"
    )


def test_a_counterexample_of_rivals_has_four_of_them_in_two_orders() -> None:
    found = proved(Rules(supersedes=lambda event, other: True))[3]
    one = ["request 1 (1)", "request 1 (2)", "request 1 (3)", "request 1 (4)"]
    other = [*one[:2], one[3], one[2]]
    assert shown_whole(found) == [[], one, other, [], one[3], one[2]]
    assert (found.name, found.proved, found.checked) == (PROVED[3][0], Proved.REFUTED, 2)


def heard(event: Event) -> Event:
    """Return an event that means nothing if it was received at an uneven time."""
    return event._replace(trigger=None) if event.received_at.microsecond else event


class ByArrival(Folding):
    """The control: the status depends on when an event was received."""

    def add(self, event: Event) -> Change | None:
        return super().add(heard(event))

    def add_all(self, events: Iterable[Event]) -> None:
        super().add_all(map(heard, events))


def test_a_counterexample_of_views_has_two_events_delivered_otherwise() -> None:
    found = proved(Rules(folding=ByArrival))[8]
    two = ["request 1", "ordered"]
    otherwise = [f"{label} delivered otherwise" for label in two]
    digest = Folding.of(KITCHEN, [LETTERS[label].event for label in two]).view().digest
    told = f"the digest {digest[:12]}"
    assert shown_whole(found) == [[], two, otherwise, [], told, "another one"]
    assert (found.name, found.proved, found.checked) == ("views read content only", "refuted", 2)


class Weary(Folding):
    """The control: it knows that it was added to when it had two events, and never tells it."""

    def add(self, event: Event) -> None:
        if len(self._events) > 1:
            vars(self)["weary"] = True
        super().add(event)


def test_an_inner_state_that_depends_on_arrival_is_refuted_even_if_only_subsets_are_large() -> None:
    [walked, _, subsets] = proved(Rules(folding=Weary), size=1)[4:]
    assert walked == Obligation(
        "incremental = batch, sets of 1 of 8 events", Proved.PROVED, 8, SAME
    )
    assert (subsets.name, subsets.proved, subsets.checked) == (PROVED[9][0], Proved.REFUTED, 4)
    told = "gives no path (unrecognized, unrecognized; they differ in weary)"
    assert subsets.says == (
        "request 1, rejected 1 to rejected, request 1, rejected 1 to rejected "
        f"{told} one by one; request 1, rejected 1 to rejected {told} at once"
    )


class Stuck(Folding):
    """The control: a history that was looked at once stays; the view does not."""

    def view(self) -> Any:
        told = super().view()
        if "seen" not in vars(self):
            vars(self)["seen"] = None
            vars(self)["seen"] = super().history()
        return told

    def history(self) -> Any:
        self.view()
        return vars(self)["seen"] or super().history()


def test_a_history_that_depends_on_arrival_is_refuted_though_the_view_is_right() -> None:
    found = [each for each in proved(Rules(folding=Stuck)) if each.proved is not Proved.PROVED]
    events = [LETTERS[label].event for label in ("request 1", "rejected 1 to rejected")]
    told = f"ordered (digest {Folding.of(KITCHEN, events).view().digest[:12]})"
    assert [(each.name, each.proved, each.checked) for each in found] == [
        (PROVED[9][0], Proved.REFUTED, 4)
    ]
    assert found[0].counterexample == Counterexample(
        ("rejected 1 to rejected",),
        ("request 1",),
        ("request 1",),
        (),
        f"{told} with another history one by one",
        f"{told} at once",
    )


class Noting(Folding):
    """Notes in a file who folds."""

    notes: Path

    def add(self, event: Event) -> None:
        super().add(event)
        with self.notes.open("a") as file:
            file.write(f"{os.getpid()}\n")


@pytest.mark.parametrize(("workers", "is_alone"), [(1, True), (2, False)])
def test_a_proof_uses_the_given_processes_and_reports_progress(
    workers: int, is_alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3 - workers)), raising=False)
    told: list[tuple[int, int]] = []
    there = cast(type[Folding], type("There", (Noting,), {"notes": tmp_path / "notes"}))
    rules = Rules(folding=there)
    proved(rules, size=2, workers=workers, tell=lambda done, total: told.append((done, total)))
    folded = set((tmp_path / "notes").read_text().split())
    assert (folded == {str(os.getpid())}) is is_alone
    [total] = {total for _, total in told}
    assert sum(done for done, _ in told) == total == 10 + comb(8, 2)


def test_a_choice_among_rivals_is_tried_with_an_earlier_a_later_and_no_instant() -> None:
    """The control is right where all are at one instant, and takes the last one elsewhere."""

    def broken(event: Event, other: Event) -> bool:
        return event.occurred_at != other.occurred_at or supersedes(event, other)

    assert proved(Rules(supersedes=broken))[3].proved is Proved.REFUTED


def test_a_sort_key_that_is_no_tuple_is_shown_too() -> None:
    found = proved(Rules(place=lambda _, event: event.attempt or 7))[1]
    assert found.says == ("request 1 gives the place 1; rejected 1 to rejected gives the place 1")


def test_only_the_long_parts_of_a_shown_sort_key_are_cut() -> None:
    """32 letters are shown whole, as an instant needs them."""
    found = proved(Rules(place=lambda *_: ("a" * 32, "b" * 33)))[1]
    where = f"the place {'a' * 32}, bbbbbbbbbbbb..."
    assert found.says == f"request 1 gives {where}; rejected 1 to rejected gives {where}"


def test_the_subsets_are_of_the_letters_that_there_are() -> None:
    assert [letter.label for letter in sorting.chosen(KITCHEN, OVER)] == [
        *("request 1", "rejected 1 to rejected", "ordered", "cooking@1", "cooking@1 ≠", "smell"),
        *("cooking@2", "noise"),
    ]


def test_where_every_end_is_an_abort_the_last_state_is_among_the_subsets() -> None:
    fruitless = Definition.write(
        "fruitless",
        states=["ordered", "cooking", "binned"],
        birth=["ordered"],
        moves=[{"trigger": "binned", "source": "ordered", "dest": "binned"}],
        terminal=["binned"],
        aborts=["binned"],
    )
    assert fruitless.goal is None
    assert [letter.label for letter in sorting.chosen(fruitless, alphabet(fruitless))] == [
        *("request 1", "rejected 1 to rejected", "accepted 2", "ordered", "cooking@1"),
        *("cooking@1 ≠", "binned@1", "ordered@2", "binned@2", "request 2"),
    ]


def test_another_delivery_is_the_same_one_each_time() -> None:
    event = LETTERS["request 1"].event
    (*first, (_, whole)), second = (
        list(sorting.delivered_otherwise(event))[begin : begin + 10] for begin in (0, 10)
    )
    assert [(field, getattr(other, field)) for field, other in first] == [
        ("exchange_id", "0.20201527180636558"),
        ("received_at", datetime(2022, 6, 9, 23, 38, 17, 596042, tzinfo=UTC)),
        ("recorded_at", datetime(2022, 6, 5, 22, 43, 10, 239973, tzinfo=UTC)),
        ("version", 731),
        ("position", 81576),
        ("redriven_from", 81),
        ("headers", {"x-request-id": "0.5372055353474587"}),
        ("body", b"\xa3\xbcY\x95X\xb2;1"),
        ("sha256", "789f4f9622ded0f13ab2d94ab11065227671b140d73aa3a648a5497f0b30f96c"),
    ]
    assert whole == event._replace(**{field: getattr(other, field) for field, other in first})
    assert [field for field, _ in second] == [*(field for field, _ in first), "delivery"]
    assert (second[0][1].exchange_id, second[3][1].version) == ("0.7953621335892243", 776)
