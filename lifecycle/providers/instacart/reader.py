"""Reading: what an arrival of Instacart's says, or why it says nothing.

Liberal in what it accepts: a field that is missing, added or of a wrong type says nothing
and harms no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lifecycle.core import identity
from lifecycle.core.event import (
    ACCEPTED,
    FAILED,
    POLL_FAILED,
    REJECTED,
    Arrival,
    Kind,
    Problem,
)
from lifecycle.core.provider import NoReading, Reading
from lifecycle.core.response import accepted_state, fate_of, is_success, response_name
from lifecycle.providers.instacart.bodies import JsonObject, is_error, read_callback, read_faults
from lifecycle.providers.instacart.definition import LAST_MILE
from lifecycle.providers.instacart.details import read_details
from lifecycle.providers.instacart.words import normalized, read_word

_CREATED: Final = "created"
_VALIDATION_FAILED: Final = "validation_failed"
_NO_NAME: Final = NoReading("no_name", "the body says no event name or status, or too long a one")


def read(arrival: Arrival, body: JsonObject | None) -> Reading | NoReading:
    """Return what an arrival says; `body` is None where its bytes are no JSON object."""
    return _READERS[arrival.kind](arrival, body)


def _request(_: Arrival, body: JsonObject | None) -> Reading:
    return Reading(order_id=None if body is None else identity.id_text(body.get("order_id")))


def _response(arrival: Arrival, body: JsonObject | None) -> Reading:
    name = response_name(
        arrival.http_status,
        is_error=is_error(body),
        shows_order=body is not None and normalized(body.get("status")) is not None,
    )
    trigger, problems = _consequence(name, body)
    is_order = name == ACCEPTED
    return Reading(
        name,
        trigger,
        order_id=_order_in(body) if is_order or arrival.order_id is None else None,
        status=_word_in(body) if is_order else None,
        details=read_details(body),
        faults=read_faults(body),
        problems=problems,
        fate=fate_of(arrival.http_status),
    )


def _callback(_: Arrival, body: JsonObject | None) -> Reading | NoReading:
    callback = read_callback(body or {})
    word = read_word(callback.word)
    if callback.word is None or word is None:
        return _NO_NAME
    return Reading(
        word.name,
        order_id=callback.order_id,
        status=identity.as_kept(callback.word),
        event_id=callback.event_id,
        occurred_at=callback.occurred_at,
        details=read_details(callback.order),
        problems=("bad_time",) if callback.has_bad_time else (),
    )


def _poll(arrival: Arrival, body: JsonObject | None) -> Reading:
    status = arrival.http_status
    name = None if body is None or is_error(body) else normalized(body.get("status"))
    if name is None or (status is not None and not is_success(status)):
        named = _order_in(body) if arrival.order_id is None else None
        return Reading(POLL_FAILED, POLL_FAILED, order_id=named)
    return Reading(
        name, order_id=_order_in(body), status=_word_in(body), details=read_details(body)
    )


_READERS: Final[Mapping[Kind, Callable[[Arrival, JsonObject | None], Reading | NoReading]]] = {
    "request": _request,
    "response": _response,
    "callback": _callback,
    "poll": _poll,
}


def _consequence(name: str, body: JsonObject | None) -> tuple[str, tuple[Problem, ...]]:
    """Return what the definition is asked with for a response, and what is odd about it."""
    if name == REJECTED:
        return _VALIDATION_FAILED, ()
    if name == FAILED:
        return FAILED, ()
    if body is None:
        return _CREATED, ("unreadable_body",)
    return accepted_state(LAST_MILE, normalized(body.get("status")))


def _order_in(body: JsonObject | None) -> str | None:
    return None if body is None else identity.id_text(body.get("id"))


def _word_in(body: JsonObject | None) -> str | None:
    word = None if body is None else body.get("status")
    return identity.as_kept(word) if type(word) is str and read_word(word) is not None else None
