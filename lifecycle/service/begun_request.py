"""Requests that were begun: what it takes to go on with one, maybe in another process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from lifecycle.core.event import FAILED, Event, Unreadable
from lifecycle.core.identity import is_operation, number_in
from lifecycle.core.strict_json import parse
from lifecycle.errors import InvalidArgumentError, JsonError

_OBJECT: Final = "a JSON object, as every create request is"


@dataclass(frozen=True)
class BegunRequest:
    """The newest create request of an order, as it is stored.

    `context` is what was kept with it, or with the newest one before it that had any; empty
    where that is no JSON object. `begun_at` is when it was recorded first.
    """

    order_id: str
    attempt: int
    begun_at: datetime
    body: bytes = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)


def newest_request(events: Iterable[Event]) -> BegunRequest | None:
    """Return the newest create request among the events of one order; None: there is none.

    Nor is there one of an order that was erased: what is not known any more is not sent again. Of
    several contents of one attempt it is the one that counts for the view.
    """
    requests = [event for event in events if event.kind == "request" and event.attempt]
    if not requests or any(event.erased for event in requests):
        return None
    # The attempt is always there: without one it is the request of an operation.
    newest = min(requests, key=lambda event: (-(event.attempt or 0), event.digest))
    requests.sort(key=lambda event: event.attempt or 0)
    kept = next((event.context for event in reversed(requests) if event.context), None)
    attempt = newest.attempt or 1
    begun_at = min(event.received_at for event in requests if event.attempt == attempt)
    return BegunRequest(newest.order_id, attempt, begun_at, newest.body, _object_in(kept))


def next_number(events: Iterable[Event], operation: str) -> int:
    """Return which request of an operation is the next one of an order.

    Raises:
        InvalidArgumentError: this can name no operation.
    """
    if not is_operation(operation):
        raise InvalidArgumentError("operation", "a short word in lower case, as cancel")
    asked = [each for each in events if each.kind == "request" and each.operation == operation]
    return max([number_in(each.key) or 0 for each in asked], default=0) + 1


def as_request(entry: Event | Unreadable) -> Event:
    """Return the request that an entry is.

    Raises:
        InvalidArgumentError: it is none.
    """
    if isinstance(entry, Event):
        return entry
    wanted = f"one that can be recorded ({entry.reason}: {entry.detail})"
    raise InvalidArgumentError("the request", wanted)


def _object_in(context: bytes | None) -> Mapping[str, Any]:
    try:
        found = None if context is None else parse(context)
    except JsonError:
        return {}
    return found if isinstance(found, dict) else {}


def check_is_object(body: bytes) -> None:
    """Refuse what no provider takes for a create request: it is the caller who is about to send it.

    Raises:
        InvalidArgumentError: it is no JSON object.
    """
    try:
        is_object = isinstance(parse(body), dict)
    except JsonError as wrong:
        raise InvalidArgumentError("body", f"{_OBJECT} ({wrong.why})") from None
    if not is_object:
        raise InvalidArgumentError("body", _OBJECT)


def is_unanswered(events: Iterable[Event], attempt: int, digest: str) -> bool:
    """Tell whether the request of `attempt` has this body and no answer came to it."""
    same = [event for event in events if event.attempt == attempt]
    asked = any(event.kind == "request" and event.digest == digest for event in same)
    answered = any(
        event.kind == "response" and (event.name != FAILED or event.http_status is not None)
        for event in same
    )
    return asked and not answered
