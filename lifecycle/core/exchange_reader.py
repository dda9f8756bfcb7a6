"""Reads what a provider says: its answers to create requests and looks at orders, its callbacks.

create request   our own: only whose it is counts
response         an order object: accepted; an error: rejected, or failed
poll             an order object shows a state; all else shows none
callback         as the provider reads it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.core.definition import Definition
from lifecycle.core.details import field_in, whole_number
from lifecycle.core.event import (
    ACCEPTED,
    FAILED,
    NOTHING,
    POLL_FAILED,
    REJECTED,
    Arrival,
    Fault,
    Problem,
)
from lifecycle.core.identity import id_text, opaque_id, plain_text, spoken_word, verbatim_word
from lifecycle.core.provider import JsonObject, Reading, Said
from lifecycle.core.response import accepted_state, fate_of, is_success, response_name
from lifecycle.errors import InvalidArgumentError

_NOTHING_SAID: Final[JsonObject] = {}


Field = str | Callable[[JsonObject], object]
"""Where a body has something: the path of a field, as `a.b`, or a function that returns it."""


def found_at(said: JsonObject, field: Field) -> object:
    """Return what a body has there, None where it has nothing."""
    return field(said) if callable(field) else field_in(said, field)


def fault_in(
    message: str, *, code: str | None = None, key: str | None = None, each_of: str | None = None
) -> Callable[[JsonObject], tuple[Fault, ...]]:
    """Return a function that reads the errors of a body, by the paths of their fields.

        fault_in("error.message", code="error.code")
        fault_in("message", code="code", key="path", each_of="errors")

    `each_of` is the list whose objects are the errors; without it the body is the one error. An
    object whose `message` is no text is no error.
    """

    def read(body: JsonObject) -> tuple[Fault, ...]:
        listed = body if each_of is None else field_in(body, each_of)
        found = listed if type(listed) is list else [listed]
        errors = [each for each in found if type(each) is dict]
        return tuple(fault for each in errors if (fault := read_one(each)) is not None)

    def read_one(error: JsonObject) -> Fault | None:
        said = plain_text(field_in(error, message))
        if said is None:
            return None
        named = None if key is None else plain_text(field_in(error, key))
        return Fault(said, None if code is None else id_text(field_in(error, code)), named)

    return read


@dataclass(frozen=True)
class ExchangeReader:
    """Reads requests, responses and polls, by the shapes of a provider's bodies.

        EXCHANGES = ExchangeReader(PARCEL, order_id="parcel", status="state", rejected="refused",
                                   faults=fault_in("problem", code="code"))

    A field is named by its path: `task.state` is the field `state` of the object in `task`.

    Attributes:
        definition: the provider's lifecycle.
        order_id: the field of an order object that has our id of the order, or a function that
            returns it.
        status: the field of an order object that has its status, or a function that returns the
            status that an order object shows, where it is no text or stands in several fields.
        rejected: the state of an order whose create request was rejected.
        faults: returns the errors in a body, as a tuple of `Fault`; an empty one if it is no
            error.
        is_error: tells whether a body is an error, where its HTTP status does not: by default
            one that has errors.
        details: returns the details in an order object, as a mapping.
        request_id: where a create request has the order's id, if that is not at `order_id`: a
            field, or a function.
        name: our name for a status; None where it says nothing.
        sequence: the field of an order object that has the provider's number of what it shows,
            or a function that returns it; a definition that is `numbered` needs it.
        links: the field of an order object that has the provider's own id of the order, or a
            function that returns such ids, as a tuple of texts.
        taken: the HTTP status by which a create request learns that there is such an order
            already: what became of that one, only a look at it tells.
        callback: reads the body of a callback; None: the provider does so before it asks here.

    Raises:
        InvalidArgumentError: the definition is numbered, and there is no `sequence`: its polls
            would be taken for older than every callback.
    """

    definition: Definition
    order_id: Field
    status: Field
    rejected: str
    faults: Callable[[JsonObject], tuple[Fault, ...]] = lambda _: ()
    is_error: Callable[[JsonObject], bool] | None = None
    details: Callable[[JsonObject], Mapping[str, Any]] = lambda _: NOTHING
    request_id: Field | None = None
    name: Callable[[object], str | None] = spoken_word
    sequence: Field | None = None
    links: str | Callable[[JsonObject], tuple[str, ...]] = lambda _: ()
    taken: int | None = None
    callback: Callable[[JsonObject], Said] | None = None

    def __post_init__(self) -> None:
        if self.definition.numbered and self.sequence is None:
            raise InvalidArgumentError("sequence", "the field of the number: the provider has some")

    def read(self, arrival: Arrival, body: JsonObject | None) -> Said:
        """Return what an arrival says; `body` is None where its bytes are no JSON object."""
        said = _NOTHING_SAID if body is None else body
        if arrival.kind == "callback" and self.callback is not None:
            return self.callback(said)
        if arrival.kind == "request":
            return Reading(order_id=id_text(found_at(said, self.request_id or self.order_id)))
        if arrival.kind == "poll":
            return self._poll(arrival, said)
        return self._response(arrival, body, said)

    def _response(self, arrival: Arrival, body: JsonObject | None, said: JsonObject) -> Reading:
        status, state = arrival.http_status, self.name(found_at(said, self.status))
        name = response_name(status, is_error=self._is_error(said), shows_order=state is not None)
        if name == ACCEPTED:
            trigger, problems = self._accepted(body, state)
            return self._shown(said, state, name, trigger=trigger, problems=problems)
        named = self._named(arrival, said)
        if status is not None and status == self.taken:
            return Reading(FAILED, FAILED, named, faults=self.faults(said), fate="unknown")
        trigger = self.rejected if name == REJECTED else FAILED
        return Reading(name, trigger, named, faults=self.faults(said), fate=fate_of(status))

    def _is_error(self, said: JsonObject) -> bool:
        return bool(self.faults(said)) if self.is_error is None else self.is_error(said)

    def _named(self, arrival: Arrival, said: JsonObject) -> str | None:
        """Return the order that a failed exchange names; it is not asked where that is known."""
        return id_text(found_at(said, self.order_id)) if arrival.order_id is None else None

    def _links(self, said: JsonObject) -> tuple[str, ...]:
        if callable(self.links):
            return self.links(said)
        link = opaque_id(field_in(said, self.links))
        return () if link is None else (link,)

    def _poll(self, arrival: Arrival, said: JsonObject) -> Reading:
        status = arrival.http_status
        state = None if self._is_error(said) else self.name(found_at(said, self.status))
        if state is None or not (status is None or is_success(status)):
            return Reading(POLL_FAILED, POLL_FAILED, self._named(arrival, said))
        return self._shown(said, state, state)

    def _accepted(
        self, body: JsonObject | None, state: str | None
    ) -> tuple[str, tuple[Problem, ...]]:
        trigger, problems = accepted_state(self.definition, state)
        return trigger, ("unreadable_body",) if body is None else problems

    def _shown(self, said: JsonObject, state: str | None, name: str, **more: Any) -> Reading:
        """Return what an order object says."""
        return Reading(
            name,
            order_id=id_text(found_at(said, self.order_id)),
            status=None if state is None else verbatim_word(found_at(said, self.status)),
            details=self.details(said),
            sequence=None if self.sequence is None else whole_number(found_at(said, self.sequence)),
            links=self._links(said),
            **more,
        )
