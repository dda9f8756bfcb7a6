"""The frame around a provider's reading: from what arrived to the event that it is.

    Arrival ─→ limits ─→ strict JSON ─→ digest, body hash ─→ provider.read ─→ checked Reading
            ─→ order id ─→ key ─→ Event
            └→ any step may fail: Unreadable, with the reason

The provider only interprets the body. Identity, source and transport are set here, the same
way for every provider, so a provider cannot forge them. If its code raises or returns an
invalid value, that one item is quarantined (`provider_fault`); it can be redriven after a fix.

Only `KeyboardInterrupt`, or a non-`Exception` that a signal handler of the process raised,
propagates from provider code. `SystemExit`, `MemoryError` and `RecursionError` raised by the
provider itself are provider faults.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec import UNSET

from lifecycle.core.argument import type_name
from lifecycle.core.arrival import arrival_again, is_asked, ready
from lifecycle.core.checked_provider import (
    checked_provider,
    details_reader,
    place_of,
    raise_if_not_its_own,
    takes_tests,
)
from lifecycle.core.checked_reading import WrongReadingError, checked, checked_one, plain_details
from lifecycle.core.definition import Definition
from lifecycle.core.event import (
    ACCEPTED,
    EXCHANGE_NAMES,
    MAX_BODY_BYTES,
    NO_CONTENT,
    NO_HEADERS,
    NOTHING,
    POLL_FAILED,
    Arrival,
    Content,
    Event,
    Unreadable,
)
from lifecycle.core.exchange_event import Seen, content_of, exchange_event
from lifecycle.core.identity import (
    as_kept,
    callback_key,
    digest_of,
    is_order_id,
    spoken_word,
)
from lifecycle.core.instant import parse_http_date
from lifecycle.core.provider import JsonObject, NoReading, Provider, Reading
from lifecycle.core.stored import Stored
from lifecycle.core.strict_json import parse, parse_again, parse_and_write
from lifecycle.errors import InvalidArgumentError, JsonError, ProviderFaultError

LOG: Final = logging.getLogger("lifecycle.provider")
PROVIDER_FAULT: Final = "provider_fault"

_TOO_BIG: Final = NoReading("too_big", f"the body is larger than {MAX_BODY_BYTES} bytes")
_NOT_AN_OBJECT: Final = NoReading("not_an_object", "the body is JSON, but no object")
_NO_ORDER: Final = NoReading("no_order", "neither the caller nor the body names an order")
_MISMATCH: Final = NoReading("order_mismatch", "the body names another order than the caller")
_BAD_ORDER_ID: Final = NoReading(
    "bad_order_id", "the order id is not a text of 1 to 255 bytes without control characters"
)

_TEST_EVENT: Final = NoReading(
    "test_event", "the provider marks it as a test, and is not configured for tests here"
)
UNLINKED: Final = "unlinked"

_UNLINKED: Final = NoReading(
    UNLINKED, "it names an order by an id of the provider's own that no order is linked to"
)
_LINKED_TWICE: Final = NoReading(
    "linked_twice", "several orders are linked to the id by which it names its order"
)
_BAD_OPERATION: Final = NoReading(
    "bad_operation", "the operation is no short word in lower case, or has no number"
)

_SAYS_NOTHING: Final = Reading()

OrdersLinked = Callable[[str], Sequence[str]]
"""Returns the orders that are linked to one of the provider's own ids."""


class Recognizer:
    """Turns one provider's arrivals into events, and contains failures of the provider's code.

    Reads the provider's name, definition and headers once.

    Raises:
        InvalidArgumentError: one of them cannot be used.
    """

    def __init__(self, provider: Provider) -> None:
        self.name, self.definition, self.kept_headers = checked_provider(provider)
        self._provider = provider
        self._own_words = _own_words(self.definition)
        self._own_anomalies = self.definition.anomalies
        self._read_details = details_reader(provider)
        self._takes_tests = takes_tests(provider)

    def recognize(self, arrival: Arrival) -> Event | Unreadable:
        """Return the event that an arrival is, of several the first; or why it cannot be read.

        Raises no `Exception`.
        """
        return self.recognize_all(arrival)[0]

    def recognize_all(
        self, arrival: Arrival, orders_linked: OrdersLinked | None = None
    ) -> tuple[Event | Unreadable, ...]:
        """Return the events that an arrival holds; where some cannot be read, once why.

        `orders_linked` is called where a body names its order only by the provider's own id;
        without it, or where it returns no order, the item is `unlinked`. Raises no `Exception`
        but what that raises.
        """
        if (
            arrival.order_id is not None
            or arrival.headers is not NO_HEADERS
            or arrival.operation is not None
        ):
            arrival = ready(arrival)
        found = self._recognized(arrival, orders_linked, takes_tests=self._takes_tests)
        first = found[0]
        return (first,) if len(found) == 1 and type(first) is Event else self._told(arrival, found)

    def rederive(
        self, stored: Stored, body: bytes, sha256: str | None = None
    ) -> Event | Unreadable:
        """Return what a stored event is under today's rules, as `recognize`.

        If its body holds several readings, the one at `stored.part`. Test events count.
        `sha256` is the hash of the body, where that is known.
        """
        arrival = arrival_again(stored, body)
        recognized = self._recognized(arrival, None, takes_tests=True, sha256=sha256)
        first = recognized[0]
        if len(recognized) == 1 and isinstance(first, Event) and stored.part is None:
            return first
        found = self._told(arrival, recognized)
        for each in found:
            if isinstance(each, Event) and each.part == stored.part:
                return each
        return found[-1]

    def recall(self, stored: Stored, body: bytes) -> Content:
        """Return what the body of a stored event says under today's rules.

        Identity, name and times are the stored ones: they are never read again.

        Raises:
            ProviderFaultError: the provider's code raised, or returned what it may not.
        """
        kind, name = stored.kind, stored.name
        if kind == "request":
            return NO_CONTENT
        try:
            # A callback was strict JSON when it came; any other event may never have been.
            value = parse_again(body) if kind == "callback" else parse(body)
        except JsonError:
            value = None
        if type(value) is not dict:
            if kind == "callback":
                return NO_CONTENT
            value = None
        has_details = name == ACCEPTED if kind == "response" else name != POLL_FAILED
        read_details = self._read_details if has_details and stored.part is None else None
        if value is not None and read_details is not None:
            try:
                found = read_details(kind, value)
                details = NOTHING if found is NOTHING else MappingProxyType(plain_details(found))
                return Content(details, (), None)
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it costs one order
                said: Reading | NoReading = self._fault(raised)
        else:
            readings = self.read(arrival_again(stored, body), value)
            part = stored.part or 1
            said = readings[part - 1] if part <= len(readings) else readings[0]
        if isinstance(said, NoReading):
            if said.reason == PROVIDER_FAULT:
                raise ProviderFaultError(self.name, stored.order_id, said.detail)
            said = _SAYS_NOTHING
        return content_of(kind, name, said)

    def read(self, arrival: Arrival, body: JsonObject | None) -> tuple[Reading | NoReading, ...]:
        """Return the provider's checked readings, or `provider_fault` if its code fails."""
        try:
            said = self._provider.read(arrival, body)
            if type(said) is Reading and arrival.kind != "request":
                return (checked_one(said, arrival.kind, self._own_anomalies),)
            return checked(said, arrival.kind, self._own_anomalies)
        except BaseException as raised:  # noqa: BLE001 - whatever it is, what arrived is kept
            return (self._fault(raised),)

    def _told(
        self, arrival: Arrival, found: Sequence[Event | NoReading]
    ) -> tuple[Event | Unreadable, ...]:
        """Return the events that were found, and last what cannot be read, at most once."""
        if len(found) > 1:  # a line that names an order takes that order's readings alone
            found = [each for each in found if each is not _MISMATCH] or [_MISMATCH]
        events = tuple([each for each in found if isinstance(each, Event)])
        if len(events) == len(found):
            return events
        # What a link makes readable is read once there is one, whatever else stays unreadable.
        faults = [each for each in found if isinstance(each, NoReading)]
        why = _UNLINKED if _UNLINKED in faults else faults[0]
        came = (arrival.body, arrival.received_at, arrival)
        return (*events, Unreadable(self.name, why.reason, why.detail, *came))

    def _recognized(
        self,
        arrival: Arrival,
        orders_linked: OrdersLinked | None,
        *,
        takes_tests: bool,
        sha256: str | None = None,
    ) -> Sequence[Event | NoReading]:
        kind, raw = arrival.kind, arrival.body
        if len(raw) > MAX_BODY_BYTES:
            return (_TOO_BIG,)
        is_stated = arrival.order_id is not None or arrival.operation is not None
        if is_stated and (unfit := _unfit(arrival)):
            return (unfit,)
        written: bytes | None
        try:
            body, written = parse_and_write(raw)
        except JsonError as refused:
            if kind == "callback":
                return (NoReading("not_json", str(refused)),)
            body = None
        if type(body) is not dict:
            if kind == "callback":
                return (_NOT_AN_OBJECT,)
            body = written = None
        date = parse_http_date(arrival.headers.get("date", "")) if kind == "poll" else None
        digest = digest_of(arrival, date, written)
        sha256 = sha256 or hashlib.sha256(raw).hexdigest()
        found: list[Event | NoReading] = []
        for said in self.read(arrival, body):
            if isinstance(said, NoReading):
                found.append(said)
            elif said.is_test and kind == "callback" and not takes_tests:
                found.append(_TEST_EVENT)
            else:
                seen = (digest, sha256, date, len(found) + 1 if found else None)
                found.append(self._event(arrival, said, seen, orders_linked))
        return found

    def _event(
        self, arrival: Arrival, said: Reading, seen: Seen, orders_linked: OrdersLinked | None
    ) -> Event | NoReading:
        """Return the event that a reading is of, or why it is of none."""
        order_id = said.order_id
        if arrival.order_id is not None or not order_id or not is_order_id(order_id):
            agreed = _order_of(arrival.order_id, said, orders_linked)
            if isinstance(agreed, NoReading):
                return agreed
            order_id = agreed
        name, trigger, status, event_id = said.name or "", said.trigger, said.status, said.event_id
        if trigger is UNSET:
            trigger = None if name in self._own_words else name
        if arrival.kind != "callback":
            return exchange_event((self.name, order_id), arrival, said, trigger, seen)
        (digest, sha256, _, part), word = seen, spoken_word(status)
        return Event(
            self.name,
            order_id,
            "callback",
            name,
            trigger,
            callback_key(word or name, event_id, digest, part),
            digest,
            arrival.received_at,
            arrival.body,
            sha256,
            event_id,
            status=None if status is None or word is None else as_kept(status),
            occurred_at=said.occurred_at,
            headers=arrival.headers,
            details=said.details,
            problems=said.problems,
            client=arrival.client,
            sequence=said.sequence,
            part=part,
            links=said.links,
            replayed=arrival.replayed,
            context=arrival.context,
        )

    def _fault(self, raised: BaseException) -> NoReading:
        """Return what a provider's code did that it may not."""
        place = None
        if type(raised) is WrongReadingError:
            found = f"returned {raised}"
        else:
            raise_if_not_its_own(raised)
            found, place = f"raised {type_name(raised)}", place_of(raised)
        LOG.error("the code of provider %s %s%s", self.name, found, f" at {place}" if place else "")
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


def _unfit(arrival: Arrival) -> NoReading | None:
    """Return what is wrong with the order id or the operation that the caller states."""
    if arrival.order_id is not None and not is_order_id(arrival.order_id):
        return _BAD_ORDER_ID
    if arrival.operation is not None and not is_asked(arrival):
        return _BAD_OPERATION
    return None


def _order_of(
    stated: str | None, said: Reading, orders_linked: OrdersLinked | None
) -> str | NoReading:
    """Return the order id that the arrival and the body agree on.

    If the arrival states one, an unusable id in the body is ignored.
    """
    named = said.order_id
    if stated is not None:
        return stated if named is None or named == stated or not is_order_id(named) else _MISMATCH
    if named:
        return named if is_order_id(named) else _BAD_ORDER_ID
    if said.refers_to is None:
        return _NO_ORDER
    linked = () if orders_linked is None else orders_linked(said.refers_to)
    if len(linked) == 1:
        return linked[0]
    return _LINKED_TWICE if linked else _UNLINKED
