"""Recordings of this provider for tests, one function for each kind.

    [request(), accepted(), callback("brand_new", at=9), callback("at_store", at=60)]

A time is a datetime with a zone, RFC 3339 text, or seconds after `STARTS_AT`. The same call
gives the same recording; the people are invented.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lifecycle.core.event import ACCEPTED, FAILED, POLL_FAILED, REJECTED, REQUESTED, RESUBMITTED
from lifecycle.core.instant import format_instant, parse_instant
from lifecycle.providers.instacart.error_bodies import error_body
from lifecycle.providers.instacart.sample_orders import STARTS_AT
from lifecycle.simulator.http import http_date
from lifecycle.simulator.samples import Recording

ORDER: Final = "xyz123456"
"""The default order."""

Time = datetime | str | float

error: Final = error_body

_STEP: Final = timedelta(minutes=1)
_REQUESTED: Final = {
    "location_code": "1003",
    "locale": "en-US",
    "first_name": "Kamal",
    "last_name": "Singh",
    "user_phone": "800-555-0101",
    "items_count": 12,
}


def request(
    order_id: str = ORDER, *, attempt: int = 1, received_at: Time = 0, **fields: Any
) -> Recording:
    """Return a create request; a later attempt has a corrected body."""
    corrected = {} if attempt == 1 else {"bags_count": attempt}
    body = {"order_id": order_id, **_REQUESTED, **corrected, **fields}
    return _recording("request", received_at, order_id=order_id, attempt=attempt, body=body)


def response(
    http_status: int | None,
    body: Any = None,
    *,
    order_id: str = ORDER,
    attempt: int = 1,
    exchange_id: str | None = None,
    received_at: Time = 1,
) -> Recording:
    """Return the response to a create request; `http_status` None: no answer came."""
    fields = {"order_id": order_id, "attempt": attempt, "http_status": http_status}
    if exchange_id is not None:
        fields["exchange_id"] = exchange_id
    return _recording("response", received_at, **fields, body=body)


def accepted(
    order_id: str = ORDER,
    *,
    attempt: int = 1,
    status: str = "created",
    received_at: Time = 1,
    **order: Any,
) -> Recording:
    """Return a response that accepts the order."""
    body = {"id": order_id, "status": status, **order}
    return response(200, body, order_id=order_id, attempt=attempt, received_at=received_at)


def rejected(
    order_id: str = ORDER,
    *,
    attempt: int = 1,
    key: str = "address",
    code: int | None = 1001,
    received_at: Time = 1,
) -> Recording:
    """Return a response that names one error to correct."""
    body = error("Required parameter missing or invalid", code, key)
    return response(400, body, order_id=order_id, attempt=attempt, received_at=received_at)


def unanswered(order_id: str = ORDER, *, attempt: int = 1, received_at: Time = 10) -> Recording:
    """Return the fact that no answer came to a request."""
    return response(None, order_id=order_id, attempt=attempt, received_at=received_at)


def callback(
    name: str,
    *,
    at: Time | None,
    order_id: str = ORDER,
    event_id: int | str | None = None,
    received_at: Time | None = None,
    **metadata: Any,
) -> Recording:
    """Return a callback in an envelope; `at` is the provider's time, None for none.

    Without `event_id` its name and time determine one.
    """
    when = None if at is None else _text(at)
    body: Recording = {
        "event_id": _event_id(order_id, name, when) if event_id is None else event_id,
        "event_name": name if "." in name else f"fulfillment.{name}",
        "event_timestamp": when,
        "event_metadata": {"order_id": order_id, **metadata},
    }
    if when is None:
        del body["event_timestamp"]
    return _recording("callback", _time_of_receipt(at, received_at), body=body)


def flat(status: str, *, order_id: str = ORDER, received_at: Time = 0, **order: Any) -> Recording:
    """Return a callback that is the order object itself: a snapshot, without id and time."""
    return _recording("callback", received_at, body={"id": order_id, "status": status, **order})


def poll(
    status: str | None,
    *,
    at: Time | None = None,
    http_status: int | None = 200,
    order_id: str = ORDER,
    received_at: Time | None = None,
    **order: Any,
) -> Recording:
    """Return a poll of the order; `at` is its `Date`, in whole seconds."""
    body = {"id": order_id, "status": status, **order} if status else None
    fields: Recording = {"order_id": order_id, "http_status": http_status}
    if at is not None:
        fields["headers"] = {"date": http_date(_moment(at))}
    return _recording("poll", _time_of_receipt(at, received_at), **fields, body=body)


def recordings_for(
    names: Iterable[str], *, order_id: str = ORDER, starts_at: datetime = STARTS_AT
) -> list[Recording]:
    """Return recordings of events with these names, in our vocabulary, a minute apart.

    Requests count attempts, responses answer the newest one, all others are callbacks.
    """
    recordings, attempt = [], 1
    for place, name in enumerate(names):
        attempt += name == RESUBMITTED
        at = starts_at + place * _STEP
        build = _OWN_EVENTS.get(name)
        recordings.append(
            callback(name, at=at, order_id=order_id)
            if build is None
            else build(order_id, attempt, at)
        )
    return recordings


_OWN_EVENTS: Final[Mapping[str, Callable[[str, int, datetime], Recording]]] = {
    **dict.fromkeys(
        (REQUESTED, RESUBMITTED),
        lambda order_id, attempt, at: request(order_id, attempt=attempt, received_at=at),
    ),
    **dict.fromkeys(
        (ACCEPTED, "created"),
        lambda order_id, attempt, at: accepted(order_id, attempt=attempt, received_at=at),
    ),
    **dict.fromkeys(
        (REJECTED, "validation_failed"),
        lambda order_id, attempt, at: rejected(order_id, attempt=attempt, received_at=at),
    ),
    FAILED: lambda order_id, attempt, at: unanswered(order_id, attempt=attempt, received_at=at),
    POLL_FAILED: lambda order_id, _, at: poll(None, at=at, http_status=404, order_id=order_id),
}


def _recording(kind: str, received_at: Time, **fields: Any) -> Recording:
    line = {"kind": kind, "received_at": _text(received_at), **fields}
    if line["body"] is None:
        del line["body"]
    return line


def _time_of_receipt(at: Time | None, received_at: Time | None) -> Time:
    """Return the time of receipt: by default the time of the event."""
    if received_at is not None:
        return received_at
    return at if at is not None and _is_time(at) else 0


def _is_time(at: Time) -> bool:
    return not isinstance(at, str) or parse_instant(at) is not None


def _text(at: Time) -> str:
    """Return a time as text; text is returned unchanged, so that it may be invalid."""
    return at if isinstance(at, str) else format_instant(_moment(at))


def _moment(at: Time) -> datetime:
    if isinstance(at, int | float):
        return STARTS_AT + timedelta(seconds=at)
    found = parse_instant(at) if isinstance(at, str) else at
    return STARTS_AT if found is None else found.astimezone(UTC)


def _event_id(order_id: str, name: str, when: str | None) -> int:
    """Return an id as long as the provider's."""
    content = f"{order_id}\n{name}\n{when}".encode()
    return 10**18 + int.from_bytes(hashlib.sha256(content).digest()[:7])
