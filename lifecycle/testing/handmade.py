"""Hand-made events, for tests of a definition without a provider's bodies.

    event("packed", at=60) ─→ HandMade.recording ─→ a recording that stands for it
                                       └→ recognized as that event, with its details

Hand-made events pass through the same log and receipts as real ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.definition import Definition
from lifecycle.core.event import NO_CONTENT, Arrival, Content, Event, Unreadable, stream_of
from lifecycle.core.instant import format_instant
from lifecycle.core.provider import NoReading, Provider
from lifecycle.core.recognizer import OrdersLinked, Recognizer, recognizer_of
from lifecycle.core.stored import Stored
from lifecycle.registry import find_provider
from lifecycle.testing.clock import STARTS_AT, Time, moment

Recording = dict[str, Any]
"""One recording, as the object in a line of JSON."""

ORDER: Final = "xyz123456"
"""The default order of hand-made events."""

_MARK: Final = b"made by hand: "


def event(name: str, at: Time | None = None, **fields: Any) -> Event:
    """Return an event of this name; `at` is the provider's time, None for an undated event.

    The same name and time make the same event. `fields` are those of `Event`: another `key`
    makes another event, another `digest` another content.
    """
    occurred_at = None if at is None else moment(at)
    when = "undated" if occurred_at is None else format_instant(occurred_at)
    key = fields.pop("key", f"callback:{name}:{when}")
    digest = fields.pop("digest", None) or _sha256(f"{key}:{name}:{when}".encode())
    made: dict[str, Any] = {
        "name": name,
        "key": key,
        "digest": digest,
        "provider": DEFAULT_PROVIDER,
        "order_id": ORDER,
        "kind": "callback",
        "trigger": name,
        "received_at": occurred_at or STARTS_AT,
        "body": digest.encode(),
        "sha256": _sha256(digest.encode()),
        "occurred_at": occurred_at,
    }
    return Event(**(made | fields))


class HandMade(Recognizer):
    """A recognizer that accepts hand-made events; `around` reads all others.

    `HandMade("kitchen", definition)` tests a definition before its provider has a reader.
    """

    def __init__(
        self, name: str, definition: Definition, *, around: Provider | None = None
    ) -> None:
        self._around = None if around is None else recognizer_of(around)
        headers = frozenset[str]() if around is None else around.kept_headers
        super().__init__(_ByHandOnly(name, definition, headers))
        self._events: dict[bytes, Event] = {}
        self._by_identity: dict[tuple[str, str, str], Event] = {}

    @classmethod
    def of(cls, provider: str | Provider) -> Self:
        """Return a provider that reads as `provider` does, and accepts hand-made events."""
        real = provider_named(provider)
        return cls(real.name, real.definition, around=real)

    def recording(self, event: Event) -> Recording:
        """Return a recording that stands for a hand-made event, with its times."""
        own = event._replace(provider=self.name)
        body = _MARK + str(len(self._events)).encode()
        self._events[body] = own
        self._by_identity[own.stream, own.key, own.digest] = own
        return {
            "kind": event.kind,
            "order_id": event.order_id,
            "received_at": format_instant(event.received_at),
            "body_text": body.decode(),
        }

    def recognize_all(
        self, arrival: Arrival, orders_linked: OrdersLinked | None = None
    ) -> tuple[Event | Unreadable, ...]:
        """Return the hand-made event, or what the wrapped provider reads."""
        made = self._events.get(arrival.body)
        if made is not None:
            return (made._replace(received_at=arrival.received_at),)
        if self._around is None:
            return super().recognize_all(arrival, orders_linked)
        return self._around.recognize_all(arrival, orders_linked)

    def rederive(
        self, stored: Stored, body: bytes, sha256: str | None = None
    ) -> Event | Unreadable:
        """Return the hand-made event, or what the wrapped provider reads of a stored one."""
        made = self._events.get(body)
        if made is not None:
            return made._replace(received_at=stored.received_at)
        if self._around is None:
            return super().rederive(stored, body, sha256)
        return self._around.rederive(stored, body, sha256)

    def recall(self, stored: Stored, body: bytes) -> Content:
        """Return the details, faults and fate that a stored event was made with."""
        stream = stream_of(stored.provider, stored.order_id)
        made = self._by_identity.get((stream, stored.key, stored.digest))
        if made is not None:
            return Content(made.details, made.faults, made.fate)
        return NO_CONTENT if self._around is None else self._around.recall(stored, body)


@dataclass(frozen=True)
class _ByHandOnly:
    """A provider that takes no bodies."""

    name: str
    definition: Definition
    kept_headers: frozenset[str]

    def read(self, _arrival: Arrival, _body: object) -> NoReading:
        return NoReading("not_json", "the provider takes hand-made events only")


def provider_named(provider: str | Provider) -> Provider:
    """Return the provider of that name, or the given provider.

    Raises:
        InvalidArgumentError: no provider has that name.
    """
    if not isinstance(provider, str):
        return provider
    return find_provider(provider).provider


def as_recordings(entries: Iterable[Any], provider: str | Provider) -> tuple[list[Any], Provider]:
    """Return recordings for entries, which may be hand-made, and a provider that reads them."""
    given = list(entries)
    if not any(isinstance(entry, Event) for entry in given):
        return given, provider_named(provider)
    reader = provider if isinstance(provider, HandMade) else HandMade.of(provider)
    return [reader.recording(e) if isinstance(e, Event) else e for e in given], reader


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
