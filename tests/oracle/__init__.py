"""A second implementation of an order's view, for the tests to hold the first against.

It is written from the rules alone and as naively as they read: it imports nothing of what it
judges, stores nothing, and takes recordings, the dicts that stand in a line of JSON.

    identify(recording)   the event it is, or the reason of its quarantine
    erased(recordings)    the same of an order whose bodies were erased
    view(recordings)      what `show --json` prints of one order, but for `arrival`, `definition`,
                          `digest` and the anomalies' `detail`, a text for people
    history(recordings)   what `history --json` prints, but for `reason`, `received_at`, `sha256`
    totals(recordings)    how many would be appended, duplicate, divergent and quarantined

`view_of`, `erased_view_of`, `history_of` and `totals_of` take events that are already identified,
of another provider too: `lifecycle` has what is written by hand of each, and `peers` reads their
recordings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .judging import Fold, contents, fold
from .lifecycle import LAST_MILE, Lifecycle
from .recognition import Event, Recording, identify

__all__ = [
    "Event",
    "erased",
    "erased_view_of",
    "history",
    "history_of",
    "identify",
    "totals",
    "totals_of",
    "view",
    "view_of",
]

NEVER_VALIDATED = {401, 403, 429}


def view(recordings: Iterable[Recording]) -> dict[str, Any]:
    """Return the view of the one order that these recordings are about."""
    return view_of(_identified(recordings))


def erased(recordings: Iterable[Recording]) -> dict[str, Any]:
    """Return the view of the one order that these recordings are about, once it was erased."""
    return erased_view_of(_identified(recordings))


def history(recordings: Iterable[Recording]) -> list[dict[str, Any]]:
    """Return every event of the one order in canonical order, then the divergent evidence."""
    return history_of(_identified(recordings))


def totals(recordings: Iterable[Recording]) -> dict[str, int]:
    """Return the outcomes of appending these recordings, whatever their order."""
    return totals_of(identify(recording) for recording in recordings)


def totals_of(identified: Iterable[Event | str]) -> dict[str, int]:
    """Return the same of what was identified, or put in quarantine for a reason."""
    found = [*identified]
    events = [event for event in found if isinstance(event, Event)]
    keys = {(event.order_id, event.key) for event in events}
    stored = {(event.order_id, event.key, event.digest) for event in events}
    return {
        "appended": len(keys),
        "duplicate": len(events) - len(stored),
        "divergent": len(stored) - len(keys),
        "quarantined": len(found) - len(events),
    }


def history_of(events: Iterable[Event], lifecycle: Lifecycle = LAST_MILE) -> list[dict[str, Any]]:
    """Return the history that these events make."""
    return fold(contents(events), lifecycle)[0].lines


def view_of(events: Iterable[Event], lifecycle: Lifecycle = LAST_MILE) -> dict[str, Any]:
    """Return the view that these events make; a `LookupError` if they are not about one order."""
    stored = contents(events)
    orders = {event.order_id for event in stored}
    if len(orders) != 1:
        raise LookupError(f"found {len(orders)} orders, expected 1")
    known, counted = fold(stored, lifecycle)
    status = known.here or lifecycle.states[0]
    grouped = {
        group: {name: known.details.get(name) for name in names}
        for group, names in lifecycle.grouped.items()
    }
    return {
        "order_id": orders.pop(),
        "status": status,
        "terminal": status in lifecycle.terminal,
        "attempt": _newest_attempt(counted),
        **{name: known.details.get(name) for name in lifecycle.fields},
        **grouped,
        "errors": _errors(known, counted),
        "awaiting": _awaiting(status, counted, lifecycle),
        "path": known.path,
        "missing": _missing(known, counted),
        "milestones": known.milestones,
        "anomalies": [{"code": code, "events": [key]} for code, key in sorted(known.anomalies)],
        "events": len(stored),
    }


def erased_view_of(events: Iterable[Event], lifecycle: Lifecycle = LAST_MILE) -> dict[str, Any]:
    """Return the view that these events make once their order was erased."""
    told, grouped = list(events), lifecycle.grouped
    unsaid = {"message": None, "code": None, "key": None}
    known, counted = fold(contents(told), lifecycle)
    bare = [event for event in counted if event.name in {"failed", "rejected"}]
    newest = _newest_attempt(bare)
    return {
        **view_of(told, lifecycle),
        **dict.fromkeys(lifecycle.fields),
        **{group: dict.fromkeys(names) for group, names in grouped.items()},
        "errors": [
            {**unsaid, "http_status": each.http_status, "correctable": each.name == "rejected"}
            for each in bare
            if each.attempt == newest and _errors(known, counted)
        ],
        "erased": True,
    }


def _identified(recordings: Iterable[Recording]) -> list[Event]:
    found = (identify(recording) for recording in recordings)
    return [event for event in found if isinstance(event, Event)]


def _newest_attempt(events: Iterable[Event]) -> int:
    return max((event.attempt for event in events if event.attempt is not None), default=0)


def _errors(known: Fold, events: list[Event]) -> list[Any]:
    states, rank = known.lifecycle.states, known.lifecycle.rank
    had = states[min(map(states.index, known.lifecycle.birth)) : rank[known.lifecycle.goal] + 1]
    if any(stop["status"] in had for stop in known.path):
        return []
    bad = [event for event in events if event.name in {"failed", "rejected"} and event.errors]
    newest = _newest_attempt(bad)
    return [dict(entry) for event in bad if event.attempt == newest for entry in event.errors]


def _missing(known: Fold, events: list[Event]) -> list[str]:
    named = {event.state for event in events}
    main_line, rank = known.lifecycle.main_line, known.lifecycle.rank
    return [state for state in main_line if rank[state] < known.ever and state not in named]


def _awaiting(status: str, events: list[Event], lifecycle: Lifecycle) -> list[str]:
    rank, heard = lifecycle.rank, list(lifecycle.heard)
    if status in lifecycle.terminal:
        return []
    if heard and status in {"requested", "resubmitted"}:
        return _awaiting_an_answer(events, lifecycle)
    if heard and status == "validation_failed":
        return ["correction", *(heard if _went_unanswered(events, lifecycle) else [])]
    if status in lifecycle.awaited:
        return list(lifecycle.awaited[status])
    ahead = [s for s in (*lifecycle.main_line, lifecycle.goal) if rank[s] > rank[status]]
    return ahead[:1]


def _awaiting_an_answer(events: list[Event], lifecycle: Lifecycle) -> list[str]:
    newest = _newest_attempt(events)
    failures = [
        event.http_status
        for event in events
        if event.name == "failed" and event.kind == "response" and event.attempt == newest
    ]
    resend = any(code in NEVER_VALIDATED or _is_redirect(code) for code in failures)
    unknown = lifecycle.perhaps_created
    perhaps = any(code in unknown or _is_server_error(code) for code in failures)
    found = ["resend"] * resend + list(lifecycle.heard) * perhaps
    return found or ["response"]


def _went_unanswered(events: list[Event], lifecycle: Lifecycle) -> bool:
    """Tell whether nobody knows what became of an attempt before the newest.

    A timeout, a 408 and a server error leave that open; so does a request without a trace
    of an answer. One that was turned away before validation does not.
    """
    newest, unknown = _newest_attempt(events), lifecycle.perhaps_created
    for attempt in {event.attempt for event in events if event.attempt is not None}:
        names = {event.name for event in events if event.attempt == attempt}
        codes = [e.http_status for e in events if e.attempt == attempt and e.name == "failed"]
        perhaps = any(code in unknown or _is_server_error(code) for code in codes)
        turned_away = any(code in NEVER_VALIDATED or _is_redirect(code) for code in codes)
        open_end = perhaps or not turned_away
        if attempt < newest and not names & {"accepted", "rejected"} and open_end:
            return True
    return False


def _is_redirect(status: int | None) -> bool:
    return status is not None and 300 <= status <= 399


def _is_server_error(status: int | None) -> bool:
    return status is not None and 500 <= status <= 599
