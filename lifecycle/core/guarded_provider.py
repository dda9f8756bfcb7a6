"""Calling a provider's code, which may be wrong: nothing that it does costs more than one item.

    arrival ─→ provider.recognize ─→ checked ─→ Event, Unreadable
                  │ raised, or returned what it may not
                  └─→ Unreadable `provider_fault`: stored whole, and re-driven after a fix

    stored event ─→ provider.recall ─→ what the body says, with the identity that is stored
                       └─→ ProviderFaultError: this order cannot be read, all others can

Only `KeyboardInterrupt`, and what one of the process's signal handlers raised, comes
through: neither is the provider's doing. `SystemExit` from its own code is a fault of it,
and so are `MemoryError` and `RecursionError`: a body that costs too much is kept, not lost.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, get_args

from lifecycle.core import identity
from lifecycle.core.definition import Definition
from lifecycle.core.event import (
    MAX_ID_BYTES,
    Arrival,
    Event,
    Fate,
    Fault,
    Problem,
    Unreadable,
    opaque_id,
)
from lifecycle.core.identity import Identity, is_order_id, stated_order_id, verbatim_word
from lifecycle.core.instant import is_placeholder, parse_http_date
from lifecycle.core.provider import Provider
from lifecycle.core.strict_json import parse
from lifecycle.errors import InvalidArgumentError, JsonError, ProviderFaultError

LOG: Final = logging.getLogger("lifecycle.provider")
PROVIDER_FAULT: Final = "provider_fault"
LONGEST_DETAIL: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_TYPE_NAME: Final = 60
_PROBLEMS: Final = frozenset(get_args(Problem))
_FATES: Final = frozenset((None, *get_args(Fate)))
_UNSET: Final = (None,) * 4
_FIRST_READ: Final = Event._fields.index("details")
_LAST_READ: Final = Event._fields.index("fate")
# Held to their identities by our own tests, once, and not at every arrival.
_PROVED: Final = ("lifecycle.providers.", "lifecycle.testing.")
_BY_HAND: Final = "lifecycle.testing."
# For what every event becomes: a named tuple's own constructor takes twice as long.
_new: Final = tuple.__new__


_Exchange = tuple[int | None, str | None, int | None]
"""Attempt, exchange id, HTTP status."""


class _WrongError(Exception):
    """What the provider returned may not be; the message says what, and quotes nothing."""


class GuardedProvider:
    """A provider, called so that its faults stay its own.

    Its name, definition and headers are read once.

    Raises:
        InvalidArgumentError: one of them cannot be used.
    """

    def __init__(self, provider: Provider) -> None:
        module = type(provider).__module__
        self.name, self.definition, self.kept_headers = _checked(provider)
        self._provider = provider
        self._is_proved = module.startswith(_PROVED)
        self._is_by_hand = any(
            each.__module__.startswith(_BY_HAND) for each in type(provider).__mro__
        )

    def recognize(self, arrival: Arrival) -> Event | Unreadable:
        """Return what an arrival says, or why it cannot be read. Raises no `Exception`."""
        stated = stated_order_id(arrival.order_id)
        if stated != arrival.order_id:
            arrival = arrival._replace(order_id=stated)
        return self._guarded(arrival, self._event)

    def recognize_again(self, arrival: Arrival) -> Event | Unreadable:
        """Return what a stored arrival says today, for comparing: an event may differ in anything.

        Raises no `Exception`.
        """
        return self._guarded(arrival, lambda _, event: event)

    def _guarded(
        self, arrival: Arrival, checked: Callable[[Arrival, Event], Event]
    ) -> Event | Unreadable:
        try:
            said = self._provider.recognize(arrival)
            return checked(arrival, said) if type(said) is Event else self._item(arrival, said)
        except _WrongError as wrong:
            found = f"returned {wrong}"
        except BaseException as raised:  # noqa: BLE001 - whatever it is, what arrived is kept
            _raise_if_not_its_own(raised)
            found = f"raised {type_name(raised)}"
        LOG.error("the code of provider %s %s", self.name, found)
        return self._unreadable(arrival, PROVIDER_FAULT, f"the provider's code {found}")

    def recall(self, event: Event) -> Event:
        """Return a stored event with what its body says; its identity stands.

        Raises:
            ProviderFaultError: the provider's code raised, or returned what it may not.
        """
        try:
            told = self._provider.recall(event)
            if type(told) is not Event:
                found = f"recall returned {type_name(told)}"
            elif self._is_proved:
                return told
            else:
                _check_told(told)
                read = (told.details, told.faults, event.problems, told.fate)
                return _new(Event, event[:_FIRST_READ] + read + event[_LAST_READ + 1 :])
        except _WrongError as wrong:
            found = f"recall returned {wrong}"
        except BaseException as raised:  # noqa: BLE001 - one order's trouble is no other's
            _raise_if_not_its_own(raised)
            found = f"recall raised {type_name(raised)}"
        raise ProviderFaultError(self.name, event.order_id, found)

    def as_stored(self, event: Event) -> Event:
        """Return an event just recognized as it will be read once it is stored.

        Raises:
            ProviderFaultError: as `recall`.
        """
        return event if self._is_proved else self.recall(event)

    def _event(self, arrival: Arrival, event: Event) -> Event:
        """Return the event as it may be stored: what the frame knows is never the provider's."""
        _check_frame(self.name, arrival, event)
        name = _word("name", event.name)
        trigger = None if event.trigger is None else _word("trigger", event.trigger)
        status = None if event.status is None else _text("status", event.status)
        occurred_at, problems = _checked_time(event.occurred_at), event.problems
        _check_told(event)
        _check_problems(event)
        if not self._is_proved:
            status = verbatim_word(status)
            if occurred_at is not None and is_placeholder(occurred_at):
                occurred_at, problems = None, _with_bad_time(event)
        exchange = self._exchange(arrival, event)
        event_id = _checked_event_id(event.event_id)
        if not self._is_proved and not self._is_by_hand:
            _check_identity(arrival, event, event_id)
        head = (self.name, event.order_id, arrival.kind, name, trigger, event.key, event.digest)
        body = arrival.body
        hashed = event.sha256 if event.body is body else sha256(body).hexdigest()
        came = (arrival.received_at, body, hashed, event_id, *exchange[:2], status)
        read = (event.details, event.faults, tuple(problems), event.fate)
        return _new(
            Event, (*head, *came, occurred_at, exchange[2], arrival.headers, *read, *_UNSET)
        )

    def _exchange(self, arrival: Arrival, event: Event) -> _Exchange:
        """Return what the frame knows, where the provider left it out or says the same."""
        given = (event.attempt, event.exchange_id, event.http_status)
        if self._is_by_hand:
            return given
        known = _exchange_of(arrival)
        if given != known and any(
            one is not None and one != other for one, other in zip(given, known, strict=True)
        ):
            raise _WrongError("another attempt, exchange id or HTTP status")
        return known

    def _item(self, arrival: Arrival, said: object) -> Unreadable:
        if type(said) is not Unreadable:
            raise _WrongError(f"{type_name(said)}, neither an Event nor an Unreadable")
        if not isinstance(said.reason, str) or _REASON.fullmatch(said.reason) is None:
            raise _WrongError("a reason that is no short name")
        detail = _text("detail", said.detail)[:LONGEST_DETAIL]
        return self._unreadable(arrival, str.__str__(said.reason), detail)

    def _unreadable(self, arrival: Arrival, reason: str, detail: str) -> Unreadable:
        return Unreadable(self.name, reason, detail, arrival.body, arrival.received_at, arrival)

    def __repr__(self) -> str:
        return f"<GuardedProvider {self.name}>"


def guarded(provider: Provider) -> GuardedProvider:
    """Return a provider that may be called without fear.

    Raises:
        InvalidArgumentError: its name, definition or headers cannot be used.
    """
    return provider if isinstance(provider, GuardedProvider) else GuardedProvider(provider)


def all_guarded(providers: Mapping[str, Provider]) -> Mapping[str, GuardedProvider]:
    """Return the providers that can be called, by name; one that is broken makes a log line."""
    usable = {}
    for name, provider in providers.items():
        try:
            usable[name] = guarded(provider)
        except InvalidArgumentError as broken:
            LOG.error("provider %a is left out: %s", name, broken)  # noqa: TRY400 - it says enough
    return MappingProxyType(usable)


def type_name(value: object) -> str:
    """Return how a message names a value's type: a plain name of moderate length."""
    name = type(value).__name__
    return name if name.isidentifier() and len(name) <= _LONGEST_TYPE_NAME else "something odd"


def _checked(provider: Provider) -> tuple[str, Definition, frozenset[str]]:
    try:
        name, definition, headers = provider.name, provider.definition, provider.kept_headers
        callables = callable(provider.recognize) and callable(provider.recall)
    except Exception as raised:  # noqa: BLE001 - whatever it is, this is no provider
        raise InvalidArgumentError(
            "provider", f"one whose attributes can be read; one raised {type_name(raised)}"
        ) from None
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidArgumentError("provider", "a name of 1 to 64 letters, digits, . _ and -")
    if not isinstance(definition, Definition):
        raise InvalidArgumentError(f"provider {name!a}", "a Definition as its definition")
    if not isinstance(headers, set | frozenset) or not all(map(_is_header, headers)):
        raise InvalidArgumentError(f"provider {name!a}", "kept_headers: a set of lower-case names")
    if not callables:
        raise InvalidArgumentError(f"provider {name!a}", "functions recognize and recall")
    return name, definition, frozenset(headers)


def _is_header(name: object) -> bool:
    return isinstance(name, str) and name != "" and name == name.lower()


def _check_frame(provider: str, arrival: Arrival, event: Event) -> None:
    """Refuse an event that is of another provider, order or arrival than the one at hand."""
    if event.provider != provider:
        raise _WrongError("an event of another provider")
    if event.kind != arrival.kind:
        raise _WrongError("an event of another kind")
    if event.received_at != arrival.received_at:
        raise _WrongError("another time of receipt")
    if type(event.order_id) is not str or not is_order_id(event.order_id):
        raise _WrongError("an order id that cannot be one")
    if arrival.order_id is not None and event.order_id != arrival.order_id:
        raise _WrongError("another order than the arrival names")
    if event[_LAST_READ + 1 :] != _UNSET:
        raise _WrongError("a place in the log, which only the log gives")


def _check_told(event: Event) -> None:
    """Refuse details, faults and a fate that cannot be what a body says."""
    if type(event.details) is not dict and not isinstance(event.details, Mapping):
        raise _WrongError("details that are no mapping")
    if type(event.faults) is not tuple or not all(map(_is_fault, event.faults)):
        raise _WrongError("faults that are no tuple of Fault")
    if event.fate not in _FATES:
        raise _WrongError("an unknown fate")


def _is_fault(fault: object) -> bool:
    return (
        type(fault) is Fault
        and isinstance(fault.message, str | None)
        and isinstance(fault.key, str | None)
        and (fault.code is None or type(fault.code) in {int, str})
    )


def _check_problems(event: Event) -> None:
    problems = event.problems
    if type(problems) is not tuple or not _PROBLEMS.issuperset(problems):
        raise _WrongError("problems that are no tuple of anomaly codes")


def _check_identity(arrival: Arrival, event: Event, event_id: str | None) -> None:
    """Refuse a body, a hash, a key or a digest that is not that of what arrived."""
    if type(event.body) is not bytes or event.body != arrival.body:
        raise _WrongError("another body than the one that arrived")
    if event.sha256 != sha256(arrival.body).hexdigest():
        raise _WrongError("another hash than that of the body")
    if (event.key, event.digest) != _identity_of(arrival, event, event_id):
        raise _WrongError("another key or digest than lifecycle.core.identity gives")


def _identity_of(arrival: Arrival, event: Event, event_id: str | None) -> Identity:
    body = arrival.body
    try:
        value = parse(body)
    except JsonError:
        value = None
    match arrival.kind:
        case "request":
            return identity.of_request(arrival.attempt, body, value)
        case "response":
            exchange_id = opaque_id(arrival.exchange_id)
            return identity.of_response(
                arrival.attempt, exchange_id, arrival.http_status, body, value
            )
        case "callback":
            word = identity.spoken_word(event.status) or event.name
            return identity.of_callback(word, event_id, body, value)
        case "poll":
            date = parse_http_date(arrival.headers.get("date", ""))
            return identity.of_poll(arrival.http_status, date, body, value)


def _exchange_of(arrival: Arrival) -> _Exchange:
    """Return what an event of this arrival has of these."""
    match arrival.kind:
        case "callback":
            return None, None, None
        case "request":
            return arrival.attempt, opaque_id(arrival.exchange_id), None
        case "response":
            return arrival.attempt, opaque_id(arrival.exchange_id), arrival.http_status
        case "poll":
            return None, opaque_id(arrival.exchange_id), arrival.http_status


def _with_bad_time(event: Event) -> tuple[Problem, ...]:
    """Return the problems of an event whose time is a placeholder; a poll's is just absent."""
    told = event.kind == "poll" or "bad_time" in event.problems
    return event.problems if told else (*event.problems, "bad_time")


def _checked_event_id(event_id: Any) -> str | None:
    if event_id is not None and (type(event_id) is not str or opaque_id(event_id) != event_id):
        raise _WrongError("an event id that is no text of 1 to 255 bytes")
    return opaque_id(event_id)


def _checked_time(time: Any) -> datetime | None:
    if time is None:
        return None
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise _WrongError("a time without a zone")
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _word(field: str, value: Any) -> str:
    text = _text(field, value)
    if not text or len(text.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise _WrongError(f"a {field} that is not 1 to {MAX_ID_BYTES} bytes long")
    return text


def _text(field: str, value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):  # an enum's member, which is stored as the text that it is
        return str.__str__(value)
    raise _WrongError(f"a {field} that is no text")


def _raise_if_not_its_own(raised: BaseException) -> None:
    """Raise again what is not the doing of the code that was called."""
    if isinstance(raised, KeyboardInterrupt):
        raise raised
    if not isinstance(raised, Exception) and _is_from_a_signal(raised):
        raise raised


def _is_from_a_signal(raised: BaseException) -> bool:
    """Tell whether one of the process's signal handlers raised this, in the middle of the call."""
    handlers = {
        getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()
    }
    trace = raised.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False
