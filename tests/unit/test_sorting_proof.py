"""The proof of folds that sort: the shipped rules pass it, broken ones fail where they must.

Size 4 over the full alphabet is what `lifecycle check` does by default, and is run once;
everything else is small. The sets that the proof leaves out as alike are sampled and
looked at all the same.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import combinations
from math import comb
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from lifecycle import Change, Definition, Event, Folding
from lifecycle.core.definition import NoDetails, Written
from lifecycle.core.verdict import SortKey, sort_key, supersedes
from lifecycle.proof import sorting
from lifecycle.proof.alphabet import Letter, alphabet, spoken_names
from lifecycle.proof.certificate import Certificate, certify
from lifecycle.proof.lint_rules import written_of
from lifecycle.proof.obligation import Obligation, Proved
from lifecycle.proof.sorting import Rules, Scope
from lifecycle.proof.subsets import Sets, Walk, difference, walk
from lifecycle.providers.instacart.definition import LAST_MILE

OVER = alphabet(LAST_MILE)
NEVER = datetime.max.replace(tzinfo=UTC)


def move(source: str, dest: str) -> dict[str, str]:
    return {"trigger": dest, "source": source, "dest": dest}


KITCHEN = Definition.write(
    "kitchen",
    states=["ordered", "cooking", "served", "binned"],
    birth=["ordered"],
    moves=[move("ordered", "cooking"), move("cooking", "served"), move("cooking", "binned")],
    terminal=["served", "binned"],
    aborts=["binned"],
    informational=["smell", "noise"],
)
PANTRY = alphabet(KITCHEN)
SMALL = Scope(size=2, lattice=6, workers=1)


def refuted(rules: Rules, *, size: int = 2) -> list[Obligation]:
    """Return what fails under other rules, on a definition small enough to be quick."""
    scope = SMALL._replace(size=size)
    obligations = sorting.prove(KITCHEN, PANTRY, rules=rules, scope=scope)
    return [each for each in obligations if each.proved is Proved.REFUTED]


@pytest.mark.long
def test_the_shipped_definition_is_proved_within_a_minute_of_two_processors() -> None:
    """As `lifecycle check` does it. Processors are shared: their time counts, not the clock's."""
    before = time_of_processors()
    certificate = certify(LAST_MILE, scope=Scope(workers=2))
    assert time_of_processors() - before < 2 * 60
    assert certificate.ok, certificate.shown()
    assert certificate.verdict is Proved.PROVED
    assert {each.proved for each in certificate.obligations} == {Proved.PROVED}
    names = {each.name: each.checked for each in certificate.obligations}
    assert names["incremental = batch, sets of 2 of 113 events"] == comb(113, 2)
    assert names["incremental = batch, sets of 3 of 113 events"] > 90_000
    assert names["incremental = batch, sets of 4 of 73 events"] > 160_000
    assert names["incremental = batch = view, all subsets of 10 events"] == 2**10 - 1
    assert certificate.fingerprint == LAST_MILE.fingerprint


def time_of_processors() -> float:
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(each).ru_utime for each in whose)


def test_the_alphabet_has_every_name_untimed_and_at_two_instants_and_every_exchange_twice() -> None:
    labels = {letter.label for letter in OVER.letters}
    theirs = [*spoken_names(LAST_MILE), *(LAST_MILE.informational - {"failed"})]
    assert len(theirs) == 12 + 9
    for name in theirs:
        assert {name, f"{name}@1", f"{name}@2"} <= labels
    for exchange in ("request", "accepted", "rejected", "failed"):
        assert {any(label.startswith(f"{exchange} {n}") for label in labels) for n in (1, 2)} == {
            True
        }
    assert [label for label in labels if label.endswith("≠")] == ["acknowledged_for_delivery@1 ≠"]
    identities = {(letter.event.key, letter.event.digest) for letter in OVER.wide}
    assert len(identities) == len(OVER.wide) == len({letter.label for letter in OVER.wide})
    assert OVER.wide[: len(OVER.letters)] == OVER.letters


class Arrived(tuple[Any, ...]):  # noqa: SLOT001 - a tuple with a number has a dictionary
    """A place that sorts by arrival, after all that were sorted by content."""

    number: int

    def __lt__(self, other: Any) -> bool:
        return self.number < getattr(other, "number", -1)

    def __gt__(self, other: Any) -> bool:
        return self.number > getattr(other, "number", -1)


class Hasty(Folding):
    """The control: events stand as they came, whatever sorts before whatever."""

    def add(self, event: Event) -> None:
        if self._count(event):
            where = Arrived(sort_key(self.definition, event))
            where.number = len(self._places)
            self._insert(event, where)


class Unreplaced(Folding):
    """The control: a content that takes its key over leaves the other one where it was."""

    def add(self, event: Event) -> None:
        if self._count(event):
            self._insert(event, sort_key(self.definition, event))


class Unmerged(Folding):
    """The control: details that came first stay, whatever sorts first."""

    def add(self, event: Event) -> None:
        super().add(event)
        vars(self)["kept"] = dict(event.details) | vars(self).get("kept", {})


class Forgetful(Folding):
    """The control: a repeat is taken for another content."""

    def _count(self, event: Event) -> bool:
        counts = super()._count(event)
        if not counts:
            self._evidence[event.key, event.digest] = event
        return counts


class FirstComes(Folding):
    """The control: of two contents under one key the one that came first counts."""

    def _count(self, event: Event) -> bool:
        if event.key in self._counted and self._counted[event.key].digest != event.digest:
            self._evidence[event.key, event.digest] = event
            return False
        return super()._count(event)


class Sticky(Folding):
    """The control: a view that was looked at once stays."""

    def view(self) -> Any:
        seen = self.__dict__.setdefault("seen", [])
        if not seen:
            seen.append(super().view())
        return seen[0]


def heard(event: Event) -> Event:
    """Return an event that means nothing if it was received at an odd microsecond."""
    return event._replace(trigger=None) if event.received_at.microsecond % 2 else event


class ByArrival(Folding):
    """The control: the status depends on when an event was received."""

    def add(self, event: Event) -> Change | None:
        return super().add(heard(event))

    def add_all(self, events: Iterable[Event]) -> None:
        super().add_all(map(heard, events))


@pytest.mark.parametrize(
    ("folding", "where"),
    [
        (Hasty, "incremental = batch, sets of 2"),
        (Unreplaced, "incremental = batch, sets of 2"),
        (Unmerged, "incremental = batch, sets of 1"),
        (Forgetful, "incremental = batch, sets of 1"),
        (FirstComes, "incremental = batch, sets of 2"),
        (Sticky, "incremental = batch = view"),
        (ByArrival, "views read content only"),
    ],
)
def test_a_broken_fold_is_refuted(folding: type[Folding], where: str) -> None:
    found = refuted(Rules(folding=folding), size=3)
    assert any(each.name.startswith(where) for each in found), found
    assert all(each.counterexample is not None and each.says for each in found)


def test_a_fold_that_never_refolds_is_refuted_with_two_events_in_the_wrong_order() -> None:
    [first, *_] = refuted(Rules(folding=Hasty))
    found = first.counterexample
    assert found is not None
    assert len((*found.prefix, *found.one)) == 2
    assert "one by one" in found.one_gives
    assert "at once" in found.other_gives
    later, sooner = found.prefix[0], found.one[0]
    letters = {letter.label: letter.event for letter in PANTRY.wide}
    assert sort_key(KITCHEN, letters[sooner]) < sort_key(KITCHEN, letters[later])


def without_tie_break(definition: Definition, event: Event) -> SortKey:
    lane, *rest = sort_key(definition, event)
    return (lane, *rest[:-2]) if lane == 2 else (lane, *rest)


def without_digest(definition: Definition, event: Event) -> SortKey:
    return sort_key(definition, event)[:-1]


def by_receipt(definition: Definition, event: Event) -> SortKey:
    return (event.received_at, *sort_key(definition, event))


def by_version(definition: Definition, event: Event) -> SortKey:
    return (*sort_key(definition, event), event.version or 0)


def without_lanes(definition: Definition, event: Event) -> SortKey:
    return sort_key(definition, event)[1:]


class Circular:
    """The control: stone, scissors, paper."""

    def __init__(self, label: str) -> None:
        self.number = int(label, 16) % 3

    def __lt__(self, other: Circular) -> bool:
        return (other.number - self.number) % 3 == 1


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        (without_tie_break, "distinct events have distinct places"),
        (without_digest, "distinct events have distinct places"),
        (by_receipt, "places read content only"),
        (by_version, "places read content only"),
        (without_lanes, "places are totally ordered"),
        (lambda _, event: Circular(event.digest[:6]), "places are totally ordered"),
    ],
    ids=["no tie-break", "no digest", "received_at", "version", "not comparable", "in a circle"],
)
def test_a_broken_sort_key_is_refuted(broken: Any, where: str) -> None:
    found = refuted(Rules(place=broken))
    assert where in [each.name for each in found], found


def test_a_tie_is_shown_with_the_two_events_that_tie() -> None:
    [found] = refuted(Rules(place=without_tie_break))
    assert found.counterexample is not None
    pair = (*found.counterexample.one, *found.counterexample.other)
    letters = {letter.label: letter.event for letter in PANTRY.wide}
    one, other = (without_tie_break(KITCHEN, letters[label]) for label in pair)
    assert one == other


def test_a_sort_key_that_reads_arrival_is_shown_with_the_field_it_reads() -> None:
    [found] = refuted(Rules(place=by_version))
    assert "with another version" in found.says


@pytest.mark.parametrize(
    "broken",
    [
        lambda event, other: True,
        lambda event, other: False,
        lambda event, other: (event.occurred_at or NEVER) <= (other.occurred_at or NEVER),
        lambda event, other: supersedes(event, other) and other.occurred_at is not None,
    ],
    ids=["the last to come", "the first to come", "ties to the last", "undated ones stay"],
)
def test_a_choice_among_rivals_that_depends_on_arrival_is_refuted(broken: Any) -> None:
    [found] = refuted(Rules(supersedes=broken))
    assert found.name == "one content counts a key, whatever came first"


def test_a_limit_that_is_reached_is_unproved_and_names_what_was_not_looked_at() -> None:
    certificate = certify(LAST_MILE, scope=Scope(size=3, limit=1000, lattice=4, workers=1))
    assert certificate.verdict is Proved.UNPROVED
    assert not certificate.ok
    open_ones = [each for each in certificate.obligations if each.proved is not Proved.PROVED]
    assert [each.checked for each in open_ones] == [0, 0]
    assert all("beyond the limit of 1000" in each.says for each in open_ones)


def test_a_definition_that_cannot_be_built_is_linted_and_not_proved() -> None:
    sound = written_of(KITCHEN)
    broken = Written(
        sound.name, sound.states, [*sound.moves, move("served", "eaten")], sound.terminal
    )
    certificate = certify(broken)
    assert certificate.verdict is Proved.UNPROVED
    assert certificate.fingerprint is None
    assert "nothing is proved" in certificate.obligations[0].says
    assert {each.code for each in certificate.linted.findings} == {"unknown_target"}


def test_a_definition_of_another_kind_is_proved() -> None:
    certificate = certify(KITCHEN, scope=Scope(size=3, lattice=6, workers=1))
    assert certificate.ok, certificate.shown()


class Strict(BaseModel):
    """Details that take nothing they do not know."""

    model_config = ConfigDict(extra="forbid")
    floor: int | None = None


@pytest.mark.parametrize("details", [Strict, NoDetails])
def test_details_that_take_no_text_do_not_stop_a_proof(details: type[BaseModel]) -> None:
    shop = Definition.write(
        "shop",
        states=["open", "shut"],
        moves=[move("open", "shut")],
        terminal=["shut"],
        details=details,
    )
    assert certify(shop, scope=SMALL).verdict is Proved.PROVED


def all_sets(walk: Walk) -> list[tuple[int, ...]]:
    return [chosen for part in walk.parts() for chosen in walk.sets(part)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_walk_looks_at_as_many_sets_as_it_says(size: int) -> None:
    whole = Walk(LAST_MILE, Folding, OVER.letters, size)
    assert whole.how_many() == comb(len(OVER.letters), size) == len(set(all_sets(whole)))
    alike_once = Walk(LAST_MILE, Folding, OVER.letters, size, OVER.twins, OVER.sooner)
    assert alike_once.how_many() == len(set(all_sets(alike_once))) < whole.how_many()


def renamed(chosen: Iterable[int]) -> tuple[int, ...]:
    """Return the set that stands for this one: the first instant, and the first names."""
    timed = [index for index in chosen if OVER.letters[index].event.occurred_at is not None]
    if timed and all(index in OVER.sooner for index in timed):
        chosen = [OVER.sooner.get(index, index) for index in chosen]
    used = {group: sum(index in group for index in chosen) for group in OVER.twins}
    others = [index for index in chosen if not any(index in group for group in OVER.twins)]
    firsts = [index for group, count in used.items() for index in group[:count]]
    return tuple(sorted((*others, *firsts)))


@pytest.mark.parametrize("size", [2, 3])
def test_every_set_is_walked_or_a_set_that_is_alike_is_walked_in_its_place(size: int) -> None:
    walked = set(all_sets(Walk(LAST_MILE, Folding, OVER.letters, size, OVER.twins, OVER.sooner)))
    every = combinations(range(len(OVER.letters)), size)
    assert all(renamed(chosen) in walked for chosen in every)


def outcome(chosen: Iterable[int]) -> list[tuple[str, str | None, str | None]]:
    events = [OVER.letters[index].event for index in chosen]
    told = Folding.of(LAST_MILE, events).history()
    return [(entry.verdict, entry.from_, entry.to) for entry in told]


def test_sets_that_are_alike_get_the_same_verdicts_and_pass_as_well() -> None:
    """A sample of what the proof leaves out: the reason it gives for that holds."""
    rng = random.Random(4)
    looking = Sets(Walk(LAST_MILE, Folding, OVER.letters, 4))
    left_out = 0
    for _ in range(600):
        chosen = tuple(sorted(rng.sample(range(len(OVER.letters)), 4)))
        stand_in = renamed(chosen)
        left_out += chosen != stand_in
        assert outcome(chosen) == outcome(stand_in)
        assert looking.look(chosen) is None
    assert left_out > 300


def test_several_processes_find_what_one_finds() -> None:
    walks = [Walk(KITCHEN, Hasty, alphabet(KITCHEN).letters, size) for size in (1, 2)]
    told: list[int] = []
    alone = walk(walks, workers=1)
    shared = walk(walks, workers=2, tell=lambda done, total: told.append(done))
    assert alone == shared
    assert alone[0].counterexample is None
    assert alone[1].counterexample is not None
    assert sum(told) == sum(each.checked for each in shared)


def test_the_inner_state_is_compared_whole_but_for_the_order_of_evidence() -> None:
    events = {letter.label: letter.event for letter in OVER.wide}
    rivals = [events["at_store@1"], events["at_store@1 ≠"], events["at_store"]]
    third = rivals[0]._replace(digest="f" * 64)
    one, other = Folding(LAST_MILE), Folding(LAST_MILE)
    for event in (*rivals, third):
        one.add(event)
    for event in (third, *reversed(rivals)):
        other.add(event)
    assert difference(one, other) == ()
    assert difference(one, Folding.of(LAST_MILE, rivals)) == ("_evidence",)


PROVED = [
    ("places are totally ordered", 1081, "every two places compare, without a circle"),
    ("distinct events have distinct places", 94, "ties end at key and digest"),
    ("places read content only", 926, "what depends on delivery moves no event"),
    (
        "one content counts a key, whatever came first",
        1128,
        "of rivals the earliest, then the smallest",
    ),
    (
        "incremental = batch, sets of 1 of 47 events",
        47,
        "whichever comes last, and repeats: the same inner state",
    ),
    (
        "incremental = batch, sets of 2 of 47 events",
        1081,
        "whichever comes last, and repeats: the same inner state",
    ),
    (
        "incremental = batch, sets of 3 of 31 events",
        2556,
        (
            "whichever comes last, and repeats: the same inner state "
            "(alike sets once: they stand for 4495)"
        ),
    ),
    ("views read content only", 465, "another delivery gives the same digest"),
    (
        "incremental = batch = view, all subsets of 6 events",
        63,
        "the same state, view and history",
    ),
]


def test_a_proof_lists_verbatim_what_it_explored() -> None:
    found = sorting.prove(KITCHEN, PANTRY, scope=SMALL._replace(size=3))
    assert [(each.name, each.checked, each.says) for each in found] == PROVED
    assert {each.proved for each in found} == {Proved.PROVED}
    assert comb(47, 2) == 1081, "every pair of the wide alphabet"
    assert (len(PANTRY.wide), len(PANTRY.letters)) == (47, 31)


DIGEST = "request:1, ad1b9de91051..."


@pytest.mark.parametrize(
    ("rules", "checked", "says"),
    [
        (
            Rules(place=without_tie_break),
            25,
            (
                "noise@1 gives the place 2, 2022-06-04 10:00:00+00:00, 1000000; "
                "smell@1 gives the place 2, 2022-06-04 10:00:00+00:00, 1000000"
            ),
        ),
        (
            Rules(place=without_digest),
            36,
            (
                "request 1 gives the place 1, 0, 1, 0, request:1; "
                "request 1 ≠ gives the place 1, 0, 1, 0, request:1"
            ),
        ),
        (
            Rules(place=by_receipt),
            2,
            (
                f"request 1 gives 2022-06-04 12:00:00+00:00, 1, 0, 1, 0, {DIGEST}; "
                "request 1 with another received_at gives "
                f"2022-06-09 23:38:17.596042+00:00, 1, 0, 1, 0, {DIGEST}"
            ),
        ),
        (
            Rules(place=by_version),
            4,
            (
                f"request 1 gives 1, 0, 1, 0, {DIGEST}, 0; "
                f"request 1 with another version gives 1, 0, 1, 0, {DIGEST}, 731"
            ),
        ),
        (
            Rules(place=without_lanes),
            0,
            (
                "two places cannot be compared: "
                "'<' not supported between instances of 'datetime.datetime' and 'int'"
            ),
        ),
        (
            Rules(place=lambda _, event: Circular(event.digest[:6])),
            30,
            "accepted 2 gives in a circle; request 1 gives in a circle",
        ),
        (
            Rules(supersedes=lambda event, other: True),
            2,
            (
                "request 1 (1), request 1 (2), request 1 (3), request 1 (4) gives request 1 (4); "
                "request 1 (1), request 1 (2), request 1 (4), request 1 (3) gives request 1 (3)"
            ),
        ),
        (
            Rules(folding=Sticky),
            7,
            (
                "rejected 1 to rejected, request 1 gives ordered (digest e7d419d96913) one by one; "
                "rejected 1 to rejected, request 1 gives ordered (digest d9b117e70304) at once"
            ),
        ),
        (
            Rules(folding=ByArrival),
            10,
            (
                "request 1, ordered@2 gives the digest 0aa37a106685; "
                "request 1 delivered otherwise, ordered@2 delivered otherwise gives another one"
            ),
        ),
    ],
    ids=["tie", "digest", "received_at", "version", "lanes", "circle", "rival", "view", "arrival"],
)
def test_a_refutation_states_the_difference_verbatim(rules: Rules, checked: int, says: str) -> None:
    [found, *_] = refuted(rules)
    assert (found.checked, found.says) == (checked, says)


def test_a_refutation_leaves_the_other_walks_unproved() -> None:
    found = sorting.prove(KITCHEN, PANTRY, rules=Rules(folding=Hasty), scope=SMALL)
    walks = [each for each in found if each.name.startswith("incremental = batch, sets")]
    assert [each.proved for each in walks] == [Proved.UNPROVED, Proved.REFUTED]
    assert (walks[0].checked, walks[0].says) == (47, "stopped: see what is refuted")


def test_a_limit_lets_through_just_as_many_sets_as_it_says() -> None:
    for limit, last in ((47 + 465, Proved.PROVED), (47 + 464, Proved.UNPROVED)):
        scope = SMALL._replace(limit=limit)
        found = sorting.prove(KITCHEN, PANTRY, scope=scope)
        walks = [each for each in found if each.name.startswith("incremental = batch, sets")]
        assert [each.proved for each in walks] == [Proved.PROVED, last]


def test_the_subsets_are_those_of_ten_events_of_all_sorts() -> None:
    assert [letter.label for letter in sorting.chosen(LAST_MILE, OVER)] == [
        *("request 1", "rejected 1 to validation_failed", "accepted 2", "created"),
        *("acknowledged_for_delivery@1", "acknowledged_for_delivery@1 ≠", "at_store@1"),
        *("acknowledged@2", "delivered@2", "poll_failed@2"),
    ]
    assert [letter.label for letter in sorting.chosen(KITCHEN, PANTRY)] == [
        *("request 1", "rejected 1 to rejected", "accepted 2", "ordered", "served@1"),
        *("served@1 ≠", "binned@1", "cooking@2", "served@2", "smell@2"),
    ]


@pytest.mark.parametrize("letter", PANTRY.wide, ids=lambda letter: letter.label)
def test_another_delivery_changes_all_that_is_no_content_and_nothing_else(letter: Letter) -> None:
    event = letter.event
    fields = [
        *("received_at", "recorded_at", "version", "position"),
        *("redriven_from", "headers", "body", "sha256"),
    ]
    if event.kind != "response":
        fields.insert(0, "exchange_id")
    found = list(sorting.delivered_otherwise(event))
    assert [field for field, _ in found] == [*fields, "delivery"] * 2
    for field, other in found:
        changed = {
            name for name in Event.__struct_fields__ if getattr(event, name) != getattr(other, name)
        }
        assert changed == (set(fields) if field == "delivery" else {field})


def test_the_certificate_names_what_it_rests_on() -> None:
    shown = certify(KITCHEN, scope=SMALL).shown()
    assert (shown["ok"], shown["verdict"]) == (True, "proved")
    assert shown["definition"] == "kitchen"
    assert shown["fingerprint"] == KITCHEN.fingerprint
    assert "cooking@1" in shown["alphabet"]
    assert shown["states_explored"] > len(shown["alphabet"])
    assert {each["verdict"] for each in shown["obligations"]} == {"proved"}
    assert shown["must_pass"]["served"] == ["ordered", "cooking"]
    assert {each["verdict"] for each in shown["controls"]} == {"refuted"}
    commuting = shown["without_sorting"]["commuting_pairs"]
    assert sum(map(len, commuting.values())) == shown["without_sorting"]["commuting"]


def test_a_certificate_is_ok_only_if_the_lint_found_nothing_either() -> None:
    sound = written_of(KITCHEN)
    trapped = Written(
        "trapped",
        [*sound.states[:2], "lost", *sound.states[2:]],
        [*sound.moves, move("cooking", "lost")],
        sound.terminal,
        aborts=sound.aborts,
    )
    certificate = certify(trapped, scope=SMALL)
    assert certificate.verdict is Proved.PROVED
    assert [each.code for each in certificate.linted.findings] == ["trap"]
    assert not certificate.ok
    assert isinstance(certificate, Certificate)
