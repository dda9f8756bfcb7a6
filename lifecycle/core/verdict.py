"""Where an event stands in canonical order, and what it means there.

Both are decided by content alone: never by arrival, and never by comparing two
machines' clocks. There are three lanes, folded one after the other:

1. creation   requests and responses by attempt, then untimed births
2. timed      by the provider's clock, rank deciding ties; or by the provider's number, where
              the definition says that it numbers the states of an order
3. snapshots  everything else, by rank
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from lifecycle.core.definition import NO_RANK, Definition
from lifecycle.core.event import ACCEPTED, FAILED, REJECTED, Event, Kind
from lifecycle.core.view import AnomalyCode, Verdict

CREATION: Final = 1
TIMED: Final = 2
SNAPSHOTS: Final = 3

WITHIN_ATTEMPT: Final = {FAILED: 1, ACCEPTED: 2, REJECTED: 3}

# Later than any provider's clock: absent times come last.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

SortKey = tuple[Any, ...]
"""An event's place in canonical order: compare two of them. The first item is the lane."""


def sort_key(definition: Definition, event: Event) -> SortKey:
    """Return the place of an event: total, and distinct for distinct events of an order."""
    rank, kind = definition.ranks_named.get(event.trigger, NO_RANK), event.kind
    # Where the provider numbers the states of an order, the number is what the time is elsewhere.
    at = event.sequence if definition.numbered else event.occurred_at
    if event.operation is not None and kind == "request":
        return (SNAPSHOTS, rank, event.key, event.digest)
    if kind == "request" or kind == "response":  # noqa: PLR1714 - twice as fast
        if event.name == ACCEPTED and rank > definition.last_birth_rank:
            if definition.numbered and at is not None:
                return (TIMED, at, rank, event.key, event.digest)
            return (SNAPSHOTS, rank, event.key, event.digest)
        within = WITHIN_ATTEMPT.get(event.name, 0)
        return (CREATION, 0, event.attempt or 0, within, event.key, event.digest)
    if at is not None:
        return (TIMED, at, rank, event.key, event.digest)
    if definition.state(event.trigger) in definition.birth:
        return (CREATION, 1, rank, event.key, event.digest)
    return (SNAPSHOTS, rank, event.key, event.digest)


def supersedes(event: Event, other: Event) -> bool:
    """Tell whether, of two contents under one key, `event` is the one that counts."""
    return _weight(event) < _weight(other)


def supersedes_by_number(event: Event, other: Event) -> bool:
    """Tell the same, where the provider numbers the states of an order."""
    return _numbered_weight(event) < _numbered_weight(other)


def _numbered_weight(event: Event) -> tuple[float, str]:
    return (math.inf if event.sequence is None else event.sequence, event.digest)


def _weight(event: Event) -> tuple[datetime, str]:
    return (event.occurred_at or _NEVER, event.digest)


class Progress(NamedTuple):
    """How far an order has come: its state (None before the start), its rank, its highest rank."""

    status: str | None = None
    rank: int = -1
    highest: int = -1


class Meaning(NamedTuple):
    """All that a verdict depends on of an event and its place."""

    trigger: str | None
    kind: Kind
    is_timed: bool
    lane: int


def judge(definition: Definition, progress: Progress, event: Event, lane: int) -> Verdict:
    """Return what an event means for an order that stands there: the first row that fits."""
    at = event.sequence if definition.numbered else event.occurred_at
    meaning = Meaning(event.trigger, event.kind, at is not None, lane)
    return _judged(definition, progress, meaning)


def _judged(definition: Definition, progress: Progress, meaning: Meaning) -> Verdict:
    trigger, kind, is_timed, lane = meaning
    status = progress.status
    if trigger in definition.informational or (kind == "request" and lane == SNAPSHOTS):
        return Verdict.NOTED  # as the request of an operation is
    target = definition.state(trigger)
    if target is None:
        return Verdict.UNRECOGNIZED
    if target == status:
        return Verdict.REPEATED
    rank = definition.ranks[target]
    ahead = rank > progress.rank
    if target in definition.side and not ahead:
        return Verdict.NOTED
    if lane == CREATION and not ahead and progress.rank >= definition.birth_rank:
        return Verdict.STALE if kind in ("callback", "poll") else Verdict.NOTED
    if status in definition.terminal:
        lags = not is_timed or kind == "poll"
        return Verdict.STALE if lags and target not in definition.terminal else Verdict.REFUSED
    if lane == SNAPSHOTS and rank <= progress.highest:
        return Verdict.STALE
    if _is_move(definition, status, trigger):
        return Verdict.APPLIED if ahead or not is_timed else Verdict.REVERTED
    if ahead:
        return Verdict.SKIPPED_AHEAD
    lags = kind == "poll" or target in definition.birth
    return Verdict.STALE if lags else Verdict.REFUSED


def _is_move(definition: Definition, status: str | None, trigger: str | None) -> bool:
    if status is None:
        return definition.state(trigger) == definition.initial
    return (status, trigger) in definition.table


MOVES: Final = frozenset({Verdict.APPLIED, Verdict.SKIPPED_AHEAD, Verdict.REVERTED})
"""Verdicts that change the order's state."""


ODD: Final[Mapping[Verdict, AnomalyCode]] = {
    Verdict.REFUSED: "refused",
    Verdict.UNRECOGNIZED: "unrecognized",
}
"""Verdicts that are anomalies."""


def overwrites(verdict: Verdict, lane: int) -> bool | None:
    """Tell how an event's details count: True overwrite, False fill gaps, None not at all."""
    if verdict in (Verdict.REFUSED, Verdict.DIVERGENT):
        return None
    if verdict in MOVES:
        return True
    if verdict in (Verdict.STALE, Verdict.UNRECOGNIZED):
        return False
    return lane != SNAPSHOTS


Step = tuple[str | None, Kind, bool, int]
"""What a step is looked up by: a `Meaning`, or a plain tuple of the same."""


class Taken(NamedTuple):
    """One step: the verdict, where the order stands after it, and what else it does.

    `overwrites` tells how the event's details count, `beside` is the side state that it
    notes, None if it notes none; `is_odd` tells whether it is an anomaly.
    """

    verdict: Verdict
    after: Stage
    overwrites: bool | None
    beside: str | None
    is_odd: bool = False


class Stage:
    """Where an order stands, and every step from there: judged once, looked up thereafter.

    A definition has one stage for each progress that an order can make, so two orders
    stand alike where their stages are the same object. Stages are few and remember only
    triggers that the definition knows: what strangers send cannot make them grow.
    """

    __slots__ = ("highest", "rank", "status", "steps")

    status: str | None
    rank: int
    highest: int

    def __init__(self, progress: Progress, steps: dict[Step, Taken]) -> None:
        self.status, self.rank, self.highest = progress
        self.steps: dict[Step, Taken] = steps

    def __repr__(self) -> str:
        return f"<Stage {self.status} of highest rank {self.highest}>"


UNTAKEN: Final = Taken(Verdict.NOTED, Stage(Progress(), {}), None, None)
"""Stands where no step was taken yet; no order reaches its stage."""


class _Steps(dict[Step, Taken]):
    """The steps from one progress, by `Meaning`."""

    __slots__ = ("_definition", "_progress", "_stages")

    def __init__(
        self, definition: Definition, progress: Progress, stages: dict[Progress, Stage]
    ) -> None:
        self._definition = definition
        self._progress = progress
        self._stages = stages

    def __missing__(self, key: Step) -> Taken:
        definition, meaning = self._definition, Meaning(*key)
        verdict = _judged(definition, self._progress, meaning)
        progress = _entered(definition, self._progress, meaning) if verdict in MOVES else None
        taken = Taken(
            verdict,
            _stage(definition, progress or self._progress, self._stages),
            overwrites(verdict, meaning.lane),
            definition.side_state(meaning.trigger) if verdict is Verdict.NOTED else None,
            verdict in ODD,
        )
        if verdict is not Verdict.UNRECOGNIZED:
            self[key] = taken
        return taken


# As many as anybody would use at a time; a proof may try out thousands.
@lru_cache(maxsize=64)
def first_stage(definition: Definition) -> Stage:
    """Return the stage before the start; all others are reached from it."""
    return _stage(definition, Progress(), {})


def _stage(definition: Definition, progress: Progress, stages: dict[Progress, Stage]) -> Stage:
    return stages.setdefault(progress, Stage(progress, _Steps(definition, progress, stages)))


def _entered(definition: Definition, progress: Progress, meaning: Meaning) -> Progress:
    state = definition.names[meaning.trigger or ""]
    rank = definition.ranks[state]
    lifted = progress.highest if state in definition.aborts else rank
    return Progress(state, rank, max(progress.highest, lifted))
