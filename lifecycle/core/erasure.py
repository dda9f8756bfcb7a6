"""What is left of an event once its body was erased: all that its header says, and no more."""

from __future__ import annotations

from lifecycle.core.event import ACCEPTED, FAILED, NOTHING, Event, Fault
from lifecycle.core.response import fate_of

_ONE_ERROR = (Fault(),)


def as_erased(event: Event) -> Event:
    """Return an event without its body, its context, and what was read in them.

    A response that was not accepted keeps one error, of which the HTTP status is known.
    """
    is_refusal = event.kind == "response" and event.name != ACCEPTED
    return event._replace(
        body=b"",
        context=None,
        details=NOTHING,
        faults=_ONE_ERROR if is_refusal else (),
        fate=fate_of(event.http_status) if is_refusal and event.name == FAILED else None,
        erased=True,
    )
