"""Why an event got its verdict, as a plain sentence for people."""

from __future__ import annotations

from typing import Final

from lifecycle.core.definition import Definition
from lifecycle.core.event import FAILED, POLL_FAILED, Event
from lifecycle.core.verdict import CREATION, SNAPSHOTS
from lifecycle.core.view import Verdict

INFORMS: Final = "informs and never changes the state"
"""How the reason ends for a name that is informational."""

_LONGEST_SHOWN: Final = 48
_LONGEST_KEY: Final = 96


def shown(text: str | None, longest: int = _LONGEST_SHOWN) -> str:
    """Return a provider's word quoted, harmless and short."""
    if text is None:
        return "the start"
    return ascii(text if len(text) <= longest else text[:longest] + "...")


def shown_key(key: str) -> str:
    """Return a key quoted, harmless, and whole where the provider's word and id are usual ones."""
    return shown(key, _LONGEST_KEY)


def reason(
    definition: Definition, event: Event, verdict: Verdict, status: str | None, lane: int
) -> str:
    """Return the sentence for a verdict on `event` in state `status`."""
    target = definition.state(event.trigger)
    to, here = shown(target), shown(status)
    match verdict:
        case Verdict.APPLIED:
            return f"the definition has the move from {here} to {to}"
        case Verdict.SKIPPED_AHEAD:
            return f"{to} lies ahead of {here}: steps between were not seen, or not in this order"
        case Verdict.REVERTED:
            return f"a declared step back from {here} to {to}, by the provider's clock"
        case Verdict.REPEATED:
            return f"the order already stood at {here}; this is another event that says so"
        case Verdict.NOTED:
            return _why_noted(definition, event, target, status)
        case Verdict.STALE:
            return _why_stale(definition, target, status, lane)
        case Verdict.REFUSED:
            return _why_refused(definition, target, status)
        case Verdict.UNRECOGNIZED:
            return f"the definition does not know {shown(event.name)} from the provider"
        case Verdict.DIVERGENT:
            return f"another content was counted under the key {shown_key(event.key)}"


def _why_noted(definition: Definition, event: Event, target: str | None, status: str | None) -> str:
    if event.name in (FAILED, POLL_FAILED):
        return _why_failed(event)
    if event.kind == "request" and event.operation is not None:
        return f"we asked for {shown(event.operation)}: what it came to, answers and callbacks say"
    if event.trigger in definition.informational:
        return f"{shown(event.name)} {INFORMS}"
    if target in definition.side:
        return f"{shown(target)} beside the way: the order was already at {shown(status)}"
    return f"the provider already had the order, at {shown(status)}"


def _why_failed(event: Event) -> str:
    answer = "no answer came" if event.http_status is None else f"HTTP {event.http_status}"
    if event.name == POLL_FAILED:
        return f"{answer}: this look at the order shows no state"
    if event.fate == "not_reached":
        return f"{answer}: the request never reached validation, and may be sent again"
    return f"{answer}: nobody knows yet what became of the request"


def _why_stale(definition: Definition, target: str | None, status: str | None, lane: int) -> str:
    if status in definition.terminal:
        return f"the order had ended at {shown(status)} and this says no more than an older state"
    if lane in (CREATION, SNAPSHOTS):
        return f"an undated observation of {shown(target)}, which the order had already passed"
    return f"an observation of {shown(target)} that lags behind {shown(status)}"


def _why_refused(definition: Definition, target: str | None, status: str | None) -> str:
    if status in definition.terminal:
        return f"the order had ended at {shown(status)}; {shown(target)} cannot follow"
    return f"the definition has no move from {shown(status)} back to {shown(target)}"
