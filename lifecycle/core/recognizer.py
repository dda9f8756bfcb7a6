"""The frame around a provider's reading: from what arrived to the event that it is.

    Arrival ─→ limits ─→ strict JSON ─→ digest ─→ provider.read ─→ checked Reading
            ─→ order id ─→ key, hash ─→ Event
            └→ any step may fail: Unreadable, with the reason

The provider only interprets the body. Identity, source and transport are set here, the same
way for every provider, so a provider cannot forge them. If its code raises or returns an
invalid value, that one item is quarantined (`provider_fault`); it can be redriven after a fix.

Only `KeyboardInterrupt`, or a non-`Exception` that a signal handler of the process raised,
propagates from provider code. `SystemExit`, `MemoryError` and `RecursionError` raised by the
provider itself are provider faults.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType, TracebackType
from typing import Any, Final

from msgspec import UNSET, structs

from lifecycle.core import identity
from lifecycle.core.argument import type_name
from lifecycle.core.checked_reading import WrongReadingError, checked, checked_details
from lifecycle.core.definition import Definition
from lifecycle.core.event import (
    ACCEPTED,
    EXCHANGE_NAMES,
    FAILED,
    MAX_BODY_BYTES,
    NO_CONTENT,
    NOTHING,
    POLL_FAILED,
    REQUESTED,
    RESUBMITTED,
    Arrival,
    Content,
    Event,
    Fault,
    Kind,
    Stored,
    Unreadable,
    opaque_id,
)
from lifecycle.core.identity import is_order_id, stated_order_id
from lifecycle.core.instant import parse_http_date
from lifecycle.core.provider import JsonObject, NoReading, Provider, Reading
from lifecycle.core.strict_json import parse, parse_again
from lifecycle.errors import InvalidArgumentError, JsonError, ProviderFaultError

LOG: Final = logging.getLogger("lifecycle.provider")
PROVIDER_FAULT: Final = "provider_fault"

_TOO_BIG: Final = NoReading("too_big", f"the body is larger than {MAX_BODY_BYTES} bytes")
_NOT_AN_OBJECT: Final = NoReading("not_an_object", "the body is JSON, but no object")
_NO_ORDER: Final = NoReading("no_order", "neither the line nor the body names an order")
_MISMATCH: Final = NoReading("order_mismatch", "the body names another order than the line")
_BAD_ORDER_ID: Final = NoReading(
    "bad_order_id", "the order id is not a text of 1 to 255 bytes without control characters"
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WITHOUT_READABLE_ERROR: Final = (Fault(),)
_SAYS_NOTHING: Final = Reading()


DetailsReader = Callable[[Kind, JsonObject], Mapping[str, Any]]


class Recognizer:
    """Turns one provider's arrivals into events, and contains failures of the provider's code.

    Reads the provider's name, definition and headers once.

    Raises:
        InvalidArgumentError: one of them cannot be used.
    """

    def __init__(self, provider: Provider) -> None:
        self.name, self.definition, self.kept_headers = _checked_provider(provider)
        self._provider = provider
        self._own_words = _own_words(self.definition)
        self._read_details = _details_reader(provider)

    def recognize(self, arrival: Arrival) -> Event | Unreadable:
        """Return the event that an arrival is, or why it cannot be read. Raises no `Exception`."""
        stated = arrival.order_id
        if stated is not None:
            stated = stated_order_id(stated)
            if stated != arrival.order_id:
                arrival = structs.replace(arrival, order_id=stated)
        if type(arrival.headers) is not MappingProxyType:
            # Nor may the provider change these.
            arrival = structs.replace(arrival, headers=MappingProxyType({**arrival.headers}))
        found = self._recognized(arrival, stated)
        if isinstance(found, Event):
            return found
        came = (arrival.body, arrival.received_at, arrival)
        return Unreadable(self.name, found.reason, found.detail, *came)

    def recall(self, stored: Stored, body: bytes) -> Content:
        """Return what the body of a stored event says under today's rules.

        Identity, name and times are the stored ones: they are never read again.

        Raises:
            ProviderFaultError: the provider's code raised, or returned what it may not.
        """
        kind, name = stored.kind, stored.name
        value = None if kind == "request" else _read_object(kind, body)
        if kind == "request" or (value is None and kind == "callback"):
            return NO_CONTENT
        has_details = name == ACCEPTED if kind == "response" else name != POLL_FAILED
        if has_details and value is not None and self._read_details is not None:
            try:
                return Content(checked_details(self._read_details(kind, value)), (), None)
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it costs one order
                said: Reading | NoReading = self._fault(raised)
        else:
            said = self.read(_arrival_of(stored, body), value)
        if isinstance(said, NoReading):
            if said.reason == PROVIDER_FAULT:
                raise ProviderFaultError(self.name, stored.order_id, said.detail)
            said = _SAYS_NOTHING
        return _content(kind, name, said)

    def read(self, arrival: Arrival, body: JsonObject | None) -> Reading | NoReading:
        """Return the provider's checked reading, or `provider_fault` if its code fails."""
        try:
            return checked(self._provider.read(arrival, body), arrival.kind)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, what arrived is kept
            return self._fault(raised)

    def _recognized(self, arrival: Arrival, stated: str | None) -> Event | NoReading:
        if len(arrival.body) > MAX_BODY_BYTES:
            return _TOO_BIG
        if stated is not None and not is_order_id(stated):
            return _BAD_ORDER_ID
        body = _object_in(arrival)
        if isinstance(body, NoReading):
            return body
        date = parse_http_date(arrival.headers.get("date", "")) if arrival.kind == "poll" else None
        # Compute the digest first: provider code could mutate the body.
        digest = identity.digest_of(arrival, date, body)
        said = self.read(arrival, body)
        if isinstance(said, NoReading):
            return said
        order_id = _order(stated, said.order_id)
        if isinstance(order_id, NoReading):
            return order_id
        return self._event(arrival, order_id, said, digest, date)

    def _event(
        self, arrival: Arrival, order_id: str, said: Reading, digest: str, date: datetime | None
    ) -> Event:
        kind, attempt, exchange_id = arrival.kind, arrival.attempt, arrival.exchange_id
        exchange_id = None if exchange_id is None else opaque_id(exchange_id)
        name, trigger, status = said.name or "", said.trigger, said.status
        word = identity.spoken_word(status)
        if kind == "request":
            trigger = name = REQUESTED if attempt == 1 else RESUBMITTED
        elif trigger is UNSET:
            trigger = None if name in self._own_words else name
        details, faults, fate = _content(kind, name, said)
        return Event(
            self.name,
            order_id,
            kind,
            name,
            trigger,
            identity.key_of(arrival, exchange_id, word or name, said.event_id, digest),
            digest,
            arrival.received_at,
            arrival.body,
            sha256(arrival.body).hexdigest(),
            said.event_id,
            attempt if kind in {"request", "response"} else None,
            None if kind == "callback" else exchange_id,
            None if status is None or word is None else identity.as_kept(status),
            date if kind == "poll" else said.occurred_at,
            arrival.http_status if kind in {"response", "poll"} else None,
            arrival.headers,
            details,
            faults,
            said.problems,
            fate,
            client=arrival.client,
            operation=arrival.operation if kind == "poll" else None,
            context=arrival.context,
        )

    def _fault(self, raised: BaseException) -> NoReading:
        """Return what a provider's code did that it may not."""
        if type(raised) is WrongReadingError:
            found = f"returned {raised}"
        else:
            raise_if_not_its_own(raised)
            found = f"raised {type_name(raised)}"
        LOG.error("the code of provider %s %s", self.name, found)
        return NoReading(PROVIDER_FAULT, f"the provider's code {found}")

    def __repr__(self) -> str:
        return f"<Recognizer of {self.name}>"


def recognizer_of(provider: Provider) -> Recognizer:
    """Return what reads for a provider; one that reads already comes back as it is.

    Raises:
        InvalidArgumentError: its name, definition or headers cannot be used.
    """
    return provider if isinstance(provider, Recognizer) else Recognizer(provider)


def recognizers_of(providers: Mapping[str, Provider]) -> Mapping[str, Recognizer]:
    """Return what reads for providers, by name; one that is broken makes a log line."""
    usable = {}
    for name, provider in providers.items():
        try:
            usable[name] = recognizer_of(provider)
        except InvalidArgumentError as broken:
            LOG.error("provider %a is left out: %s", name, broken)  # noqa: TRY400 - it says enough
    return MappingProxyType(usable)


def _own_words(definition: Definition) -> frozenset[str]:
    """Return the names that only we assign: from a provider they name no state."""
    before = {
        state for state in definition.states if definition.rank(state) < definition.birth_rank
    }
    return EXCHANGE_NAMES | before


def _object_in(arrival: Arrival) -> JsonObject | NoReading | None:
    """Return the body's JSON object; without one a callback is unreadable, others have None."""
    try:
        body = parse(arrival.body)
    except JsonError as refused:
        return NoReading("not_json", str(refused)) if arrival.kind == "callback" else None
    if type(body) is dict:
        return body
    return _NOT_AN_OBJECT if arrival.kind == "callback" else None


def _order(stated: str | None, named: str | None) -> str | NoReading:
    """Return the order id that the arrival and the body agree on.

    If the arrival states one, an unusable id in the body is ignored.
    """
    if stated is None:
        if not named:
            return _NO_ORDER
        return named if is_order_id(named) else _BAD_ORDER_ID
    return stated if named is None or named == stated or not is_order_id(named) else _MISMATCH


def _content(kind: Kind, name: str, said: Reading) -> Content:
    """Return the details, faults and fate of an event of this name.

    Only a response that was not accepted has faults: at least one, and then no details.
    """
    if kind != "response" or name == ACCEPTED:
        return Content(said.details, (), None)
    fate = said.fate if name == FAILED else None
    return Content(NOTHING, said.faults or _WITHOUT_READABLE_ERROR, fate)


def _read_object(kind: Kind, body: bytes) -> JsonObject | None:
    """Return the JSON object in the body of a stored event, None where there is none."""
    try:
        # A callback was strict JSON when it came; any other event may never have been.
        value = parse_again(body) if kind == "callback" else parse(body)
    except JsonError:
        return None
    return value if type(value) is dict else None


def _arrival_of(stored: Stored, body: bytes) -> Arrival:
    return Arrival(
        stored.kind,
        body,
        stored.received_at,
        stored.order_id,
        stored.attempt or 1,
        stored.exchange_id,
        stored.http_status,
        MappingProxyType({**stored.headers}),
    )


def _details_reader(provider: Provider) -> DetailsReader | None:
    """Return the provider's `read_details`; None where it has none that fits its `read`.

    One that is inherited, while `read` is not, tells what another provider would.
    """
    own = getattr(provider, "__dict__", {})
    owner = next((kind for kind in type(provider).__mro__ if "read" in vars(kind)), None)
    if owner is None or "read" in own or "read_details" not in vars(owner):
        return None
    reader: DetailsReader = provider.read_details  # type: ignore[attr-defined]
    return reader


def _checked_provider(provider: Provider) -> tuple[str, Definition, frozenset[str]]:
    try:
        name, definition, headers = provider.name, provider.definition, provider.kept_headers
        is_set = isinstance(headers, set | frozenset)
        kept = frozenset(map(_header, headers)) if is_set else frozenset({""})
        can_read = callable(provider.read) and not isinstance(provider, type)
    except BaseException as raised:  # noqa: BLE001 - whatever it is, this is no provider
        raise_if_not_its_own(raised)
        raise InvalidArgumentError(
            "provider", f"one whose attributes can be read; one raised {type_name(raised)}"
        ) from None
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidArgumentError("provider", "a name of 1 to 64 letters, digits, . _ and -")
    name = str.__str__(name)
    if not isinstance(definition, Definition):
        raise InvalidArgumentError(f"provider {name!a}", "a Definition as its definition")
    if "" in kept:
        raise InvalidArgumentError(f"provider {name!a}", "kept_headers: a set of lower-case names")
    if not can_read:
        raise InvalidArgumentError(f"provider {name!a}", "a value with a function read, no class")
    return name, definition, kept


def _header(name: object) -> str:
    """Return a header's name as plain text, "" where it is none."""
    text = str.__str__(name) if isinstance(name, str) else ""
    return text if text == text.lower() else ""


def raise_if_not_its_own(raised: BaseException) -> None:
    """Raise again what is not the doing of a provider's code, in the midst of which it came."""
    # By its true type: what it says of itself may be wrong, or raise.
    if issubclass(type(raised), KeyboardInterrupt):
        raise raised
    if not issubclass(type(raised), Exception) and _is_from_a_signal(raised):
        raise raised


def _is_from_a_signal(raised: BaseException) -> bool:
    """Tell whether one of the process's signal handlers raised this, in the middle of the call."""
    handlers = {
        getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()
    }
    trace: TracebackType | None = vars(BaseException)["__traceback__"].__get__(raised)
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
