"""The definition: what it refuses to build, and that its table is the machine it was written as."""

from __future__ import annotations

from typing import Any

import pytest
from transitions import MachineError

from lifecycle.definition import Awaits, Definition
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


def test_every_reason_is_told_at_once() -> None:
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
