"""The Hypothesis strategies: they draw what they promise, and the library stands it."""

from __future__ import annotations

import importlib.util
import random

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from lifecycle.core.fold import Folding, fold, history
from lifecycle.errors import MissingExtraError
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.recordings import accepted, callback, flat, request
from lifecycle.testing import (
    assert_any_order,
    definitions,
    deliveries,
    event,
    events_of,
    hostile_bodies,
    hostile_deliveries,
    lifecycles,
    memory_orders,
)
from tests import oracle

QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
UNSHRUNK = settings(QUICK, max_examples=500, phases=[Phase.generate], report_multiple_bugs=False)
STORY = [request(), accepted(), callback("brand_new", at=9, event_id=1), flat("at_store")]


def can_draw(strategy, wanted):
    """Say whether the strategy draws something of this sort before long."""
    try:
        find(strategy, wanted, settings=UNSHRUNK, random=random.Random(0))
    except NoSuchExample:
        return False
    return True


def told(view):
    dumped = view.model_dump(mode="json")
    return {name: value for name, value in dumped.items() if name != "arrival"}


@QUICK
@given(lifecycles())
def test_a_lifecycle_goes_declared_moves_only(recordings):
    with memory_orders() as orders:
        orders.record_many(recordings)
        verdicts = {line.verdict.value for line in orders.history("xyz123456")}
        path = [step.status for step in orders.get("xyz123456").path]
    assert verdicts <= {"applied", "reverted", "noted"}
    assert path[0] == "requested"
    assert path == [step["status"] for step in oracle.view(recordings)["path"]]


def test_lifecycles_reach_every_state():
    reached = set()

    @settings(QUICK, max_examples=200)
    @given(lifecycles())
    def reach(recordings):
        reached.update(step["status"] for step in oracle.view(recordings)["path"])

    reach()
    assert reached == set(LAST_MILE.states)


@QUICK
@given(st.data())
def test_a_delivery_holds_only_what_was_sent_received_in_turn(data):
    arrived = data.draw(deliveries(STORY))
    assert 1 <= len(arrived) <= 3 * len(STORY)
    assert [one["body"] for one in arrived if one["body"] not in [s["body"] for s in STORY]] == []
    times = [one["received_at"] for one in arrived]
    assert times == sorted(set(times))


def test_deliveries_shuffle_repeat_and_lose():
    def bodies(arrived):
        return [STORY.index(next(s for s in STORY if s["body"] == a["body"])) for a in arrived]

    assert can_draw(deliveries(STORY), lambda a: bodies(a) != sorted(bodies(a)))
    assert can_draw(deliveries(STORY), lambda a: len(bodies(a)) > len(set(bodies(a))))
    assert can_draw(deliveries(STORY), lambda a: len(set(bodies(a))) < len(STORY))
    lossless = deliveries(STORY, lossy=False, copies=2)
    assert not can_draw(lossless, lambda a: len(set(bodies(a))) < len(STORY))
    assert not can_draw(lossless, lambda a: len(a) > 2 * len(STORY))


@QUICK
@given(deliveries([event("brand_new", 1), event("at_store", 2), event("canceled", 2)], lossy=False))
def test_hand_made_events_are_delivered_as_they_are(arrived):
    assert fold(LAST_MILE, arrived).status == "canceled"


@QUICK
@given(hostile_bodies(STORY))
def test_a_hostile_body_is_an_event_or_in_the_quarantine_and_never_an_error(body):
    with memory_orders() as orders:
        receipt = orders.record_callback(body)
        assert receipt.event.body == body
        assert receipt.outcome.value in {"appended", "quarantined"}


def test_hostile_bodies_are_of_many_sorts():
    def readable(body):
        with memory_orders() as orders:
            return orders.record_callback(body).view is not None

    assert can_draw(hostile_bodies(), lambda body: body.startswith(b"[[["))
    assert can_draw(hostile_bodies(), lambda body: not body.isascii())
    assert can_draw(hostile_bodies(STORY), readable)
    assert can_draw(hostile_bodies(STORY), lambda body: b"event_id" in body and not readable(body))


@QUICK
@given(hostile_deliveries(STORY))
def test_a_hostile_delivery_gives_the_view_that_an_independent_reader_gets(arrived):
    with memory_orders() as orders:
        receipts = orders.record_many(arrived)
        outcomes = [receipt.outcome.value for receipt in receipts]
    counted = {name: outcomes.count(name) for name in oracle.totals([])}
    assert counted == oracle.totals(arrived)


def any_definition_folds_any_events_the_same(data):
    definition = data.draw(definitions())
    events = data.draw(events_of(definition))
    folding = Folding(definition)
    for one in data.draw(deliveries(events, lossy=False)):
        folding.add(one)
    assert told(folding.view()) == told(fold(definition, events))
    assert folding.history() == history(definition, events)


def test_any_definition_folds_any_events_the_same_in_any_order():
    QUICK(given(st.data())(any_definition_folds_any_events_the_same))()


def test_a_fold_that_takes_events_as_they_come_is_caught(monkeypatch):
    """The positive control: the strategies are hostile enough to show a fold that never sorts."""

    def as_it_comes(folding, event):
        if folding._count(event):
            folding._insert(event, (2, len(folding._places)))

    monkeypatch.setattr(Folding, "add", as_it_comes)
    with pytest.raises(AssertionError):
        UNSHRUNK(given(st.data())(any_definition_folds_any_events_the_same))()


@settings(QUICK, max_examples=5)
@given(lifecycles(most=5))
def test_every_lifecycle_keeps_the_promise(recordings):
    assert_any_order(recordings, samples=5)


def test_without_hypothesis_the_strategies_say_what_to_install(monkeypatch):
    monkeypatch.setattr("lifecycle.testing.strategies.find_spec", lambda _: None)
    for make in (lifecycles, definitions, hostile_bodies):
        with pytest.raises(MissingExtraError, match=r"pip install 'order-lifecycle\[test\]'"):
            make()
    assert importlib.util.find_spec("hypothesis") is not None
