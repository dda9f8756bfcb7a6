"""The lint: seeded faults in the shipped definition, each found with the right witness.

Each fault is seeded alone into a lifecycle that is otherwise in order, so what is found
besides it would be noise. Where a witness says what the fold does, the fold is asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle import Definition, DefinitionError, Event, Verdict, history
from lifecycle.core.definition import Awaits, Written
from lifecycle.proof.alphabet import INSTANTS, alphabet
from lifecycle.proof.lint_rules import LintFinding, lint, written_of
from lifecycle.proof.sketch import sketch
from lifecycle.providers.instacart.definition import LAST_MILE

SOUND = written_of(LAST_MILE)
TO_STORE = ("requested", "brand_new", "acknowledged", "at_store")
TO_DELIVERING = (*TO_STORE, "bags_verified", "delivering")


def move(source: Any, dest: str, trigger: str | None = None) -> dict[str, Any]:
    return {"trigger": trigger or dest, "source": source, "dest": dest}


def seeded(
    *moves: dict[str, Any], without: tuple[str, str] | None = None, **changes: Any
) -> Written:
    """Return the shipped lifecycle with more moves, one less, or other parts."""
    kept = [row for row in SOUND.moves if (row["source"], row["dest"]) != without]
    return replace(SOUND, **({"moves": [*kept, *moves]} | changes))


def states(*, after: str, new: str) -> list[str]:
    at = SOUND.states.index(after) + 1
    return [*SOUND.states[:at], new, *SOUND.states[at:]]


FAULTS: dict[str, tuple[Written, str, tuple[str, ...]]] = {
    "an unknown target": (
        seeded(move("at_store", "bags_verifed")),
        "unknown_target",
        (*TO_STORE, "bags_verifed"),
    ),
    "an unreachable state": (
        seeded(
            move("parked", "delivering"),
            move("parked", "canceled"),
            states=states(after="at_store", new="parked"),
        ),
        "unreachable_state",
        ("parked",),
    ),
    "a trap": (
        seeded(move("at_store", "limbo"), states=states(after="delivering", new="limbo")),
        "trap",
        (*TO_STORE, "limbo"),
    ),
    "a livelock": (
        seeded(
            *(move("at_store", "ping"), move("ping", "pong"), move("pong", "ping")),
            states=[*states(after="delivering", new="ping")[:14], "pong", "delivered", "canceled"],
        ),
        "livelock",
        (*TO_STORE, "ping", "pong", "ping"),
    ),
    "a dead move": (
        seeded(move("at_store", "staged")),
        "dead_move",
        (*TO_STORE, "staged"),
    ),
    "a move in place": (
        seeded(move("at_store", "at_store")),
        "dead_move",
        (*TO_STORE, "at_store"),
    ),
    "a shadowed move": (
        seeded(move("delivering", "delivered")),
        "shadowed_move",
        (*TO_DELIVERING, "delivered"),
    ),
    "an order dependence between two rows": (
        seeded(move("created", "rescheduled", "go"), move("created", "staged", "go")),
        "order_dependence",
        ("requested", "created", "go"),
    ),
    "a trigger that names two states": (
        seeded(move("created", "rescheduled", "go"), move("rescheduled", "staged", "go")),
        "order_dependence",
        ("requested", "created", "go"),
    ),
    "a way out of a terminal": (
        seeded(move("delivered", "rescheduled")),
        "way_out_of_terminal",
        (*TO_DELIVERING, "delivered", "rescheduled"),
    ),
    "no terminal that can be reached": (
        Written(
            "pending",
            ["asked", "open", "done"],
            [move("asked", "open"), move("open", "asked")],
            ["done"],
        ),
        "no_terminal",
        ("asked",),
    ),
    "names that clash": (
        seeded(move("at_store", "bags_verified", "staged")),
        "clashing_names",
        (*TO_STORE, "staged"),
    ),
    "an informational name that also moves": (
        seeded(informational=[*SOUND.informational, "staged"]),
        "informational_moves",
        ("requested", "brand_new", "staged"),
    ),
    "ranks that contradict the moves": (
        replace(
            SOUND,
            states=[*SOUND.states[:10], "bags_verified", "at_store", *SOUND.states[12:]],
        ),
        "rank_contradiction",
        ("requested", "brand_new", "acknowledged", "at_store", "bags_verified"),
    ),
    "an end that ranks below what leads to it": (
        replace(SOUND, states=[*SOUND.states[:5], "canceled", *SOUND.states[5:-1]]),
        "rank_contradiction",
        ("requested", "brand_new", "rescheduled", "canceled"),
    ),
    "a main line against the ranks": (
        seeded(main_line=["requested", "at_store", "brand_new", "delivering"]),
        "rank_contradiction",
        ("brand_new", "at_store"),
    ),
    "a role for no state": (
        seeded(side=["staging"]),
        "unknown_state",
        ("staging",),
    ),
    "a move from nowhere": (
        seeded(move("at_shop", "bags_verified")),
        "unknown_source",
        ("bags_verified",),
    ),
}

# What follows of itself from a fault: a pair of states that goes round is no end either.
FOLLOWING = {
    "no terminal that can be reached": {"livelock", "unreachable_state"},
    "names that clash": {"order_dependence"},
}


def played(written: Written, witness: tuple[str, ...]) -> list[Verdict]:
    """Return what the fold makes of a witness, one event a second, by the provider's clock."""
    definition = sketch(written).definition
    sample = alphabet(LAST_MILE).letters[0].event
    events = [
        sample._replace(
            kind="callback",
            name=name,
            trigger=name,
            key=f"callback:{second:02}",
            digest=f"{second:02}",
            occurred_at=INSTANTS[0] + timedelta(seconds=second),
        )
        for second, name in enumerate(witness)
    ]
    return [entry.verdict for entry in history(definition, events)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_found_with_the_shortest_string_that_shows_it(fault: str) -> None:
    written, code, witness = FAULTS[fault]
    findings = lint(written).findings
    assert (code, witness) in [(each.code, each.witness) for each in findings], findings
    assert {each.code for each in findings} <= {code} | FOLLOWING.get(fault, set()), findings


def test_the_shipped_definition_has_no_fault() -> None:
    assert lint(LAST_MILE).findings == ()
    assert lint(SOUND).findings == ()
    assert Definition.of(SOUND).fingerprint == LAST_MILE.fingerprint


def test_a_declared_string_moves_at_every_event_and_the_witness_of_a_dead_move_does_not() -> None:
    assert set(played(SOUND, (*TO_DELIVERING, "delivered"))) == {Verdict.APPLIED}
    for fault in ("a dead move", "a move in place"):
        written, _, witness = FAULTS[fault]
        *before, last = played(written, witness)
        assert set(before) == {Verdict.APPLIED}
        assert last in {Verdict.NOTED, Verdict.REPEATED}


def test_the_witness_of_a_clash_and_of_two_answers_ends_where_the_move_does_not_say() -> None:
    written, _, witness = FAULTS["a trigger that names two states"]
    assert played(written, witness)[-1] is Verdict.APPLIED
    assert sketch(written).definition.names["go"] == "staged"  # and not `rescheduled`
    written, _, witness = FAULTS["an informational name that also moves"]
    assert played(written, witness)[-1] is Verdict.NOTED


def test_an_undated_event_shows_that_ranks_contradict_the_moves() -> None:
    """What the sentence of the finding says: an undated one is stale."""
    written, _, witness = FAULTS["an end that ranks below what leads to it"]
    definition = sketch(written).definition
    letters = {letter.label: letter.event for letter in alphabet(definition).wide}
    assert witness[-2:] == ("rescheduled", "canceled")
    assert verdicts(definition, letters["rescheduled@1"], letters["canceled"])[-1] == "stale"
    assert verdicts(LAST_MILE, letters["rescheduled@1"], letters["canceled"])[-1] == "applied"


def verdicts(definition: Definition, *events: Event) -> list[str]:
    return [str(entry.verdict) for entry in history(definition, events)]


def test_must_pass_milestones_are_on_every_declared_way_and_no_other_state_is() -> None:
    must_pass = lint(LAST_MILE).must_pass
    assert must_pass == {
        "delivered": ("requested", "brand_new", "at_store", "bags_verified", "delivering"),
        "canceled": ("requested",),
    }
    shortcut = seeded(move("acknowledged", "delivering"))
    assert "at_store" not in lint(shortcut).must_pass["delivered"]


def test_all_errors_are_reported_at_once() -> None:
    written = seeded(
        *(
            move("at_store", "nowhere"),
            move("delivered", "rescheduled"),
            move("at_store", "staged"),
        ),
        side=["staged", "staging"],
    )
    assert {each.code for each in lint(written).findings} == {
        "unknown_target",
        "way_out_of_terminal",
        "dead_move",
        "unknown_state",
    }


def test_a_refused_definition_carries_what_was_written_for_the_lint() -> None:
    moves = [move("a", "b"), move("b", "a"), move("b", "c")]
    with pytest.raises(DefinitionError) as refused:
        Definition.write("broken", states=["a", "b"], terminal=["b"], moves=moves)
    assert isinstance(refused.value.written, Written)
    codes = [each.code for each in lint(refused.value.written).findings]
    assert {"way_out_of_terminal", "unknown_target"} <= set(codes)


def test_no_states_at_all_is_a_finding() -> None:
    assert lint(Written("empty", [], [], [])).findings == (
        LintFinding("no_states", "it has no states"),
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"moves": [{"trigger": "a", "source": "b"}]}, "move 1 has source, trigger, expected"),
        ({"moves": ["a to b"]}, "move 1 is a value of type str"),
        ({"moves": [move("a", "b") | {"conditions": "x"}]}, "and nothing else"),
        ({"moves": [move(3, "b")]}, "a source that is no text"),
        ({"moves": [move([], "b")]}, "move 1 has no source"),
        ({"moves": [move("a", 3)]}, "a value of type int as its"),
        ({"states": "abc"}, "states is a value of type str, expected a list"),
        ({"states": ["a", 7]}, "states holds a value of type int"),
        ({"states": ["a", "*"]}, "states holds '*', which `transitions` reads as a wildcard"),
        ({"terminal": "done"}, "terminal is a value of type str"),
        ({"awaits": ["a"]}, "awaits is nothing, expected"),
        ({"details": dict}, "details is a value of type type"),
    ],
)
def test_a_value_that_is_no_lifecycle_is_a_finding_and_no_traceback(
    changes: dict[str, Any], sentence: str
) -> None:
    findings = lint(seeded(**changes)).findings
    assert any(each.code == "malformed" and sentence in each.sentence for each in findings), (
        findings
    )


WORDS = st.sampled_from(["a", "b", "c", "d", "A", "failed", "*", "requested"])
ODD = st.one_of(WORDS, st.none(), st.integers(), st.lists(WORDS, max_size=2))
MOVES = st.one_of(
    st.fixed_dictionaries({"trigger": ODD, "source": ODD, "dest": ODD}),
    st.dictionaries(WORDS, ODD, max_size=2),
    ODD,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ODD, max_size=5),
    st.lists(MOVES, max_size=6),
    st.lists(ODD, max_size=3),
    st.lists(WORDS, max_size=3),
)
def test_no_written_definition_crashes_the_lint(
    states: list[Any], moves: list[Any], roles: list[Any], names: list[str]
) -> None:
    written = Written(
        "odd", states, moves, roles, aborts=roles, birth=names, side=names, informational=names
    )
    linted = lint(written)
    assert all(each.sentence for each in linted.findings)
    if not linted.findings:
        assert Definition.of(written).states == tuple(states)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=10),
    st.sets(st.sampled_from("abcde"), min_size=1, max_size=2),
)
def test_a_definition_that_passes_the_lint_can_be_built_and_reaches_each_end(
    moves: list[tuple[str, str]], ends: set[str]
) -> None:
    written = Written("any", list("abcde"), [move(*each) for each in moves], sorted(ends))
    findings = lint(written).findings
    blocking = {"way_out_of_terminal", "shadowed_move", "order_dependence", "clashing_names"}
    if blocking.isdisjoint(each.code for each in findings):
        definition = Definition.of(written)
        assert set(lint(definition).must_pass) == {
            end for end in ends if end in reached(definition, "a")
        }


def reached(definition: Definition, start: str) -> set[str]:
    """Return what declared moves lead to, by walking the table until nothing is new."""
    found = {start}
    while True:
        more = {
            dest
            for (source, _), dest in definition.table.items()
            if source in found and source not in definition.terminal
        }
        if more <= found:
            return found
        found |= more


def test_awaits_of_an_unknown_state_is_found() -> None:
    written = seeded(awaits={"nowhere": Awaits(("x",))})
    assert [each.code for each in lint(written).findings] == ["unknown_state"]
