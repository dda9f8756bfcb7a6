"""Walks over sets of events: which sets are looked at, by whom, and what is told of them.

`test_sorting_proof.py` has the proof that is built on them.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from lifecycle import Definition, Event, Folding, LostWorkerError
from lifecycle.core.verdict import sort_key
from lifecycle.proof import subsets
from lifecycle.proof.alphabet import INSTANTS, Letter, alphabet
from lifecycle.proof.obligation import Counterexample
from lifecycle.proof.subsets import Sets, Walk, Walked, copied, difference, walk

DOOR = Definition.write(
    "door",
    states=["asked", "open", "shut"],
    birth=["open"],
    moves=[
        {"trigger": "open", "source": "asked", "dest": "open"},
        {"trigger": "shut", "source": "open", "dest": "shut"},
    ],
    terminal=["shut"],
    informational=["creak"],
)
OVER = alphabet(DOOR)
LETTERS = {letter.label: letter for letter in OVER.wide}
FEW = tuple(LETTERS[label] for label in ("request 1", "open", "open@1", "shut@2", "creak"))


class Arrived(tuple[Any, ...]):  # noqa: SLOT001 - a tuple with a number has a dictionary
    """A place that sorts by arrival, after all that were sorted by content."""

    number: int

    def __lt__(self, other: Any) -> bool:
        return self.number < getattr(other, "number", -1)

    def __gt__(self, other: Any) -> bool:
        return self.number > getattr(other, "number", -1)


class Hasty(Folding):
    """The control: events stand as they came."""

    def add(self, event: Event) -> None:
        if self._count(event):
            where = Arrived(sort_key(self.definition, event))
            where.number = len(self._places)
            self._insert(event, where)


class Forgetful(Folding):
    """The control: a repeat is taken for another content."""

    def _count(self, event: Event) -> bool:
        counts = super()._count(event)
        if not counts:
            self._evidence[event.key, event.digest] = event
        return counts


def sets_of(walked: Walk) -> list[tuple[int, ...]]:
    return [chosen for part in walked.parts() for chosen in walked.sets(part)]


def test_sets_that_share_all_but_their_first_letter_come_together() -> None:
    walked = Walk(DOOR, Folding, FEW, 2)
    assert walked.parts() == [range(3), range(3, 5)]
    assert list(walked.sets(range(3))) == [
        *((0, 1), (0, 2), (1, 2)),
        *((0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4)),
    ]
    assert list(walked.sets(range(3, 5))) == [(3, 4)]
    assert list(Walk(DOOR, Folding, FEW, 1).sets(range(1, 3))) == [(1,), (2,)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("twins", [(), ((0, 2, 3),), ((0, 1), (2, 4))])
@pytest.mark.parametrize("sooner", [{}, {3: 2}, {3: 2, 4: 1}, {3: 2, 9: 1}])
def test_one_of_several_alike_sets_is_walked(
    size: int, twins: tuple[tuple[int, ...], ...], sooner: dict[int, int]
) -> None:
    """Which one is written down here anew, as one condition on each set.

    Letters 2, 3 and, if it has a sooner one, 4 have an instant.
    """
    events = [letter.event._replace(occurred_at=None) for letter in FEW]
    for index, at in ((2, INSTANTS[0]), (3, INSTANTS[1]), (4, INSTANTS[1])):
        if index < 4 or index in sooner:
            events[index] = events[index]._replace(occurred_at=at)
    letters = [Letter(each.label, event) for each, event in zip(FEW, events, strict=True)]
    expected = set()
    for chosen in combinations(range(5), size):
        timed = {index for index in chosen if events[index].occurred_at is not None}
        is_first = all(
            set(chosen) & set(group) == set(group[: len(set(chosen) & set(group))])
            for group in twins
        )
        if is_first and not (timed and timed <= set(sooner)):
            expected.add(chosen)
    walked = Walk(DOOR, Folding, letters, size, twins, MappingProxyType(sooner))
    assert set(sets_of(walked)) == expected
    assert len(sets_of(walked)) == len(expected)


def test_a_walk_knows_how_many_sets_it_has_without_walking_them() -> None:
    for size in range(1, 5):
        for letters, sooner in ((OVER.letters, OVER.sooner), (OVER.letters, {}), (FEW, {})):
            twins = () if letters is FEW else OVER.twins
            walked = Walk(DOOR, Folding, letters, size, twins, sooner)
            assert walked.how_many() == len(sets_of(walked))


SWAPPED = Counterexample(
    prefix=("open",),
    one=("request 1",),
    other=("request 1",),
    suffix=(),
    one_gives=(
        "open (skipped_ahead, unrecognized; "
        "they differ in _events, _odd, _places, _steps) one by one"
    ),
    other_gives=(
        "open (unrecognized, skipped_ahead; they differ in _events, _odd, _places, _steps) at once"
    ),
)


def test_the_first_counterexample_ends_all_walks_and_progress_is_reported() -> None:
    told: list[tuple[int, int]] = []
    walks = [Walk(DOOR, Hasty, FEW, size) for size in (1, 2, 3)]
    found = walk(walks, workers=1, tell=lambda done, total: told.append((done, total)))
    assert found == [Walked(5), Walked(1, SWAPPED), Walked(0)]
    assert told == [(3, 25), (2, 25), (1, 25)]


def test_a_walk_without_a_counterexample_looks_at_all_sets() -> None:
    walks = [Walk(DOOR, Folding, FEW, size) for size in (1, 2)]
    assert walk(walks, workers=1) == [Walked(5), Walked(10)]
    assert walk(walks) == [Walked(5), Walked(10)]
    assert walk([], workers=1) == []


def test_a_repeat_that_changes_the_result_is_reported_with_the_repeated_events() -> None:
    looking = Sets(Walk(DOOR, Forgetful, FEW, 2))
    assert looking.look((0, 4)) == Counterexample(
        prefix=("request 1", "creak"),
        one=("request 1", "creak"),
        other=(),
        suffix=(),
        one_gives=(
            "no path (unrecognized, noted, divergent, divergent; they differ in _evidence) "
            "one by one"
        ),
        other_gives="no path (unrecognized, noted; they differ in _evidence) at once",
    )
    assert str(looking.look((2,))) == (
        "open@1, open@1 gives open (skipped_ahead, divergent; they differ in _evidence) one by one;"
        " open@1 gives open (skipped_ahead; they differ in _evidence) at once"
    )


def test_any_event_of_a_set_can_be_the_counterexample() -> None:
    """The last two come in canonical order here; the first one of the three never fits."""
    letters = [LETTERS[label] for label in ("shut@2", "open@1", "request 1")]
    found = Sets(Walk(DOOR, Hasty, letters, 3)).look((0, 1, 2))
    differ = "they differ in _events, _odd, _path, _places, _steps)"
    assert found == Counterexample(
        prefix=("shut@2", "request 1"),
        one=("open@1",),
        other=("open@1",),
        suffix=(),
        one_gives=f"shut (unrecognized, skipped_ahead, refused; {differ} one by one",
        other_gives=f"open → shut (unrecognized, skipped_ahead, applied; {differ} at once",
    )


def test_the_order_in_which_evidence_came_refutes_nothing() -> None:
    letters = [LETTERS[label] for label in ("request 1", "request 1 ≠", "open@1", "open@1 ≠")]
    looking = Sets(Walk(DOOR, Folding, letters, 4))
    arrived = looking.at_once((0, 2, 3))
    arrived.add(letters[1].event)
    assert arrived.events != looking.at_once((0, 1, 2, 3)).events
    assert looking.look((0, 1, 2, 3)) is None


def test_a_copied_folding_goes_on_without_the_other() -> None:
    events = [LETTERS[label].event for label in ("request 1", "open@1", "shut@1", "shut@1 ≠")]
    for number in range(len(events) + 1):
        one = Folding.of(DOOR, events[:number])
        before = {name: repr(value) for name, value in vars(one).items()}
        twin = copied(one)
        assert type(twin) is Folding
        assert difference(one, twin) == ()
        for letter in OVER.wide:
            twin.add(letter.event)
        assert {name: repr(value) for name, value in vars(one).items()} == before
        assert difference(one, twin) != ()


def test_a_copy_is_deep_where_a_folding_changes_in_place() -> None:
    one = Folding(DOOR)
    vars(one)["mine"] = {"in": {"deep": {"er": 1}}, "as it is": (1,)}
    twin = copied(one)
    vars(twin)["mine"]["in"]["deep"]["er"] = 2
    assert vars(one)["mine"] == {"in": {"deep": {"er": 1}}, "as it is": (1,)}
    assert difference(one, twin) == ("mine",)
    assert difference(Folding(DOOR), twin) == difference(twin, Folding(DOOR)) == ("mine",)


def test_the_order_of_the_evidence_is_no_difference_and_any_other_order_is() -> None:
    one, other = Folding(DOOR), Folding(DOOR)
    events = [letter.event for letter in FEW]
    told = [((event.key, event.digest), event) for event in events]
    vars(one)["_evidence"], vars(other)["_evidence"] = dict(told), dict(told[::-1])
    assert difference(one, other) == ()
    vars(one)["_more"], vars(other)["_more"] = events, events[::-1]
    vars(one)["_also"], vars(other)["_also"] = 1, 2
    assert difference(one, other) == ("_also", "_more")
    vars(other)["_evidence"] = {}
    assert difference(one, other) == ("_also", "_evidence", "_more")


class Noting(Folding):
    """Notes in a file who folds, and what a Ctrl-C would do there."""

    notes: Path

    def add(self, event: Event) -> None:
        super().add(event)
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        with self.notes.open("a") as file:
            file.write(f"{os.getpid()} {ignored} {gc.isenabled()}\n")


def noted(path: Path, **options: Any) -> set[tuple[str, ...]]:
    """Return who folded in a walk, if Ctrl-C is ignored there, and if circles are looked for."""
    path.unlink(missing_ok=True)
    walks = [Walk(DOOR, type("There", (Noting,), {"notes": path}), FEW, 2)]
    [walked] = walk(walks, **options)
    assert walked == Walked(10)
    return {tuple(line.split()) for line in path.read_text().splitlines()}


def test_one_worker_folds_in_the_calling_process_and_leaves_its_state_unchanged(
    tmp_path: Path,
) -> None:
    assert noted(tmp_path / "notes", workers=1) == {(str(os.getpid()), "False", "True")}


def test_workers_are_other_processes_and_leave_a_ctrl_c_to_the_first(tmp_path: Path) -> None:
    found = noted(tmp_path / "notes", workers=2)
    assert str(os.getpid()) not in {process for process, *_ in found}
    assert {tuple(rest) for _, *rest in found} == {("True", "False")}
    assert len(found) in {1, 2}


class Dying(Folding):
    """Ends its process, as when memory runs out."""

    def add(self, event: Event) -> None:
        os._exit(9)


def test_a_worker_that_ends_too_soon_is_an_error_and_not_waited_for_for_ever() -> None:
    with pytest.raises(LostWorkerError, match="one of 2 processes ended in the middle of check"):
        walk([Walk(DOOR, Dying, FEW, 2)], workers=2)


def test_without_fork_one_process_does_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert {process for process, *_ in noted(tmp_path / "notes", workers=2)} == {str(os.getpid())}


@pytest.mark.parametrize(("found", "processes"), [(1, 1), (None, 1), (2, 2)])
def test_unless_asked_otherwise_there_is_a_worker_for_each_processor(
    found: int | None, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system does not tell which processors may be used, all are counted."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: found)
    here = {process for process, *_ in noted(tmp_path / "notes")} == {str(os.getpid())}
    assert here is (processes == 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(pid or processes), raising=False)
    here = {process for process, *_ in noted(tmp_path / "notes")} == {str(os.getpid())}
    assert here is (processes == 1)


@contextmanager
def as_a_worker() -> Iterator[None]:
    """Undo what a worker changes of its process."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        gc.enable()


def test_a_worker_looks_at_parts_of_walks_and_has_no_time_for_ctrl_c() -> None:
    walks = [Walk(DOOR, Folding, FEW, 1), Walk(DOOR, Hasty, FEW, 2)]
    with as_a_worker():
        subsets._begin_worker(walks)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not gc.isenabled()
        assert subsets._look((0, range(3, 5))) == (0, Walked(2))
        assert subsets._look((1, range(3))) == (1, Walked(1, SWAPPED))
