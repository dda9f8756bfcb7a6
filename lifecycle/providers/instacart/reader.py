"""Recognizing: from what came to the event that it is, or to why it cannot be read.

limits → strict JSON → what the body says → whose order it is → identity → Event

Liberal in what it accepts: a field that is missing, added or of a wrong type says nothing
and harms no other. Nothing here raises, whatever the body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from lifecycle.core import identity
from lifecycle.core.event import (
    ACCEPTED,
    FAILED,
    MAX_BODY_BYTES,
    NOTHING,
    POLL_FAILED,
    REJECTED,
    REQUESTED,
    RESUBMITTED,
    Arrival,
    Event,
    Fate,
    Fault,
    Kind,
    Problem,
    Unreadable,
    opaque_id,
)
from lifecycle.core.identity import Identity, is_order_id, stated_order_id
from lifecycle.core.instant import parse_http_date
from lifecycle.core.strict_json import parse, parse_again
from lifecycle.errors import JsonError
from lifecycle.providers.instacart.bodies import (
    JsonObject,
    is_error,
    object_in,
    order_of,
    read_callback,
    read_faults,
)
from lifecycle.providers.instacart.details import read_details
from lifecycle.providers.instacart.exchanges import fate_of, is_success, outcome_of
from lifecycle.providers.instacart.words import (
    is_informational,
    normalized,
    read_word,
    state_named,
    trigger_of,
)

NAME: Final = "instacart"

_CREATED: Final = "created"
_VALIDATION_FAILED: Final = "validation_failed"


class _Said(NamedTuple):
    """What an arrival says, and who it is; `order_id` is the order that its body names."""

    name: str
    trigger: str | None
    identity: Identity
    order_id: str | None = None
    event_id: str | None = None
    attempt: int | None = None
    exchange_id: str | None = None
    status: str | None = None
    occurred_at: datetime | None = None
    http_status: int | None = None
    details: Mapping[str, Any] = NOTHING
    faults: tuple[Fault, ...] = ()
    problems: tuple[Problem, ...] = ()
    fate: Fate | None = None


class _Answer(NamedTuple):
    """What is read from the body anew whenever a stored event is looked at."""

    details: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    fate: Fate | None = None


_NOTHING_READ: Final = _Answer(NOTHING)
_METADATA: Final = b',"event_metadata":'
_LONGEST_REMEMBERED: Final = 4096
_FIRST_READ: Final = Event._fields.index("details")
_LAST_READ: Final = Event._fields.index("fate")
_NOT_STORED: Final = (None,) * (len(Event._fields) - _LAST_READ - 1)
_new: Final = tuple.__new__


class _Refusal(NamedTuple):
    """Why an arrival goes to the quarantine: `detail` quotes nothing of it."""

    reason: str
    detail: str


_TOO_BIG: Final = _Refusal("too_big", f"the body is larger than {MAX_BODY_BYTES} bytes")
_NOT_AN_OBJECT: Final = _Refusal("not_an_object", "the body is JSON, but no object")
_NO_NAME: Final = _Refusal("no_name", "the body says no event name or status, or too long a one")
_NO_ORDER: Final = _Refusal("no_order", "neither the line nor the body names an order")
_MISMATCH: Final = _Refusal("order_mismatch", "the body names another order than the line")
_BAD_ORDER_ID: Final = _Refusal(
    "bad_order_id", "the order id is not a text of 1 to 255 bytes without control characters"
)


def recognize(arrival: Arrival) -> Event | Unreadable:
    """Return the event that an arrival is, or why it cannot be read. Never raises."""
    stated = arrival.order_id
    if stated is not None:
        stated = stated_order_id(stated)
        if stated != arrival.order_id:
            arrival = arrival._replace(order_id=stated)
    if len(arrival.body) > MAX_BODY_BYTES:
        return _unreadable(arrival, _TOO_BIG)
    if stated is not None and not is_order_id(stated):
        return _unreadable(arrival, _BAD_ORDER_ID)
    said = _READERS[arrival.kind](arrival)
    if isinstance(said, _Refusal):
        return _unreadable(arrival, said)
    order_id = _order(stated, said.order_id)
    if isinstance(order_id, _Refusal):
        return _unreadable(arrival, order_id)
    return _event(arrival, order_id, said)


def recall(event: Event) -> Event:
    """Return a stored event with details, faults and fate as its body says them.

    Everything else stands as it was stored.
    """
    details, faults, fate = _recalled(event)
    # Looking at an order does this for each of its events: a third of the price of `_replace`.
    read = (details, faults, event.problems, fate)
    return _new(Event, event[:_FIRST_READ] + read + event[_LAST_READ + 1 :])


def _request(arrival: Arrival) -> _Said:
    body = object_in(arrival.body)
    name = REQUESTED if arrival.attempt == 1 else RESUBMITTED
    return _Said(
        name,
        name,
        identity.of_request(arrival.attempt, arrival.body, body),
        order_id=None if body is None else identity.id_text(body.get("order_id")),
        attempt=arrival.attempt,
        exchange_id=opaque_id(arrival.exchange_id),
    )


def _response(arrival: Arrival) -> _Said:
    body = object_in(arrival.body)
    status, exchange_id = arrival.http_status, opaque_id(arrival.exchange_id)
    name = outcome_of(status, body)
    is_order = name == ACCEPTED
    details, faults, fate = _answer(name, status, body)
    trigger, problems = _consequence(name, body)
    return _Said(
        name,
        trigger,
        identity.of_response(arrival.attempt, exchange_id, status, arrival.body, body),
        order_id=_order_in(body) if is_order or arrival.order_id is None else None,
        attempt=arrival.attempt,
        exchange_id=exchange_id,
        status=_word_in(body) if is_order else None,
        http_status=status,
        details=details,
        faults=faults,
        problems=problems,
        fate=fate,
    )


def _callback(arrival: Arrival) -> _Said | _Refusal:
    try:
        body = parse(arrival.body)
    except JsonError as refused:
        return _Refusal("not_json", str(refused))
    if type(body) is not dict:
        return _NOT_AN_OBJECT
    callback = read_callback(body)
    told = callback.word
    word = read_word(told)
    if told is None or word is None:
        return _NO_NAME
    said, name = word
    # Nearly every arrival comes through here: by position, for half the price of names.
    return _Said(
        name,
        trigger_of(name),
        identity.of_callback(said, callback.event_id, arrival.body, body),
        callback.order_id,
        callback.event_id,
        None,
        None,
        identity.as_kept(told),
        callback.occurred_at,
        None,
        read_details(callback.order),
        (),
        ("bad_time",) if callback.has_bad_time else (),
    )


def _poll(arrival: Arrival) -> _Said:
    body = object_in(arrival.body)
    status = arrival.http_status
    date = parse_http_date(arrival.headers.get("date", ""))
    name = None if body is None or is_error(body) else normalized(body.get("status"))
    if status is not None and not is_success(status):
        name = None
    is_order = name is not None
    return _Said(
        name or POLL_FAILED,
        POLL_FAILED if name is None else trigger_of(name),
        identity.of_poll(status, date, arrival.body, body),
        order_id=_order_in(body) if is_order or arrival.order_id is None else None,
        exchange_id=opaque_id(arrival.exchange_id),
        status=_word_in(body) if is_order else None,
        occurred_at=date,
        http_status=status,
        details=read_details(body) if is_order else NOTHING,
    )


_READERS: Final[Mapping[Kind, Callable[[Arrival], _Said | _Refusal]]] = {
    "request": _request,
    "response": _response,
    "callback": _callback,
    "poll": _poll,
}


def _recalled(event: Event) -> _Answer:
    if event.kind == "response":
        return _answer(event.name, event.http_status, object_in(event.body))
    # A request tells us nothing, nor does an answer without a word of the provider's: where
    # there is one, the body was parsed when it came.
    if event.status is None:
        return _NOTHING_READ
    if event.kind == "callback":
        return _new(_Answer, (_told_by(event.body), (), None))
    return _Answer(read_details(object_in(event.body, parse_again)))


def _told_by(body: bytes) -> Mapping[str, Any]:
    """Return what a callback's body tells about the order."""
    _, found, rest = body.partition(_METADATA)
    if found and len(rest) <= _LONGEST_REMEMBERED:
        told = _told_at_the_end(rest)
        if told is not None:
            return told
    whole = object_in(body, parse_again)
    return NOTHING if whole is None else read_details(order_of(whole))


# The callbacks of an order mostly say the same about it, and end with that. Being JSON, a body
# has such a key where these bytes stand, and if what follows is a value and then `}`, it is
# the body's own key, not one of something in it.
@lru_cache(maxsize=256)
def _told_at_the_end(rest: bytes) -> Mapping[str, Any] | None:
    """Return what the metadata that ends a body tells; None if it does not end it."""
    if not rest.endswith(b"}}"):
        return None
    metadata = object_in(rest[:-1], parse_again)
    return None if metadata is None else MappingProxyType(read_details(metadata))


def _answer(name: str, http_status: int | None, body: JsonObject | None) -> _Answer:
    """Return what a response tells: details only where it was accepted."""
    if name == ACCEPTED:
        return _Answer(read_details(body))
    fate = fate_of(http_status) if name == FAILED else None
    return _Answer(NOTHING, read_faults(body) or (Fault(),), fate)


def _consequence(name: str, body: JsonObject | None) -> tuple[str, tuple[Problem, ...]]:
    """Return what the definition is asked with for a response, and what is odd about it."""
    if name == REJECTED:
        return _VALIDATION_FAILED, ()
    if name == FAILED:
        return FAILED, ()
    if body is None:
        return _CREATED, ("unreadable_body",)
    word = normalized(body.get("status"))
    state = state_named(word)
    if state is not None:
        return state, ()
    return _CREATED, () if word is None or is_informational(word) else ("unrecognized",)


def _order(stated: str | None, named: str | None) -> str | _Refusal:
    """Return the order that the line and the body agree on.

    An unusable id in the body says nothing where the line names the order.
    """
    if stated is None:
        if named is None:
            return _NO_ORDER
        return named if is_order_id(named) else _BAD_ORDER_ID
    return stated if named is None or named == stated or not is_order_id(named) else _MISMATCH


def _order_in(body: JsonObject | None) -> str | None:
    return None if body is None else identity.id_text(body.get("id"))


def _word_in(body: JsonObject | None) -> str | None:
    word = None if body is None else body.get("status")
    return identity.as_kept(word) if type(word) is str and read_word(word) is not None else None


def _event(arrival: Arrival, order_id: str, said: _Said) -> Event:
    # Every arrival comes through here: taken apart at once, and put together by position past
    # the constructor, for a quarter of the price of names.
    kind, body, received_at, *_, headers = arrival
    name, trigger, identified, _, event_id, attempt, exchange_id, status = said[:8]
    occurred_at, http_status, details, faults, problems, fate = said[8:]
    key, digest = identified
    return _new(
        Event,
        (
            NAME,
            order_id,
            kind,
            name,
            trigger,
            key,
            digest,
            received_at,
            body,
            hashlib.sha256(body).hexdigest(),
            event_id,
            attempt,
            exchange_id,
            status,
            occurred_at,
            http_status,
            headers,
            details,
            faults,
            problems,
            fate,
            *_NOT_STORED,
        ),
    )


def _unreadable(arrival: Arrival, refusal: _Refusal) -> Unreadable:
    return Unreadable(
        provider=NAME,
        reason=refusal.reason,
        detail=refusal.detail,
        body=arrival.body,
        received_at=arrival.received_at,
        arrival=arrival,
    )
