"""The canonical order of a set of events, and what each of them means for the order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .lifecycle import LAST_MILE, Lifecycle
from .recognition import Event
from .strict import printed

ROLES = ("request", "failed", "accepted", "rejected")
NO_NUMBER = 1 << 64
LAST = datetime.max.replace(tzinfo=UTC)

# What a verdict does to the view. In lane 3 "merge" fills in only what is empty.
NOTHING, FILL, MERGE, MILESTONE, MOVE = "nothing", "fill", "merge", "milestone", "move"


def contents(events: Iterable[Event]) -> list[Event]:
    """Return one event for each content under each key: what is stored."""
    return list({(event.key, event.digest): event for event in events}.values())


def divided(
    stored: Iterable[Event], lifecycle: Lifecycle = LAST_MILE
) -> tuple[list[Event], list[Event]]:
    """Return the events that count and the divergent evidence, each in canonical order."""
    by_key: dict[str, list[Event]] = {}
    for event in stored:
        by_key.setdefault(event.key, []).append(event)
    counted, evidence = [], []
    for rivals in by_key.values():
        first, *others = sorted(rivals, key=lambda event: _seniority(event, lifecycle))
        counted.append(first)
        evidence.extend(others)

    def where(event: Event) -> tuple[Any, ...]:
        return place(event, lifecycle)

    return sorted(counted, key=where), sorted(evidence, key=where)


def _seniority(event: Event, lifecycle: Lifecycle) -> tuple[Any, ...]:
    if lifecycle.numbered:
        return NO_NUMBER if event.sequence is None else event.sequence, event.digest
    return event.occurred_at or LAST, event.digest


def is_timed(event: Event, lifecycle: Lifecycle = LAST_MILE) -> bool:
    """Tell whether the provider says when it was; where it numbers, which it was."""
    return (event.sequence if lifecycle.numbered else event.occurred_at) is not None


def lane(event: Event, lifecycle: Lifecycle = LAST_MILE) -> int:
    """Return the lane that an event folds in: creation, timed or snapshots."""
    if event.kind == "request":
        return 3 if event.attempt is None else 1
    if event.kind == "response":
        if event.name != "accepted" or event.state in lifecycle.birth:
            return 1
        return 2 if lifecycle.numbered and is_timed(event, lifecycle) else 3
    if is_timed(event, lifecycle):
        return 2
    return 1 if event.state in lifecycle.birth else 3


def place(event: Event, lifecycle: Lifecycle = LAST_MILE) -> tuple[Any, ...]:
    """Return what an event is sorted by; only like is ever compared with like."""
    ranks = lifecycle.rank
    rank = len(ranks) if event.state is None else ranks[event.state]
    identity = (event.key, event.digest)
    number = lane(event, lifecycle)
    if number == 2:
        return (2, event.sequence if lifecycle.numbered else event.occurred_at, rank, *identity)
    if number == 3:
        return (3, rank, *identity)
    if event.kind == "request":
        return (1, "exchanges", event.attempt, ROLES.index("request"), *identity)
    if event.kind == "response":
        return (1, "exchanges", event.attempt, ROLES.index(event.name), *identity)
    return (1, "snapshots", rank, *identity)


def judge(  # noqa: C901 - the table has this many rows
    event: Event, here: str | None, ever: int, lifecycle: Lifecycle = LAST_MILE
) -> tuple[str, str]:
    """Return (verdict, effect): the first row of the table that fits.

    `here` is the current state, none before the start; `ever` is the highest rank of any
    state the order ever entered, aborts apart, -1 if there was none.
    """
    there, ranks, terminal = event.state, lifecycle.rank, lifecycle.terminal
    current = -1 if here is None else ranks[here]
    known_at = min(ranks[state] for state in lifecycle.birth)
    exchange = event.kind in {"request", "response"}
    timed = is_timed(event, lifecycle)
    birth_lag = event.kind == "poll" or there in lifecycle.birth

    if event.informational:
        return "noted", MERGE
    if there is None:
        return "unrecognized", FILL

    target = ranks[there]
    moves = there == lifecycle.states[0] if here is None else (here, there) in lifecycle.moves

    if there == here:
        return "repeated", MERGE
    if there in lifecycle.side and target < current:
        return "noted", MILESTONE
    if lane(event, lifecycle) == 1 and current >= known_at and current > target:
        return ("noted", MERGE) if exchange else ("stale", FILL)
    if (not timed or event.kind == "poll") and there not in terminal and here in terminal:
        return "stale", FILL
    if here in terminal:
        return "refused", NOTHING
    if lane(event, lifecycle) == 3 and target <= ever:
        return "stale", FILL
    if moves and timed and target < current:
        return "reverted", MOVE
    if moves:
        return "applied", MOVE
    if target > current:
        return "skipped_ahead", MOVE
    if birth_lag and target < current:
        return "stale", FILL
    return "refused", NOTHING


@dataclass
class Fold:
    """What is known after some events were judged, one after the other."""

    lifecycle: Lifecycle = LAST_MILE
    here: str | None = None
    ever: int = -1
    details: dict[str, object] = field(default_factory=dict)
    path: list[dict[str, str | None]] = field(default_factory=list)
    milestones: list[dict[str, str | None]] = field(default_factory=list)
    anomalies: set[tuple[str, str]] = field(default_factory=set)
    lines: list[dict[str, str | None]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Judge the next event in canonical order."""
        before = self.here
        verdict, effect = judge(event, self.here, self.ever, self.lifecycle)
        if effect == MOVE:
            self._enter(event)
        if effect == MILESTONE:
            self.milestones.append(_stop("name", event))
        self._learn(event, effect)
        if verdict in {"refused", "unrecognized"}:
            self.anomalies.add((verdict, event.key))
        self.anomalies.update((problem, event.key) for problem in event.problems)
        self.lines.append(_line(event, verdict, before, self.here))

    def set_aside(self, event: Event) -> None:
        """Keep a content that lost its key as evidence, and nothing else of it."""
        self.anomalies.add(("divergent", event.key))
        self.lines.append(_line(event, "divergent", None, None))

    def _enter(self, event: Event) -> None:
        assert event.state is not None
        self.here = event.state
        self.path.append(_stop("status", event))
        if event.state not in self.lifecycle.aborts:
            self.ever = max(self.ever, self.lifecycle.rank[event.state])

    def _learn(self, event: Event, effect: str) -> None:
        fills = effect == FILL or (
            lane(event, self.lifecycle) == 3 and effect in {MERGE, MILESTONE}
        )
        if effect == NOTHING:
            return
        for name, value in event.details.items():
            if not fills or name not in self.details:
                self.details[name] = value


def fold(stored: Iterable[Event], lifecycle: Lifecycle = LAST_MILE) -> tuple[Fold, list[Event]]:
    """Return what is known after all events, and those that counted in canonical order."""
    counted, evidence = divided(stored, lifecycle)
    known = Fold(lifecycle)
    for event in counted:
        known.take(event)
    for event in evidence:
        known.set_aside(event)
    return known, counted


def _stop(label: str, event: Event) -> dict[str, str | None]:
    return {label: event.state, "at": printed(event.occurred_at), "event": event.key}


def _line(
    event: Event, verdict: str, before: str | None, after: str | None
) -> dict[str, str | None]:
    return {
        "name": event.name,
        "kind": event.kind,
        "key": event.key,
        "verdict": verdict,
        "from": before,
        "to": after,
        "occurred_at": printed(event.occurred_at),
    }
