"""The fold as an independent oracle has it: views and histories of sets of every size and sort.

Nothing is stored: recordings are recognized, and folded at once and one by one as they were drawn.
What the order of arrival could do to that is tried elsewhere. The control folds by rules that
are wrong in one place, and must be told from the right ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from lifecycle.core import fold as core_fold
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding, fold, history
from lifecycle.core.recognizer import Recognizer
from lifecycle.core.view import AnomalyCode, Verdict
from lifecycle.log.jsonl import read_line
from lifecycle.providers.instacart import INSTACART
from tests import oracle
from tests.sample_events import Recording, alphabet, random_set

RECOGNIZER = Recognizer(INSTACART)

SETS, PARTS = 240, 20
SIZES = (1, 2, 3, 4, 6, 8, 12, 16)


def recognized(recordings: Sequence[Recording]) -> list[Event]:
    found = []
    for recording in recordings:
        read = read_line(
            recording,
            received_at=datetime(1970, 1, 1, tzinfo=UTC),
            providers={INSTACART.name: INSTACART},
            provider=INSTACART.name,
            line_number=1,
        )
        event = RECOGNIZER.recognize(read[1]) if isinstance(read, tuple) else None
        found += [event] if isinstance(event, Event) else []
    return found


def with_rivals(rng: random.Random, recordings: list[Recording]) -> list[Recording]:
    """Return recordings and, under the event ids and names of some, what others of them say."""
    enveloped = [each for each in recordings if "event_id" in (each.get("body") or {})]
    rivals = [
        {**said, "body": {**said["body"], **_known_by(one["body"])}}
        for one in enveloped
        for said in rng.sample(enveloped, 1)
        if rng.random() < 0.3
    ]
    return recordings + rivals


def _known_by(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("event_id", "event_name") if name in body}


def drawn(rng: random.Random) -> list[Recording]:
    return with_rivals(rng, random_set(rng, rng.choice(SIZES)))


def differences(recordings: Sequence[Recording]) -> Iterator[str]:
    """Yield where a view or a history is not the oracle's, field by field."""
    events = recognized(recordings)
    if not events:
        return
    found = fold(INSTACART.definition, events).model_dump(mode="json")
    for anomaly in found["anomalies"]:
        del anomaly["detail"]
    one_by_one = Folding(INSTACART.definition)
    for event in events:
        one_by_one.add(event)
    if one_by_one.view().model_dump() != fold(INSTACART.definition, events).model_dump():
        yield "one by one they give another view than at once"
    for field, value in oracle.view(recordings).items():
        if found[field] != value:
            yield f"{field} is {found[field]}, expected {value}"
    told = [each.model_dump(mode="json") for each in history(INSTACART.definition, events)]
    for line, expected in zip(told, oracle.history(recordings), strict=True):
        if {name: line[name] for name in expected} != expected:
            yield f"{line}, expected {expected}"


@pytest.mark.parametrize("part", range(PARTS))
def test_views_and_histories_are_the_oracles(part: int) -> None:
    rng = random.Random(f"sets {part}")
    for _ in range(SETS // PARTS):
        recordings = drawn(rng)
        assert not [*differences(recordings)], recordings


@pytest.mark.parametrize("part", range(8))
def test_single_events_are_recorded_too(part: int) -> None:
    for recording in alphabet()[part::8]:
        assert not [*differences([recording])], recording


def test_a_fold_of_which_the_last_content_counts_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong() -> list[str]:
        rng = random.Random("control")
        return [each for _ in range(40) for each in differences(drawn(rng))]

    assert not wrong()
    monkeypatch.setattr(core_fold, "supersedes", lambda *_: True)
    assert wrong()


def test_the_sets_hold_every_verdict_and_every_anomaly() -> None:
    verdicts, anomalies = set[str](), set[str]()
    for part in range(PARTS):
        rng = random.Random(f"sets {part}")
        for _ in range(SETS // PARTS):
            recordings = drawn(rng)
            verdicts |= {line["verdict"] for line in oracle.history(recordings)}
            anomalies |= {each["code"] for each in oracle.view(recordings)["anomalies"]}
    assert verdicts == set(map(str, Verdict))
    assert anomalies == {*get_args(AnomalyCode)}
