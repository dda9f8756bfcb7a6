"""Every provider of the library: its definition is the machine it was written as, and is sound."""

from __future__ import annotations

import pytest
from transitions import MachineError

from lifecycle.registry import known_providers
from lifecycle.testing import walks_to_moves, walks_to_states
from tests.scenario.command_line import run

PROVIDERS = ("doordash_drive", "instacart", "uber_direct")


@pytest.fixture(params=PROVIDERS)
def definition(request):
    return known_providers()[request.param].definition


def test_these_are_the_providers_of_the_library():
    assert tuple(sorted(known_providers())) == PROVIDERS


def test_every_state_and_trigger_gives_the_same_answer_in_the_table_and_in_the_live_machine(
    definition,
):
    machine = definition.machine()
    for state in definition.states:
        for trigger in {move.trigger for move in definition.moves}:
            machine.set_state(state)
            expected = definition.table.get((state, trigger))
            if expected is None:
                with pytest.raises(MachineError):
                    machine.trigger(trigger)
            else:
                machine.trigger(trigger)
                assert machine.state == expected


def test_every_state_and_every_move_can_be_reached(definition):
    assert tuple(walk.status for walk in walks_to_states(definition)) == definition.states
    assert {walk.moves[-1] for walk in walks_to_moves(definition)} == set(definition.moves)


def test_from_every_state_that_is_not_terminal_there_is_a_way_to_an_end(definition):
    for state in set(definition.states) - definition.terminal:
        reached, edge = set(), {state}
        while edge:
            reached |= edge
            edge = {move.dest for move in definition.moves if move.source in edge} - reached
        assert reached & definition.terminal


@pytest.mark.parametrize("provider", PROVIDERS)
def test_check_finds_nothing_and_proves_that_arrival_never_matters(provider, tmp_path):
    answer = run("check", "--provider", provider, "--size", "2", "--json", cwd=tmp_path)
    assert (answer.code, answer.value["ok"]) == (0, True)
