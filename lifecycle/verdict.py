"""Where an event stands in canonical order, and what it means there.

Both are decided by content alone: never by arrival, and never by comparing two
machines' clocks. There are three lanes, folded one after the other:

1. creation   requests and responses by attempt, then untimed births
2. timed      by the provider's clock, rank deciding ties
3. snapshots  everything else, by rank
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from lifecycle.definition import Definition
from lifecycle.event import ACCEPTED, FAILED, REJECTED, Event
from lifecycle.view import Verdict

CREATION: Final = 1
TIMED: Final = 2
SNAPSHOTS: Final = 3

_WITHIN_ATTEMPT: Final = {FAILED: 1, ACCEPTED: 2, REJECTED: 3}

# Later than any provider's clock: absent times come last.
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

Place = tuple[Any, ...]
"""An event's place in canonical order: compare two of them. The first item is the lane."""


def place(definition: Definition, event: Event) -> Place:
    """Return the place of an event: total, and distinct for distinct events of an order."""
    rank = definition.rank(event.trigger)
    if event.kind in ("request", "response"):
        if event.name == ACCEPTED and rank > definition.last_birth_rank:
            return (SNAPSHOTS, rank, event.key, event.digest)
        within = _WITHIN_ATTEMPT.get(event.name, 0)
        return (CREATION, 0, event.attempt or 0, within, event.key, event.digest)
    if event.occurred_at is not None:
        return (TIMED, event.occurred_at, rank, event.key, event.digest)
    if definition.names.get(event.trigger or "") in definition.birth:
        return (CREATION, 1, rank, 0, event.key, event.digest)
    return (SNAPSHOTS, rank, event.key, event.digest)


def supersedes(event: Event, other: Event) -> bool:
    """Tell whether, of two contents under one key, `event` is the one that counts."""
    return _weight(event) < _weight(other)


def _weight(event: Event) -> tuple[datetime, str]:
    return (event.occurred_at or _NEVER, event.digest)


class Standing(NamedTuple):
    """Where an order stands: its state (None before the start) and its highest rank ever."""

    status: str | None = None
    rank: int = -1
    highest: int = -1


def judge(definition: Definition, standing: Standing, event: Event, lane: int) -> Verdict:
    """Return what an event means for an order that stands there: the first row that fits."""
    trigger, status = event.trigger, standing.status
    if trigger in definition.informational:
        return Verdict.NOTED
    target = definition.names.get(trigger) if trigger is not None else None
    if target is None:
        return Verdict.UNRECOGNIZED
    if target == status:
        return Verdict.REPEATED
    rank = definition.ranks[target]
    ahead = rank > standing.rank
    if target in definition.side and not ahead:
        return Verdict.NOTED
    if lane == CREATION and not ahead and standing.rank >= definition.birth_rank:
        return Verdict.STALE if _is_observation(event) else Verdict.NOTED
    if status in definition.terminal:
        lags = event.occurred_at is None or event.kind == "poll"
        return Verdict.STALE if lags and target not in definition.terminal else Verdict.REFUSED
    if lane == SNAPSHOTS and rank <= standing.highest:
        return Verdict.STALE
    if _is_move(definition, status, event):
        reverts = not ahead and event.occurred_at is not None
        return Verdict.REVERTED if reverts else Verdict.APPLIED
    if ahead:
        return Verdict.SKIPPED_AHEAD
    lags = event.kind == "poll" or target in definition.birth
    return Verdict.STALE if lags else Verdict.REFUSED


def _is_observation(event: Event) -> bool:
    return event.kind in ("callback", "poll")


def _is_move(definition: Definition, status: str | None, event: Event) -> bool:
    if status is None:
        return definition.names.get(event.trigger or "") == definition.initial
    return (status, event.trigger) in definition.table


MOVES: Final = frozenset({Verdict.APPLIED, Verdict.SKIPPED_AHEAD, Verdict.REVERTED})
"""Verdicts that change the order's state."""


def overwrites(verdict: Verdict, lane: int) -> bool | None:
    """Tell how an event's details count: True overwrite, False fill gaps, None not at all."""
    if verdict in (Verdict.REFUSED, Verdict.DIVERGENT):
        return None
    if verdict in MOVES:
        return True
    if verdict in (Verdict.STALE, Verdict.UNRECOGNIZED):
        return False
    return lane != SNAPSHOTS
