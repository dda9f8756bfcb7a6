"""The definition: what it refuses to build, and that its table is the machine it was written as."""

from __future__ import annotations

import hashlib
import json
from collections import UserList
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from transitions import MachineError

from lifecycle.core.definition import NO_RANK, Awaits, Definition, NoDetails, Written
from lifecycle.errors import DefinitionError
from lifecycle.providers.instacart.definition import LAST_MILE


def move(source: str | list[str], dest: str, trigger: str | None = None) -> dict[str, Any]:
    return {"trigger": trigger or dest, "source": source, "dest": dest}


SMALL: dict[str, Any] = {
    "states": ["placed", "packed", "sent", "lost"],
    "moves": [move("placed", "packed"), move("packed", "sent"), move(["placed", "packed"], "lost")],
    "terminal": ["sent", "lost"],
    "aborts": ["lost"],
}


def write(**changes: Any) -> Definition:
    return Definition.write("small", **(SMALL | changes))


def test_every_state_and_trigger_gives_the_same_answer_in_the_table_and_in_the_live_machine() -> (
    None
):
    machine = LAST_MILE.machine()
    walked = 0
    for state in LAST_MILE.states:
        for trigger in LAST_MILE.names:
            machine.set_state(state)
            expected = LAST_MILE.table.get((state, trigger))
            if expected is None:
                with pytest.raises((MachineError, AttributeError)):
                    machine.trigger(trigger)
                assert machine.state == state
            else:
                machine.trigger(trigger)
                assert machine.state == expected
            walked += 1
    assert walked == len(LAST_MILE.states) ** 2


def test_the_last_mile_definition_has_exactly_the_declared_moves() -> None:
    shopper = LAST_MILE.states[7:13]
    assert shopper == (
        "waiting_for_delivery",
        "acknowledged",
        "acknowledged_for_delivery",
        "at_store",
        "bags_verified",
        "delivering",
    )
    taken = "waiting_for_delivery acknowledged acknowledged_for_delivery"
    onward = {
        "requested": "created validation_failed resubmitted brand_new",
        "validation_failed": "resubmitted brand_new",
        "resubmitted": "created validation_failed brand_new",
        "created": "brand_new",
        "brand_new": f"rescheduled staged {taken}",
        "rescheduled": f"brand_new staged {taken}",
        "staged": "rescheduled waiting_for_delivery acknowledged acknowledged_for_delivery",
        "waiting_for_delivery": "acknowledged acknowledged_for_delivery",
        "acknowledged": "acknowledged_for_delivery at_store",
        "acknowledged_for_delivery": "at_store",
        "at_store": "bags_verified",
        "bags_verified": "delivering",
        "delivering": "delivered",
    }
    expected = {(source, dest) for source, dests in onward.items() for dest in dests.split()}
    for rank, source in enumerate(shopper):
        expected |= {(source, "rescheduled"), *((source, earlier) for earlier in shopper[:rank])}
    expected |= {(s, "canceled") for s in LAST_MILE.states if s not in ("delivered", "canceled")}
    assert {(m.source, m.dest) for m in LAST_MILE.moves} == expected
    assert all(m.trigger == m.dest for m in LAST_MILE.moves)


def test_the_last_mile_says_of_each_state_what_it_is():
    assert LAST_MILE.name == "instacart.last_mile"
    assert LAST_MILE.initial == "requested"
    assert LAST_MILE.terminal == {"delivered", "canceled"}
    assert LAST_MILE.birth == {"created", "brand_new"}
    assert LAST_MILE.side == {"staged"}
    assert LAST_MILE.main_line == (
        *("requested", "brand_new", "acknowledged_for_delivery", "at_store", "bags_verified"),
        "delivering",
    )
    assert LAST_MILE.informational == {
        *("failed", "poll_failed", "order_location", "late_delivery", "customer_missing"),
        *("arrival_at_customer", "at_store_eta", "tip_adjustment", "rating_updated"),
        "rating_reminder",
    }


def test_the_last_mile_says_what_each_state_of_the_dialogue_awaits():
    sent = Awaits(("response",), ("resend",), ("brand_new", "canceled"))
    assert LAST_MILE.awaits == {
        "requested": sent,
        "resubmitted": sent,
        "validation_failed": Awaits(("correction",), (), (), ("brand_new", "canceled")),
        "created": Awaits(("brand_new", "canceled"), (), (), ()),
    }


def test_a_wildcard_source_stands_for_every_state_as_transitions_reads_it() -> None:
    definition = write(
        moves=[move("placed", "packed"), move("packed", "sent")], terminal=["sent"], aborts=[]
    )
    assert definition.table == {("placed", "packed"): "packed", ("packed", "sent"): "sent"}
    with pytest.raises(DefinitionError, match="terminal state 'lost' has a way out"):
        write(moves=[move("*", "lost")])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"moves": [move("placed", "nowhere")]}, "'nowhere' leads to unknown state 'nowhere'"),
        ({"moves": [move("nowhere", "packed")]}, "'packed' starts from unknown state 'nowhere'"),
        ({"moves": [move([], "packed")]}, "'packed' starts from no state"),
        ({"moves": [move(["placed", "gone"], "packed")]}, "starts from unknown state 'gone'"),
        (
            {"moves": [move("placed", "packed", "go"), move("placed", "sent", "go")]},
            "'go' in state 'placed' has 2 answers: packed, sent",
        ),
        (
            {"moves": [move("placed", "packed"), move("placed", "packed")]},
            "'packed' in state 'placed' has 2 answers",
        ),
        (
            {"moves": [move("placed", "packed", "go"), move("packed", "sent", "go")]},
            "'go' leads to packed and sent; an event names one state",
        ),
        ({"moves": [move("sent", "lost")]}, "terminal state 'sent' has a way out to 'lost'"),
        ({"terminal": ["gone"], "aborts": []}, "terminal names state 'gone', which has no rank"),
        ({"main_line": ["gone"]}, "main_line names state 'gone', which has no rank"),
        ({"awaits": {"gone": Awaits(("x",))}}, "awaits names state 'gone', which has no rank"),
        ({"aborts": ["placed"]}, "state 'placed' aborts but is not terminal"),
        ({"informational": ["packed"]}, "'packed' is informational and also names a state"),
        (
            {"moves": [move("placed", "packed", "sent")]},
            "'sent' is a state, but the move of that name",
        ),
        ({"states": ["placed", "placed", "packed", "sent", "lost"]}, "'placed' is listed twice"),
        ({"states": [], "moves": [], "terminal": [], "aborts": []}, "it has no states"),
        ({"moves": [{"trigger": "packed", "source": "placed"}]}, "needs trigger, source and dest"),
        (
            {"moves": [move("placed", "packed", "state")]},
            "'state' is a name that `transitions` uses itself",
        ),
        (
            {"moves": [move("placed", "packed", "accepted")]},
            "'accepted' is the name of an exchange, not of a move",
        ),
    ],
)
def test_a_definition_that_does_not_hold_together_is_refused_with_the_reason(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        write(**changes)
    assert any(problem in found for found in refused.value.problems), refused.value.problems
    assert refused.value.definition == "small"


def test_every_reason_is_reported_at_once() -> None:
    with pytest.raises(DefinitionError) as refused:
        write(moves=[move("nowhere", "packed"), move("placed", "gone")])
    assert len(refused.value.problems) == 2


def test_the_fingerprint_changes_with_whatever_can_change_a_view_and_with_nothing_else() -> None:
    assert write().fingerprint == write(moves=list(reversed(SMALL["moves"]))).fingerprint
    changed = [
        write(moves=[*SMALL["moves"], move("placed", "sent")]),
        write(informational=["ping"]),
        write(side=["packed"]),
        write(birth=["placed"]),
        write(main_line=["packed"]),
        write(awaits={"placed": Awaits(("packed",))}),
        write(aborts=[]),
        write(states=["placed", "sent", "packed", "lost"]),
    ]
    assert len({d.fingerprint for d in changed} | {write().fingerprint}) == len(changed) + 1


def test_a_definition_cannot_be_changed_once_it_is_built() -> None:
    with pytest.raises(AttributeError):
        LAST_MILE.states = ()  # type: ignore[misc]
    with pytest.raises(TypeError):
        LAST_MILE.table["requested", "delivered"] = "delivered"  # type: ignore[index]


def test_the_goal_is_the_terminal_state_that_is_progress() -> None:
    assert LAST_MILE.goal == "delivered"
    assert write(terminal=["lost"], moves=[move("placed", "lost")]).goal is None


def test_the_fingerprint_is_the_sha_256_of_the_canonical_json_of_what_can_change_a_view() -> None:
    definition = write(
        birth=["packed"],
        side=["packed"],
        main_line=["placed", "packed"],
        informational=["smell", "ping"],
        awaits={"placed": Awaits(("packing",), ("resend",))},
    )
    content = {
        "name": "small",
        "states": ["placed", "packed", "sent", "lost"],
        "moves": [
            ["packed", "lost", "lost"],
            ["packed", "sent", "sent"],
            ["placed", "lost", "lost"],
            ["placed", "packed", "packed"],
        ],
        "terminal": ["lost", "sent"],
        "aborts": ["lost"],
        "birth": ["packed"],
        "side": ["packed"],
        "main_line": ["placed", "packed"],
        "informational": ["ping", "smell"],
        "awaits": {"placed": [["packing"], ["resend"], [], []]},
        "details": [],
    }
    written = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    assert definition.fingerprint == hashlib.sha256(written).hexdigest()
    assert hash(definition) == hash(definition.fingerprint)


def test_a_definition_without_births_knows_an_order_from_the_start() -> None:
    assert (write().birth_rank, write().last_birth_rank) == (0, 0)
    born = write(birth=["sent", "packed"])
    assert (born.birth_rank, born.last_birth_rank) == (1, 2)


def test_a_trigger_of_another_name_ranks_as_the_state_that_it_leads_to() -> None:
    definition = write(
        moves=[move("placed", "packed", "boxed"), move(("packed",), "sent")],
        terminal=["sent"],
        aborts=[],
        side=["packed"],
    )
    assert (definition.state("boxed"), definition.state("weird"), definition.state(None)) == (
        "packed",
        None,
        None,
    )
    assert [definition.rank(name) for name in ("boxed", "sent", "weird", None)] == [
        1,
        2,
        NO_RANK,
        NO_RANK,
    ]
    assert definition.side_state("boxed") == "packed"
    assert (definition.side_state("sent"), definition.side_state(None)) == (None, None)
    assert definition.initial == "placed"


def test_the_live_machine_starts_in_the_initial_state_and_has_no_moves_but_the_declared() -> None:
    machine = write().machine()
    assert machine.state == "placed"
    assert sorted(machine.events) == ["lost", "packed", "sent"]


def test_states_that_are_listed_twice_are_reported_by_name() -> None:
    with pytest.raises(DefinitionError) as refused:
        write(states=[*"gfedcba", *"abcdefg"], moves=[move("a", "b")])
    assert refused.value.problems == tuple(f"state {s!r} is listed twice" for s in "abcdefg")


def test_all_findings_are_reported_sorted_and_in_full_sentences() -> None:
    with pytest.raises(DefinitionError) as refused:
        write(
            states=["placed", "placed", "packed", "sent", "sent", "lost"],
            moves=[
                MappingProxyType({"trigger": "x", "dest": "packed"}),
                move(("gone", "*"), "nowhere", "model"),
            ],
        )
    assert refused.value.problems == (
        "state 'placed' is listed twice",
        "state 'sent' is listed twice",
        "move {'trigger': 'x', 'dest': 'packed'} needs trigger, source and dest, and nothing else",
        "'model' is a name that `transitions` uses itself",
        "'model' starts from unknown state 'gone'",
        "'model' leads to unknown state 'nowhere'",
    )
    exchanges = ("accepted", "failed", "poll_failed", "rejected", "requested", "resubmitted")
    with pytest.raises(DefinitionError) as refused:
        write(
            moves=[
                move("placed", "packed", "sent"),
                move("placed", "sent", "ping"),
                move("packed", "lost", "ping"),
                *(move("packed", "sent", name) for name in reversed(exchanges)),
                move("lost", "sent"),
                move("lost", "packed", "back"),
            ],
            terminal=["b", "a", "lost"],
            aborts=["sent", "placed", "packed", "nowhere"],
            birth=[*"lkjihgc"],
            side=["d"],
            main_line=["e"],
            awaits={"f": Awaits(("x",))},
            informational=["sent", "ping"],
        )
    assert refused.value.problems == (
        "terminal names state 'a', which has no rank",
        "terminal names state 'b', which has no rank",
        "aborts names state 'nowhere', which has no rank",
        *(f"birth names state '{state}', which has no rank" for state in "cghijkl"),
        "side names state 'd', which has no rank",
        "main_line names state 'e', which has no rank",
        "awaits names state 'f', which has no rank",
        "state 'nowhere' aborts but is not terminal",
        "state 'packed' aborts but is not terminal",
        "state 'placed' aborts but is not terminal",
        "state 'sent' aborts but is not terminal",
        "'sent' leads to packed and sent; an event names one state",
        "'ping' leads to lost and sent; an event names one state",
        "'ping' is informational and also names a state",
        "'sent' is informational and also names a state",
        *(f"'{name}' is the name of an exchange, not of a move" for name in exchanges),
        "terminal state 'lost' has a way out to 'sent'",
        "terminal state 'lost' has a way out to 'packed'",
    )


def test_a_state_may_be_called_like_an_exchange_where_no_move_is() -> None:
    definition = write(
        states=["requested", "sent"],
        moves=[move("requested", "sent")],
        terminal=["sent"],
        aborts=[],
    )
    assert definition.table == {("requested", "sent"): "sent"}
    assert definition.awaits == {}


class Boxes(BaseModel):
    count: int | None = None


WRITTEN = Written(
    name="small",
    states=("placed", "packed", "sent", "lost"),
    moves=(move("placed", "packed"), move("packed", "sent"), move("placed", "lost")),
    terminal=("sent", "lost"),
    aborts=("lost",),
    birth=("packed",),
    side=("packed",),
    main_line=("placed", "packed"),
    informational=("ping",),
    awaits={"placed": Awaits(("packing",))},
    details=Boxes,
)


def written(**changes: Any) -> dict[str, Any]:
    """Return arguments that can be read once, in the order that they were written in."""
    told = {**vars(WRITTEN), **changes}
    once = {field: iter(value) for field, value in told.items() if type(value) is tuple}
    return told | once | {"states": [*told["states"]]}


def test_the_parts_of_a_definition_are_kept_whatever_their_containers() -> None:
    definition = Definition.write(**written())
    assert definition == Definition.of(WRITTEN)
    assert (definition.states, definition.main_line) == (WRITTEN.states, WRITTEN.main_line)
    assert definition.terminal == {"sent", "lost"}
    assert definition.aborts == {"lost"}
    assert definition.birth == definition.side == {"packed"}
    assert definition.informational == {"ping"}
    assert (definition.awaits, definition.details) == (WRITTEN.awaits, Boxes)
    listed = {**vars(WRITTEN), "main_line": ["placed", "packed"]}
    listed |= {field: UserList(listed[field]) for field in ("states", "moves")}
    assert Definition.of(Written(**listed)) == definition


def test_a_refused_definition_keeps_what_was_written() -> None:
    nowhere = (*WRITTEN.moves, move("placed", "nowhere"))
    for changes in ({"moves": nowhere}, {"side": ("gone",)}):
        with pytest.raises(DefinitionError) as refused:
            Definition.write(**written(**changes))
        assert refused.value.written == Written(**{**vars(WRITTEN), **changes})


def test_the_awaits_of_a_state_are_kept_as_written() -> None:
    awaits = {"placed": Awaits(("packing",))}
    definition = write(awaits=awaits)
    awaits["packed"] = Awaits(("sending",))
    assert definition.awaits == {"placed": Awaits(("packing",))}
    with pytest.raises(TypeError):
        definition.awaits["packed"] = awaits["packed"]  # type: ignore[index]


class Unfinished(BaseModel):
    """Details of a type that is nowhere, and of one that comes later."""

    box: Nowhere | None = None  # type: ignore[name-defined]  # noqa: F821


class Finished(BaseModel):
    """Details of a type that comes later."""

    box: Later | None = None


class Later(BaseModel):
    """What came later."""


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        (dict, "details is no pydantic model"),
        (Later(), "details is no pydantic model"),
        (Unfinished, "details is the model 'Unfinished', which names a type that is not there"),
    ],
)
def test_details_that_can_hold_nothing_are_refused(details: Any, problem: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        write(details=details)
    assert refused.value.problems == (problem,)
    assert write(details=Finished).details is Finished


def test_details_of_which_there_are_none_cannot_be_given_any() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        NoDetails().count = 1  # type: ignore[attr-defined]
    assert write().details is NoDetails
