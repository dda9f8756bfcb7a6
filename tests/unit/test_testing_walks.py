"""Walks: the shortest ways to every state and over every move, and recordings that go them."""

from __future__ import annotations

import pytest

from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding
from lifecycle.errors import InvalidArgumentError
from lifecycle.providers.instacart import INSTACART
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.testing import given, walks_to_moves, walks_to_states
from lifecycle.testing.walk import Walk, walkable
from tests import oracle

MOVES = walks_to_moves(LAST_MILE)


def defined(*moves, states="abcd", **more):
    """Return a definition in which each trigger is the state it leads to."""
    written = [{"trigger": dest, "source": source, "dest": dest} for source, dest in moves]
    return Definition.write("letters", states=list(states), moves=written, terminal=(), **more)


def distances(definition):
    """Return how many moves each state is away, found by walking every way at once."""
    found, edge = {definition.initial: 0}, {definition.initial}
    while edge:
        far = {m.dest for m in definition.moves if m.source in edge} - set(found)
        found |= dict.fromkeys(far, max(found.values()) + 1)
        edge = far
    return found


def test_there_is_a_walk_to_every_state_and_over_every_move_of_the_last_mile():
    states = walks_to_states(LAST_MILE)
    assert tuple(walk.status for walk in states) == LAST_MILE.states
    assert {walk.moves[-1] for walk in MOVES} == set(LAST_MILE.moves)
    assert len(MOVES) == len(LAST_MILE.moves)


def test_no_walk_is_longer_than_it_has_to_be():
    away = distances(LAST_MILE)
    for walk in walks_to_states(LAST_MILE):
        assert len(walk.moves) == away[walk.status]
    for walk in MOVES:
        assert len(walk.moves) == away[walk.moves[-1].source] + 1


@pytest.mark.parametrize("walk", MOVES, ids=str)
def test_the_recordings_of_a_walk_make_its_last_move(walk):
    *before, last = walk.recordings()
    lower = LAST_MILE.ranks[walk.status] < LAST_MILE.ranks[walk.states[-2]]
    given(before).when(last).then(
        path=list(walk.states),
        change=walk.states[-2:],
        verdict="reverted" if lower and last["kind"] == "callback" else "applied",
        anomalies=[],
    )
    assert [step["status"] for step in oracle.view(walk.recordings())["path"]] == list(walk.states)


@pytest.mark.parametrize("walk", MOVES, ids=str)
def test_the_hand_made_events_of_a_walk_go_the_same_way(walk):
    assert tuple(step.status for step in Folding.of(LAST_MILE, walk.events()).path) == walk.states


def test_moves_that_no_event_can_make_and_what_lies_out_of_reach_are_left_out():
    letters = defined(("a", "a"), ("a", "b"), ("b", "c"), ("c", "b"), ("d", "a"), side=["b"])
    assert [(move.source, move.dest) for move in walkable(letters)] == [
        ("a", "b"),
        ("b", "c"),
        ("d", "a"),
    ]
    assert [str(walk) for walk in walks_to_states(letters)] == ["a", "a → b", "a → b → c"]
    assert [str(walk) for walk in walks_to_moves(letters)] == ["a → b", "a → b → c"]


def test_a_walk_names_its_states_and_the_events_that_go_it():
    walk = walks_to_states(defined(("a", "b"), ("b", "c")))[2]
    assert walk == Walk("a", walk.moves)
    assert (walk.status, walk.states, walk.triggers) == ("c", tuple("abc"), tuple("abc"))
    assert [event.name for event in walk.events(order_id="o")] == list("abc")
    assert {event.order_id for event in walk.events(order_id="o")} == {"o"}


def test_recordings_of_a_provider_that_nobody_has_are_refused_by_its_name():
    with pytest.raises(InvalidArgumentError, match="provider 'nobody' cannot be used"):
        MOVES[0].recordings("nobody")
    assert INSTACART.name == "instacart"
