"""Coverage of states and moves: what counts as met, what the report says is missed."""

from __future__ import annotations

import pytest

from lifecycle.core.fold import Folding
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.recordings import accepted, callback, request
from lifecycle.testing import (
    Coverage,
    assert_any_order,
    event,
    given,
    memory_orders,
    walks_to_moves,
    walks_to_states,
)
from tests.unit.test_testing_scenario import KITCHEN

STORY = [request(), accepted(), callback("brand_new", at=9)]


def met_of(coverage, definition=LAST_MILE):
    return coverage.definitions[definition.fingerprint]


def test_a_state_is_covered_when_the_view_of_an_order_that_entered_it_is_read():
    coverage = Coverage()
    with coverage.watching(), memory_orders() as orders:
        receipts = orders.record_many(STORY)
        assert coverage.definitions == {}
        assert receipts[1].change
        assert met_of(coverage).met_states == {"requested", "created"}
        orders.get("xyz123456")
    assert met_of(coverage).met_moves == {("requested", "created"), ("created", "brand_new")}
    assert "brand_new" not in met_of(coverage).missed_states


def test_nothing_counts_outside_of_the_context():
    coverage, look = Coverage(), Folding.view
    with coverage.watching():
        assert Folding.view is not look
    assert Folding.view is look
    given(STORY).when(callback("canceled", at=10)).then(status="canceled")
    assert coverage.definitions == {}


def test_the_report_says_what_is_missed_by_name():
    coverage = Coverage()
    with coverage.watching():
        Folding.of(KITCHEN, [event("ordered", 1), event("cooking", 2)]).view()
    assert met_of(coverage, KITCHEN).missed_states == ("served",)
    assert met_of(coverage, KITCHEN).missed_moves == (("cooking", "served"),)
    assert coverage.table() == [
        "kitchen: 60 % (2 of 3 states, 1 of 2 moves)",
        "  states missed: served",
        "  moves missed: cooking → served",
    ]


def test_a_step_that_is_no_declared_move_counts_for_its_state_alone():
    coverage = Coverage()
    coverage.meet(KITCHEN, ["ordered", "served"])
    assert met_of(coverage, KITCHEN).missed_states == ("cooking",)
    assert len(met_of(coverage, KITCHEN).missed_moves) == 2
    assert coverage.percent == pytest.approx(40)


def test_the_samples_of_any_order_do_not_count_but_the_order_given_does():
    coverage = Coverage()
    with coverage.watching():
        assert_any_order(STORY, samples=10)
        assert coverage.definitions == {}
        assert_any_order(STORY, {"status": "brand_new"}, samples=10)
    assert met_of(coverage).met_moves == {("requested", "created"), ("created", "brand_new")}


def test_a_suite_that_walks_every_move_covers_everything():
    coverage = Coverage()
    for walk in (*walks_to_states(LAST_MILE), *walks_to_moves(LAST_MILE)):
        coverage.meet(LAST_MILE, walk.states)
    assert coverage.percent == 100
    assert len(coverage.table()) == 1


def test_the_coverage_of_other_processes_is_added():
    one, other, both = Coverage(), Coverage(), Coverage()
    one.meet(KITCHEN, ["ordered", "cooking"])
    other.meet(KITCHEN, ["cooking", "served"])
    other.meet(LAST_MILE, ["requested"])
    for part in (one, other):
        both.merge(part.dump())
    assert met_of(both, KITCHEN).percent == 100
    assert met_of(both).met_states == {"requested"}
    assert both.dump() == {
        **other.dump(),
        **one.dump(),
        KITCHEN.fingerprint: both.dump()[KITCHEN.fingerprint],
    }


def test_a_suite_that_reads_no_view_covers_nothing_and_says_so():
    assert Coverage().table() == ["no view of any order was looked at"]
    assert Coverage().percent == 0
    expected = Coverage()
    expected.expect(KITCHEN)
    assert expected.table()[0] == "kitchen: 0 % (0 of 3 states, 0 of 2 moves)"
