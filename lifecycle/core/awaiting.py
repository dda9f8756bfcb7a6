"""What an order waits for, and what it missed: read off its state and its events."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, REJECTED, Event


def awaiting(
    definition: Definition, status: str, attempt: int, events: Collection[Event]
) -> tuple[str, ...]:
    """Return what is expected next of an order at `status`; nothing once it ended."""
    if status in definition.terminal:
        return ()
    awaits = definition.awaits.get(status)
    if awaits is None:
        ranks = definition.ranks
        ahead = [state for state in definition.main_line if ranks[state] > ranks[status]]
        return (ahead[0],) if ahead else () if definition.goal is None else (definition.goal,)
    fates = {event.fate for event in events if event.attempt == attempt}
    instead = (
        *(awaits.not_reached if "not_reached" in fates else ()),
        *(awaits.unknown if "unknown" in fates else ()),
    )
    expected = instead or awaits.usual
    if awaits.unanswered_before and _earlier_unanswered(attempt, events):
        expected += awaits.unanswered_before
    return expected


def missing(definition: Definition, highest: int, events: Iterable[Event]) -> tuple[str, ...]:
    """Return the main-line states below the highest rank entered that no event names."""
    ranks, names = definition.ranks, definition.names
    triggers = {event.trigger for event in events}
    named = {names[trigger] for trigger in triggers if trigger is not None and trigger in names}
    return tuple([s for s in definition.main_line if s not in named and ranks[s] < highest])


def _earlier_unanswered(newest: int, events: Collection[Event]) -> bool:
    """Tell whether an attempt before `newest` was sent and nobody knows what became of it."""
    earlier: dict[int, set[str]] = {}
    for event in events:
        if event.attempt is not None and event.attempt < newest:
            earlier.setdefault(event.attempt, set()).add(_answer(event))
    return any(
        not answers & {ACCEPTED, REJECTED}
        and ("unknown" in answers or "not_reached" not in answers)
        for answers in earlier.values()
    )


def _answer(event: Event) -> str:
    return event.fate or event.name
