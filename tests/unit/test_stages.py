"""Stages: every step of a fold is judged once, looked up afterwards, and is what `judge` says."""

from __future__ import annotations

import itertools

import pytest

from lifecycle.core.definition import NO_RANK
from lifecycle.core.event import KINDS
from lifecycle.core.verdict import (
    CREATION,
    MOVES,
    SNAPSHOTS,
    TIMED,
    Progress,
    Verdict,
    first_stage,
    judge,
    overwrites,
)
from lifecycle.providers.instacart import INSTACART
from tests.contract.entries import NOON, event

LAST_MILE = INSTACART.definition
WORDS = (*LAST_MILE.states, *sorted(LAST_MILE.informational), "picking", None)
MEANINGS = [
    (word, kind, is_timed, lane)
    for word, kind, is_timed, lane in itertools.product(
        WORDS, KINDS, (True, False), (CREATION, TIMED, SNAPSHOTS)
    )
]


def progress_of(stage):
    return Progress(stage.status, stage.rank, stage.highest)


def reached(definition):
    """Return every stage that any events can lead to."""
    found, waiting = [], [first_stage(definition)]
    while waiting:
        stage = waiting.pop()
        if all(stage is not known for known in found):
            found.append(stage)
            waiting += [stage.steps[meaning].after for meaning in MEANINGS]
    return found


def heard(meaning):
    word, kind, is_timed, _ = meaning
    return event(trigger=word, kind=kind, occurred_at=NOON if is_timed else None)


def expected_after(progress, verdict, word):
    """Return where an order stands after a verdict, reckoned from the definition alone."""
    if verdict not in MOVES:
        return progress
    rank = LAST_MILE.states.index(word)
    return Progress(word, rank, max(progress.highest, -1 if word == "canceled" else rank))


@pytest.fixture(scope="module")
def stages():
    first_stage.cache_clear()
    return reached(LAST_MILE)


def test_a_step_is_what_judge_says_wherever_an_order_can_stand(stages):
    assert len(stages) > len(LAST_MILE.states)
    for stage in stages:
        progress = progress_of(stage)
        for meaning in MEANINGS:
            taken = stage.steps[meaning]
            verdict = judge(LAST_MILE, progress, heard(meaning), meaning[-1])
            assert taken.verdict is verdict, (progress, meaning)
            assert taken.overwrites == overwrites(verdict, meaning[-1])
            assert progress_of(taken.after) == expected_after(progress, verdict, meaning[0])


def test_only_a_move_leads_to_another_stage(stages):
    for stage in stages:
        for meaning in MEANINGS:
            taken = stage.steps[meaning]
            assert (taken.after is not stage) == (taken.verdict in MOVES)


def test_a_progress_has_one_stage_whatever_the_path_to_it(stages):
    assert len({progress_of(stage) for stage in stages}) == len(stages)


def test_a_late_side_state_is_noted_as_a_milestone(stages):
    late = {
        (stage.status, stage.steps["staged", "callback", True, TIMED].beside)
        for stage in stages
        if stage.rank > LAST_MILE.rank("staged") and stage.status not in LAST_MILE.terminal
    }
    assert late
    assert {beside for _, beside in late} == {"staged"}
    informs = first_stage(LAST_MILE).steps["order_location", "callback", True, TIMED]
    assert (informs.verdict, informs.beside) == (Verdict.NOTED, None)


def test_a_stage_prints_where_an_order_stands():
    stage = first_stage(LAST_MILE)
    assert repr(stage) == "<Stage None of highest rank -1>"
    after = stage.steps["brand_new", "callback", True, TIMED].after
    assert repr(after) == f"<Stage brand_new of highest rank {LAST_MILE.rank('brand_new')}>"


def test_unknown_names_are_judged_each_time_and_not_cached():
    stage = first_stage(LAST_MILE)
    known = len(stage.steps)
    for number in range(1000):
        word = f"unheard_of_{number}"
        assert LAST_MILE.rank(word) == NO_RANK
        assert stage.steps[word, "callback", True, TIMED].verdict is Verdict.UNRECOGNIZED
    assert len(stage.steps) == known
    assert stage.steps["brand_new", "callback", True, TIMED].after is not stage
    assert len(stage.steps) >= known


def test_a_step_that_the_definition_knows_is_judged_once():
    stage = first_stage(LAST_MILE)
    for word in ("brand_new", "order_location"):
        meaning = (word, "callback", True, TIMED)
        assert stage.steps[meaning] is stage.steps[meaning]


def test_refused_and_divergent_events_change_nothing_about_the_order():
    for lane in (CREATION, TIMED, SNAPSHOTS):
        assert overwrites(Verdict.REFUSED, lane) is None
        assert overwrites(Verdict.DIVERGENT, lane) is None
