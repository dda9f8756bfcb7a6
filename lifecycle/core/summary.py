"""What a folded order shows: its view, put together from what its events came to."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import structs
from pydantic import TypeAdapter

from lifecycle.core.awaiting import awaiting, missing
from lifecycle.core.definition import Definition
from lifecycle.core.erasure import as_erased
from lifecycle.core.event import FAILED, REJECTED, Event, Value, recordings_of
from lifecycle.core.reason import reason, shown_key
from lifecycle.core.verdict import ODD, SortKey, Stage
from lifecycle.core.view import Anomaly, OrderError, OrderView, Verdict
from lifecycle.errors import MixedOrdersError


class Entered(Value, frozen=True, gc=False):
    """One step of a path, or a milestone, as `Step` shows it; cheap to make and to compare."""

    status: str
    at: datetime | None
    event: str


class Judged(NamedTuple):
    """One event with its verdict, and the states before and after it."""

    event: Event
    lane: int
    verdict: Verdict
    before: str | None
    after: str | None


T = TypeVar("T")

Placed = Sequence[tuple[SortKey, T]]
"""What events come to, each item with the place of its event, in canonical order."""


class Folded(NamedTuple):
    """The events of one order in canonical order, and what they came to.

    `evidence` are the contents that lost their key, `stage` is where the order stands, `odd`
    are the events that somebody should look at.
    """

    definition: Definition
    events: Sequence[Event]
    evidence: Collection[Event]
    stage: Stage
    path: Placed[Entered]
    milestones: Placed[Entered]
    odd: Placed[Judged]
    details: Mapping[str, Any]


_validated: Final[Callable[[Mapping[str, Any]], OrderView]] = TypeAdapter(
    OrderView
).validator.validate_python


def summarize(folded: Folded) -> OrderView:
    """Return the view of a folded order.

    Raises:
        MixedOrdersError: there are no events.
    """
    if not folded.events:
        raise MixedOrdersError(())
    erased = True in [event.erased for event in (*folded.events, *folded.evidence)]
    if erased:
        folded = folded._replace(events=[*map(as_erased, folded.events)], details={})
    events, definition, stage = folded.events, folded.definition, folded.stage
    status = stage.status or definition.initial
    attempt = max([event.attempt or 0 for event in events])
    # Nested values are made in the same call: made one by one, the calls would cost the most.
    return _validated(
        {
            "order_id": events[0].order_id,
            "provider": events[0].provider,
            "status": status,
            "terminal": status in definition.terminal,
            "attempt": attempt,
            "details": definition.details.model_validate(folded.details),
            "errors": _errors(folded) if stage.highest < definition.birth_rank else (),
            "awaiting": awaiting(definition, status, attempt, events),
            "path": [{"status": e.status, "at": e.at, "event": e.event} for _, e in folded.path],
            "missing": missing(definition, stage.highest, events),
            "milestones": [
                {"name": e.status, "at": e.at, "event": e.event} for _, e in folded.milestones
            ],
            "anomalies": _anomalies(folded) if folded.odd or folded.evidence else (),
            "events": len(events) + len(folded.evidence),
            "definition": definition.fingerprint,
            "erased": erased,
            "arrival": _arrivals(folded),
        }
    )


def why(definition: Definition, judged: Judged) -> str:
    """Return why an event got its verdict, as a sentence for people."""
    return reason(definition, judged.event, judged.verdict, judged.before, judged.lane)


def _errors(folded: Folded) -> tuple[OrderError, ...]:
    failed = [event for event in folded.events if event.name in (REJECTED, FAILED)]
    newest = max((event.attempt or 0 for event in failed), default=None)
    return tuple(
        OrderError(
            **structs.asdict(fault),
            http_status=event.http_status,
            correctable=event.name == REJECTED,
        )
        for event in failed
        if event.attempt == newest
        for fault in event.faults
    )


def _anomalies(folded: Folded) -> tuple[Anomaly, ...]:
    found: dict[tuple[str, str], str] = {}
    for _, judged in folded.odd:
        event, code = judged.event, ODD.get(judged.verdict)
        if code is not None:
            found[code, event.key] = why(folded.definition, judged)
        for problem in event.problems:
            found.setdefault((problem, event.key), _detail(folded.definition, problem))
    for event in folded.evidence:
        found["divergent", event.key] = (
            f"several contents came under the key {shown_key(event.key)}; one of them counts"
        )
    return tuple(
        Anomaly(code=code, detail=found[code, key], events=(key,)) for code, key in sorted(found)
    )


def _arrivals(folded: Folded) -> dict[str, Any]:
    """Return what `Arrivals` shows."""
    events = [*folded.events, *folded.evidence] if folded.evidence else folded.events
    received = [event.received_at for event in events]
    recordings = recordings_of(events)
    waiting_since = None
    if folded.path:
        _, last = folded.path[-1]
        waiting_since = last.at or next(e.received_at for e in events if e.key == last.event)
    late, earliest_behind = 0, math.inf
    for event in reversed(folded.events):
        version = event.version
        if version is not None and version > earliest_behind:
            late += 1
        elif version is not None:
            earliest_behind = version
    return {
        "first_received_at": min(received),
        "last_received_at": max(received),
        "version": max([event.version or 0 for event in events]),
        "late": late,
        "waiting_since": waiting_since or min(received),
        "delayed": recordings.count("delayed"),
        "replayed": recordings.count("replayed"),
    }


def _detail(definition: Definition, problem: str) -> str:
    """Return the sentence for what is odd about an event; a code of old may have none today."""
    return _DETAILS.get(problem) or definition.anomalies.get(problem) or "the provider found it odd"


_DETAILS: Final[Mapping[str, str]] = {
    "bad_time": "the event's time is no RFC 3339 time with a zone from 2000 to 2099, so it counts "
    "as undated",
    "unreadable_body": "the order was accepted, but the answer is no JSON object",
    "unrecognized": "the order was accepted with a status that the definition does not know",
}
