"""The promise: the view is a pure function of the set of events, whatever the deliveries.

Every delivery goes through the front door (`record_many`, then the receipt's view), so
through deduplication and the incremental path; after every step the view is held
against an oracle that shares no code with the library. The control does not fold again
where an event sorts before another, and must be caught.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from lifecycle.composition import connect
from lifecycle.core.fold import Folding
from lifecycle.service.orders import Orders
from tests import oracle
from tests.sample_events import random_set

Recording = dict[str, Any]

SETS_IN_A_PART = 100
SEQUENCES_PER_SET = 50
APART = ("arrival", "definition", "digest", "provider")


def sequences(rng: random.Random, events: Sequence[Recording], count: int) -> Iterator[list[int]]:
    """Yield deliveries of all the events, each with 0 to 1 copies, in random order."""
    for _ in range(count):
        delivery = list(range(len(events)))
        delivery += [number for number in delivery if rng.random() < 0.5]
        rng.shuffle(delivery)
        yield delivery


class Expected:
    """The oracle's answer for each set of events, asked once a set."""

    def __init__(self, events: Sequence[Recording]) -> None:
        self._events = events
        self._answers: dict[frozenset[int], dict[str, Any] | None] = {}

    def view(self, numbers: frozenset[int]) -> dict[str, Any] | None:
        if numbers not in self._answers:
            readable = [
                self._events[number]
                for number in sorted(numbers)
                if not isinstance(oracle.identify(self._events[number]), str)
            ]
            self._answers[numbers] = oracle.view(readable) if readable else None
        return self._answers[numbers]


def told(view: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = view.model_dump(mode="json")
    for anomaly in dumped["anomalies"]:
        anomaly.pop("detail")
    return {name: value for name, value in dumped.items() if name not in APART}


def pruned(view: dict[str, Any]) -> dict[str, Any]:
    for anomaly in view["anomalies"]:
        anomaly.pop("detail", None)
    return {name: value for name, value in view.items() if name not in APART}


def differences(
    orders: Callable[[], Orders],
    events: Sequence[Recording],
    delivery: Sequence[int],
    expected: Expected,
) -> Iterator[str]:
    """Yield where the view after a step is not the oracle's."""
    seen: set[int] = set()
    with orders() as log:
        for step, number in enumerate(delivery):
            seen.add(number)
            [receipt] = log.record_many([events[number]])
            if receipt.view is None:
                continue
            wanted = expected.view(frozenset(seen))
            assert wanted is not None
            found = told(receipt.view)
            if found != pruned(wanted):
                yield f"step {step} of {delivery}: {found} is not {pruned(wanted)}"


def campaign(seed: int, sets: int, sequences_per_set: int) -> tuple[int, list[str]]:
    """Return how many sequences were held against the oracle, and every difference."""
    rng = random.Random(seed)
    wrong: list[str] = []
    walked = 0
    for _ in range(sets):
        events = random_set(rng, 5)
        expected = Expected(events)
        for delivery in sequences(rng, events, sequences_per_set):
            wrong += differences(lambda: connect("memory:"), events, delivery, expected)
            walked += 1
    return walked, wrong


@pytest.mark.parametrize(
    ("seed", "sets"),
    [
        (1000, 20),
        *(pytest.param(1000 + n, SETS_IN_A_PART, marks=pytest.mark.long) for n in range(4)),
    ],
)
def test_the_view_equals_the_oracle_after_every_step_of_thousands_of_interleavings(
    seed: int, sets: int
) -> None:
    walked, wrong = campaign(seed, sets, SEQUENCES_PER_SET)
    assert walked == sets * SEQUENCES_PER_SET
    assert wrong == [], wrong[0]


def test_an_incremental_path_that_never_folds_again_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def only_step(folding: Folding, event: Any) -> None:
        if folding._count(event) and folding._counted[event.key] is event:
            folding._insert(event, (2, len(folding._places)))

    monkeypatch.setattr(Folding, "add", only_step)
    _, wrong = campaign(seed=1000, sets=10, sequences_per_set=5)
    assert wrong
