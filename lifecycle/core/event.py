"""One thing that was sent or that arrived about an order.

    bytes ─→ Arrival ─→ recognizer ─→ Event        stored once, immutable
                                   └→ Unreadable   stored in the quarantine

An `Arrival` is what came, not yet understood. An `Event` is what it says, with the
bytes it came as. Both are plain values: nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, Self

from msgspec import Struct, structs

from lifecycle.core.printing import ShownByRepr

Kind = Literal["request", "response", "callback", "poll"]
"""How an event came: our create request, its response, a callback, or any other answer."""

Fate = Literal["not_reached", "unknown"]
"""What a failed exchange says of its request: it was not validated, or nobody knows."""

Problem = Literal["bad_time", "unreadable_body", "unrecognized"]
"""What was odd about an event's content: an anomaly's code. A definition may add its own."""

Recording = Literal["delayed", "replayed"]
"""How an event came to be recorded, where it was not as it came: long after the time at which
the caller says it was received, or by replaying a recording or an item of the quarantine."""

KINDS: Final[tuple[Kind, ...]] = ("request", "response", "callback", "poll")

REQUESTED: Final = "requested"
RESUBMITTED: Final = "resubmitted"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
FAILED: Final = "failed"
POLL_FAILED: Final = "poll_failed"
ASKED: Final = "_requested"
"""How the name of an operation's request ends: `cancel_requested`."""

EXCHANGE_NAMES: Final = frozenset({REQUESTED, RESUBMITTED, ACCEPTED, REJECTED, FAILED, POLL_FAILED})
"""Names that only we give. In a provider's mouth they mean nothing."""

MAX_BODY_BYTES: Final = 1024 * 1024
"""A larger body is quarantined as `too_big`."""

MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Up to here a receiver keeps a body whole; above it answers 413."""

MAX_ID_BYTES: Final = 255

MAX_WORD_BYTES: Final = 255
"""A longer event name or status of a provider's, trimmed and in lower case, says nothing."""

MAX_ATTEMPT: Final = 1_000_000

MAX_CONTEXT_BYTES: Final = 64 * 1024
"""A larger context is refused: it is stored with every event that it came with."""

LONGEST_DELAY: Final = timedelta(minutes=5)
"""Something that is recorded later than this after it was received is `delayed`."""

_LONGEST_WORD: Final = 40

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def stream_of(provider: str, order_id: str) -> str:
    """Return the name of an order's stream in the log."""
    return f"order:{provider}:{order_id}"


def shown_word(word: str) -> str:
    """Return a plain word, `?` for any other: that may be whatever somebody sent."""
    is_plain = word.isascii() and word.isidentifier() and len(word) <= _LONGEST_WORD
    return word if is_plain else "?"


class Value(ShownByRepr, Struct, frozen=True, gc=False):
    """A plain value: its fields never change, and it survives pickling and copying."""

    def _replace(self, **changes: Any) -> Self:
        return structs.replace(self, **changes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _frozen, (type(self), tuple(map(_thawed, structs.astuple(self))))


class Arrival(Value, frozen=True, gc=False):
    """What came, not yet understood.

    Attributes:
        kind: `request`, `response`, `callback` or `poll`.
        body: the bytes as they came.
        received_at: when, by our clock.
        order_id: the order that the caller, the URL or the line names; None where only the
            body can.
        attempt: which create request it is, or answers, counted from 1.
        exchange_id: what one sending and its answer have in common.
        http_status: that of an answer; None: no answer came, or it is none.
        headers: those that are kept, names in lower case.
        client: who sent it, as a gate says.
        operation: of what beside creation it is the request or the answer, such as `cancel`:
            as `begin_operation` or `record_poll(..., operation="cancel")` says. None for a look.
        number: which request of that operation it is.
        replayed: whether it comes from a recording.
        context: what the caller keeps with it.
    """

    kind: Kind
    body: bytes
    received_at: datetime
    order_id: str | None = None
    attempt: int = 1
    exchange_id: str | None = None
    http_status: int | None = None
    headers: Mapping[str, str] = NO_HEADERS
    client: str | None = None
    operation: str | None = None
    number: int | None = None
    replayed: bool = False
    context: bytes | None = None

    def __repr__(self) -> str:
        return f"<Arrival {self.kind} of {len(self.body)} bytes>"


class Fault(Value, frozen=True, gc=False):
    """One readable error of a rejected or failed exchange; what nobody said is None."""

    message: str | None = None
    code: int | str | None = None
    key: str | None = None

    def __repr__(self) -> str:
        return f"<Fault code={self.code!a}>"


class Event(Value, frozen=True, gc=False):
    """One event of an order: its bytes verbatim, its identity, its times, what it says.

    `name` is stored and public for ever; `trigger` is what the definition is asked with:
    the name itself, the state that an answer shows, or None where the provider used one
    of our own words. `details`, `faults`, `problems` (anomaly codes) and `fate` are read
    from the body. `version` and `position` are None until the event is stored. `client` sent
    it, `context` is what the caller keeps with it: outside of the digest, and erasable.
    """

    provider: str
    order_id: str
    kind: Kind
    name: str
    trigger: str | None
    key: str
    digest: str
    received_at: datetime
    body: bytes
    sha256: str
    event_id: str | None = None
    attempt: int | None = None
    exchange_id: str | None = None
    status: str | None = None
    occurred_at: datetime | None = None
    http_status: int | None = None
    headers: Mapping[str, str] = NO_HEADERS
    details: Mapping[str, Any] = NOTHING
    faults: tuple[Fault, ...] = ()
    problems: tuple[str, ...] = ()
    fate: Fate | None = None
    recorded_at: datetime | None = None
    version: int | None = None
    position: int | None = None
    redriven_from: int | None = None
    client: str | None = None
    operation: str | None = None
    sequence: int | None = None
    part: int | None = None
    links: tuple[str, ...] = ()
    replayed: bool = False
    context: bytes | None = None
    erased: bool = False

    @property
    def stream(self) -> str:
        """The order's stream in the log."""
        return stream_of(self.provider, self.order_id)

    @property
    def recording(self) -> Recording | None:
        """How it came to be recorded; None where that was as it came, or is not known."""
        return recordings_of((self,))[0]

    def __repr__(self) -> str:
        return f"<Event {self.kind} {shown_word(self.name)} {self.sha256[:12]}>"


def recordings_of(events: Iterable[Event]) -> list[Recording | None]:
    """Return the `recording` of each event."""
    return [
        "replayed"
        if event.replayed or event.redriven_from is not None
        else "delayed"
        if (recorded_at := event.recorded_at) is not None
        and recorded_at - event.received_at > LONGEST_DELAY
        else None
        for event in events
    ]


class Content(Value, frozen=True, gc=False):
    """What a body says of its order: read again whenever its stored event is folded."""

    details: Mapping[str, Any]
    faults: tuple[Fault, ...]
    fate: Fate | None


NO_CONTENT: Final = Content(NOTHING, (), None)


class Unreadable(Value, frozen=True, gc=False):
    """Something that arrived and could not be read as an event: kept whole.

    `reason` is one of the quarantine's codes, `detail` a sentence without any payload.
    `arrival` is None for a line of a recording that is no arrival at all (`bad_line`):
    its bytes are then `body` and `line_number` counts from 1.
    """

    provider: str
    reason: str
    detail: str
    body: bytes
    received_at: datetime
    arrival: Arrival | None = None
    line_number: int | None = None
    recorded_at: datetime | None = None

    def __repr__(self) -> str:
        return f"<Unreadable {ascii(self.reason)[1:-1]} of {len(self.body)} bytes>"


class Redriven(Value, frozen=True, gc=False):
    """The mark that item `item` of the quarantine became an event of `stream`.

    There is one an item at most: to append it again changes nothing.
    """

    item: int
    stream: str
    key: str
    redriven_at: datetime


class Reviewed(Value, frozen=True, gc=False):
    """That a person looked at what wanted attention: who, why, and when.

    `subject` names it and what was known of it then, so that what comes later is not reviewed.
    There is one a subject at most: the first stays.
    """

    subject: str
    by: str
    why: str
    reviewed_at: datetime

    def __repr__(self) -> str:
        return f"<Reviewed {self.subject!a}>"


class Erased(Value, frozen=True, gc=False):
    """That the key was destroyed of the order of `stream`, or of `item` in the quarantine."""

    stream: str
    key_id: str
    by: str
    why: str
    erased_at: datetime
    item: int | None = None

    def __repr__(self) -> str:
        return f"<Erased {self.key_id!a}>"


class Rules(Value, frozen=True, gc=False):
    """The definition by which a provider's orders are folded from here on.

    Attributes:
        provider: whose orders.
        fingerprint: of the definition: the SHA-256 of its JSON.
        definition: its canonical JSON, as `Definition.to_json` writes it.
        release: of this library, which folds.
        origin: where the provider was found; of a package its name and release.
        details: the JSON schema of what the provider tells of an order; None if it has none.
    """

    provider: str
    fingerprint: str
    definition: str
    release: str
    origin: str | None = None
    details: str | None = None

    def __repr__(self) -> str:
        return f"<Rules {self.fingerprint[:12]} of {self.provider!a}>"


class Encrypted(Value, frozen=True, gc=False):
    """That what stands before it came from a plain log, of which this is the checkpoint."""

    checkpoint: str
    encrypted_at: datetime


class Unmasked(Value, frozen=True, gc=False):
    """That a person looked at what is masked: the bodies of an order, or of a quarantined item.

    `item` is the item's number, None for an order, which `stream` names.
    """

    stream: str
    by: str
    unmasked_at: datetime
    item: int | None = None

    def __repr__(self) -> str:
        return f"<Unmasked {self.stream!a}>"


Entry = Event | Unreadable | Redriven | Reviewed | Erased | Rules | Encrypted | Unmasked
"""What the log can append."""


def _thawed(value: object) -> object:
    """Return a value that pickles: a read-only mapping does not."""
    if isinstance(value, MappingProxyType | dict):
        return {key: _thawed(item) for key, item in value.items()}
    return value


def _frozen(cls: type[Value], fields: tuple[Any, ...]) -> Value:
    """Return a value made from what it was pickled as, its mappings read-only again."""
    return cls(*(MappingProxyType(field) if type(field) is dict else field for field in fields))
