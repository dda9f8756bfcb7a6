"""The canonical order of a set of events, and what each of them means for the order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .recognition import Event
from .strict import printed
from .words import BIRTH, MOVES, RANK, SIDE, TERMINAL

RANKLESS = len(RANK)
ROLES = ("request", "failed", "accepted", "rejected")
CANCELED = "canceled"
LAST = datetime.max.replace(tzinfo=UTC)

# What a verdict does to the view. In lane 3 "merge" fills in only what is empty.
NOTHING, FILL, MERGE, MILESTONE, MOVE = "nothing", "fill", "merge", "milestone", "move"


def contents(events: Iterable[Event]) -> list[Event]:
    """Return one event for each content under each key: what is stored."""
    return list({(event.key, event.digest): event for event in events}.values())


def divided(stored: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events that count and the divergent evidence, each in canonical order."""
    by_key: dict[str, list[Event]] = {}
    for event in stored:
        by_key.setdefault(event.key, []).append(event)
    counted, evidence = [], []
    for rivals in by_key.values():
        first, *others = sorted(rivals, key=_seniority)
        counted.append(first)
        evidence.extend(others)
    return sorted(counted, key=place), sorted(evidence, key=place)


def _seniority(event: Event) -> tuple[bool, datetime, str]:
    return event.occurred_at is None, event.occurred_at or LAST, event.digest


def lane(event: Event) -> int:
    """Return the lane that an event folds in: creation, timed or snapshots."""
    if event.kind in {"request", "response"}:
        beyond_birth = event.name == "accepted" and event.state not in BIRTH
        return 3 if beyond_birth else 1
    if event.occurred_at is not None:
        return 2
    return 1 if event.state in BIRTH else 3


def place(event: Event) -> tuple[Any, ...]:
    """Return what an event is sorted by; only like is ever compared with like."""
    rank = RANKLESS if event.state is None else RANK[event.state]
    identity = (event.key, event.digest)
    number = lane(event)
    if number == 2:
        return (2, event.occurred_at, rank, *identity)
    if number == 3:
        return (3, rank, *identity)
    if event.kind == "request":
        return (1, "exchanges", event.attempt, ROLES.index("request"), *identity)
    if event.kind == "response":
        return (1, "exchanges", event.attempt, ROLES.index(event.name), *identity)
    return (1, "snapshots", rank, *identity)


def judge(event: Event, here: str | None, ever: int) -> tuple[str, str]:  # noqa: C901 - the table has this many rows
    """Return (verdict, effect): the first row of the table that fits.

    `here` is the current state, none before the start; `ever` is the highest rank of any
    state the order ever entered, `canceled` apart, -1 if there was none.
    """
    there = event.state
    current = -1 if here is None else RANK[here]
    exchange = event.kind in {"request", "response"}
    timed = event.occurred_at is not None
    birth_lag = event.kind == "poll" or there in BIRTH

    if event.informational:
        return "noted", MERGE
    if there is None:
        return "unrecognized", FILL

    target = RANK[there]
    moves = there == "requested" if here is None else (here, there) in MOVES

    if there == here:
        return "repeated", MERGE
    if there in SIDE and target < current:
        return "noted", MILESTONE
    if lane(event) == 1 and current >= RANK["created"] and current > target:
        return ("noted", MERGE) if exchange else ("stale", FILL)
    if (not timed or event.kind == "poll") and there not in TERMINAL and here in TERMINAL:
        return "stale", FILL
    if here in TERMINAL:
        return "refused", NOTHING
    if lane(event) == 3 and target <= ever:
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

    here: str | None = None
    ever: int = -1
    details: dict[str, str | bool] = field(default_factory=dict)
    path: list[dict[str, str | None]] = field(default_factory=list)
    milestones: list[dict[str, str | None]] = field(default_factory=list)
    anomalies: set[tuple[str, str]] = field(default_factory=set)
    lines: list[dict[str, str | None]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Judge the next event in canonical order."""
        before = self.here
        verdict, effect = judge(event, self.here, self.ever)
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
        if event.state != CANCELED:
            self.ever = max(self.ever, RANK[event.state])

    def _learn(self, event: Event, effect: str) -> None:
        fills = effect == FILL or (lane(event) == 3 and effect in {MERGE, MILESTONE})
        if effect == NOTHING:
            return
        for name, value in event.details.items():
            if not fills or name not in self.details:
                self.details[name] = value


def fold(stored: Iterable[Event]) -> tuple[Fold, list[Event]]:
    """Return what is known after all events, and those that counted in canonical order."""
    counted, evidence = divided(stored)
    known = Fold()
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
