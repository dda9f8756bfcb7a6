"""Requests that were begun: what a service needs to go on with one, even in another process.

The engine of `resume` is passed in, as it calls the provider: here are its options and result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from lifecycle.core.event import FAILED, Event, Unreadable
from lifecycle.core.identity import is_operation, number_in
from lifecycle.core.strict_json import parse
from lifecycle.errors import InvalidArgumentError, JsonError

_OBJECT: Final = "a JSON object, as every create request is"


@dataclass(frozen=True)
class BegunRequest:
    """The newest create request of an order, as it is stored.

    `context` was stored with it, or with the newest earlier request that has one; it is empty if
    it is not a JSON object. `begun_at` is when this attempt was first received.
    """

    order_id: str
    attempt: int
    begun_at: datetime
    body: bytes = field(repr=False)
    context: Mapping[str, Any] = field(repr=False)


def newest_request(events: Iterable[Event]) -> BegunRequest | None:
    """Return the newest create request among the events of one order, or None.

    An erased order has none: its body is gone, so it cannot be sent again. If one attempt has
    several contents, it is the one that counts for the view.
    """
    requests = [event for event in events if event.kind == "request" and event.attempt]
    if not requests or any(event.erased for event in requests):
        return None
    # A create request always has an attempt; the request of an operation has none.
    newest = min(requests, key=lambda event: (-(event.attempt or 0), event.digest))
    requests.sort(key=lambda event: event.attempt or 0)
    kept = next((event.context for event in reversed(requests) if event.context), None)
    attempt = newest.attempt or 1
    begun_at = min(event.received_at for event in requests if event.attempt == attempt)
    return BegunRequest(newest.order_id, attempt, begun_at, newest.body, _object_in(kept))


def next_number(events: Iterable[Event], operation: str) -> int:
    """Return the number of the next request of an operation.

    Raises:
        InvalidArgumentError: `operation` is not the name of an operation.
    """
    if not is_operation(operation):
        raise InvalidArgumentError("operation", "a short word in lower case, as cancel")
    asked = [each for each in events if each.kind == "request" and each.operation == operation]
    return max([number_in(each.key) or 0 for each in asked], default=0) + 1


def as_request(entry: Event | Unreadable) -> Event:
    """Return an entry that must be a request.

    Raises:
        InvalidArgumentError: it could not be read as one.
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
    """Refuse a body that no provider accepts as a create request, before the caller sends it.

    Raises:
        InvalidArgumentError: it is not a JSON object.
    """
    try:
        is_object = isinstance(parse(body), dict)
    except JsonError as wrong:
        raise InvalidArgumentError("body", f"{_OBJECT} ({wrong.why})") from None
    if not is_object:
        raise InvalidArgumentError("body", _OBJECT)


def is_unanswered(events: Iterable[Event], attempt: int, digest: str) -> bool:
    """Tell whether the request of `attempt` has this body and no answer."""
    same = [event for event in events if event.attempt == attempt]
    asked = any(event.kind == "request" and event.digest == digest for event in same)
    answered = any(
        event.kind == "response" and (event.name != FAILED or event.http_status is not None)
        for event in same
    )
    return asked and not answered


class ResumeOptions(TypedDict, total=False):
    """The options of `resume`.

    `settle_after`: how long a request may be on its way; 60 seconds by default, and never less
    than one exchange of the client takes. `begun_within`: requests begun longer ago are only
    looked up, never sent again; an hour by default. `at_once`: how many orders are handled at a
    time; 4 by default. `now`: the time, by default the current one. `on_result`: is called with
    the id and the `CreationOutcome` of each order, from any thread; what it raises is logged.
    """

    settle_after: timedelta
    begun_within: timedelta
    at_once: int
    now: datetime | None
    on_result: Callable[[str, Any], object] | None


@dataclass(frozen=True)
class Resumed:
    """The result of one pass over the create requests whose outcome is not known.

    Attributes:
        begun: orders of unknown outcome.
        created: of these, at the provider.
        correctable: rejected.
        refused: ended otherwise.
        unknown: still not known.
        waiting: left alone: something about them arrived lately, compared with how long ago they
            were begun.
        failed: met an error on our side.
        why: the type of that error.
    """

    begun: int = 0
    created: int = 0
    correctable: int = 0
    refused: int = 0
    unknown: int = 0
    waiting: int = 0
    failed: int = 0
    why: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the outcome of every request is known now."""
        return not (self.unknown or self.waiting or self.failed)
