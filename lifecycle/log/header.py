"""The headers of stored records: one struct for each kind of record.

`…Fields` hold what is known before a record has a place in the log; `…Header` adds the rest.
Fields at their defaults are not written, and fields that a later release adds are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import NODEFAULT, UNSET, Meta, Raw, Struct, UnsetType, defstruct, field, structs

from lifecycle.core.event import Kind
from lifecycle.core.instant import format_instant
from lifecycle.log.contract import CONTROL, MAX_POSITION, ORDERS, QUARANTINE, Record

FORMAT: Final = 2
"""The format that is written and read."""

RULES: Final = "rules:"
"""How the keys begin by which rules are known."""

Time = Annotated[datetime, Meta(tz=True)]

Link = tuple[str, int, str]
"""Names a record of the log: its stream, its version and the hash of its header."""


def storable(text: str) -> str:
    """Return a stream's name as every store can hold it: NUL and lone surrogates escaped."""
    if text.isascii():
        return text.replace("\x00", "\\x00")
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


class _Fields(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="record"):
    v: Literal[2]


class _BodyFields(_Fields, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields about a body: how it arrived, its hashes, and the id of its key.

    `sha256` is the hash of the plain body; `stored_sha256` that of the ciphertext, if the record
    is encrypted. `size` is the length of the body, if a context follows it.
    """

    exchange_id: str | None = None
    http_status: int | None = None
    headers: dict[str, str] = {}
    client: str | None = None
    operation: str | None = None
    sequence: int | None = None
    part: int | None = None
    links: tuple[str, ...] = ()
    replayed: bool = False
    sha256: str | None = None
    stored_sha256: str | None = None
    key_id: str | None = None
    size: int | None = None
    context_sha256: str | None = None


class EventFields(
    _BodyFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="event"
):
    """What is known of an event before it has a place."""

    provider: str
    order_id: str
    kind: Kind
    name: str
    trigger: str | UnsetType | None = UNSET
    key: str
    digest: str
    event_id: str | None = None
    attempt: int | None = None
    status: str | None = None
    word: str | None = None
    occurred_at: Time | None = None
    received_at: Time
    problems: tuple[str, ...] = ()
    redriven_from: int | None = None


def _unchecked(info: structs.FieldInfo) -> tuple[str, Any, Any]:
    """Return a field of a struct whose every field has its place among the arguments."""
    if info.default_factory is not NODEFAULT:
        return info.name, Any, field(default_factory=info.default_factory)
    return info.name, Any, UNSET if info.default is NODEFAULT else info.default


EncodedEventFields: Final[Callable[..., Struct]] = defstruct(
    "EncodedEventFields",
    map(_unchecked, structs.fields(EventFields)),
    frozen=True,
    omit_defaults=True,
    gc=False,
    tag_field="record",
    tag="event",
)
"""Encodes as `EventFields`, made by position: several times as fast as by thirty names."""


class ItemFields(_BodyFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="item"):
    """What is known of a quarantined item before it has a place; a bad line has no `kind`."""

    provider: str
    reason: str
    detail: str
    line_number: int | None = None
    kind: Kind | None = None
    order_id: str | None = None
    attempt: int = 1
    number: int | None = None
    received_at: Time


class _ControlFields(_Fields, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What is known of a record about no single order before it has a place."""

    stored_in: ClassVar[str] = CONTROL

    @property
    def identity(self) -> tuple[str, str]:
        """The key and the digest of the record in its stream: one of a key is stored once."""
        return key_of(self), ""


class ControlFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="control"
):
    """What is known of a control record before it has a place."""

    topic: ClassVar[str] = "redriven"

    kind: Literal["redriven"]
    item: int
    stream: str
    key: str
    at: Time


class ReviewFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="review"
):
    """What is known of a review before it has a place."""

    topic: ClassVar[str] = "reviewed"

    subject: str
    by: str
    why: str
    at: Time


class ErasureFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="erasure"
):
    """What is known of an erasure before it has a place."""

    topic: ClassVar[str] = "erased"

    stream: str
    item: int | None = None
    key_id: str
    by: str
    why: str
    at: Time


class UnmaskingFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="unmasking"
):
    """What is known of an unmasking before it has a place."""

    topic: ClassVar[str] = "unmasked"

    stream: str
    item: int | None = None
    by: str
    at: Time


class RulesFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="rules"
):
    """What is known of the rules of a provider before they have a place.

    `definition` and `details` are kept as they were written, byte for byte.
    """

    topic: ClassVar[str] = "rules"

    provider: str
    fingerprint: str
    release: str
    origin: str | None = None
    definition: Raw
    details: Raw

    @property
    def identity(self) -> tuple[str, str]:
        """The key and the digest of the record in its stream."""
        return key_of(self), self.fingerprint


class EncryptionFields(
    _ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="encryption"
):
    """What is known of a move from a plain log before it has a place."""

    topic: ClassVar[str] = "encrypted"

    checkpoint: str
    at: Time


def key_of(fields: _ControlFields) -> str:
    """Return what a record is known by in its stream: whoever writes it again makes the same."""
    match fields:
        case ControlFields():
            return f"redriven:{fields.item}"
        case ReviewFields():
            return f"reviewed:{fields.subject}"
        case ErasureFields():
            return f"erased:{fields.stream if fields.item is None else fields.item}"
        case UnmaskingFields():  # every one is recorded
            what = fields.stream if fields.item is None else fields.item
            return f"unmasked:{what}@{format_instant(fields.at)}:{fields.by}"
        case RulesFields():
            return f"{RULES}{fields.provider}"
        case EncryptionFields():
            return f"encrypted:{fields.checkpoint}"
    raise TypeError


class EventHeader(
    EventFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="event"
):
    """The header of an event."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None

    @property
    def stored_in(self) -> str:
        """The stream that it was written for."""
        return storable(f"{ORDERS}{self.provider}:{self.order_id}")

    @property
    def topic(self) -> str:
        """The topic that its record must have."""
        return self.kind

    @property
    def identity(self) -> tuple[str, str]:
        """The key and the digest of the record in its stream."""
        return self.key, self.digest

    @property
    def triggered(self) -> str | None:
        """The trigger of the event: its name, unless the header holds another."""
        return self.name if self.trigger is UNSET else self.trigger


class ItemHeader(ItemFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="item"):
    """The header of a quarantined item."""

    topic: ClassVar[str] = "quarantined"
    stored_in: ClassVar[str] = QUARANTINE
    identity: ClassVar[tuple[str, str]] = ("", "")

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


class ControlHeader(
    ControlFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="control"
):
    """The header of a control record."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


class ReviewHeader(
    ReviewFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="review"
):
    """The header of a review."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


class ErasureHeader(
    ErasureFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="erasure"
):
    """The header of an erasure."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


class UnmaskingHeader(
    UnmaskingFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="unmasking"
):
    """The header of an unmasking."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


class RulesHeader(
    RulesFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="rules"
):
    """The header of the rules of a provider."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the definition matches the fingerprint."""
        return sha256(self.definition).hexdigest() == self.fingerprint


class EncryptionHeader(
    EncryptionFields, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag="encryption"
):
    """The header of the record that links an encrypted log to the plain log it was moved from."""

    recorded_at: Time
    version: int
    previous: str | None = None
    after: Link | None = None


Bodiless = (
    ControlHeader | ReviewHeader | ErasureHeader | RulesHeader | EncryptionHeader | UnmaskingHeader
)
"""The header of a record that is about no single order."""

Header = EventHeader | ItemHeader | Bodiless

WITH_BODY: Final = (EventHeader, ItemHeader)
"""The headers of records with a body: to ask for one of these takes a tenth of asking a union."""


def sections(header: Header, stored: bytes) -> tuple[bytes, bytes | None]:
    """Return the body and the context of a record."""
    if isinstance(header, WITH_BODY) and header.size is not None:
        return stored[: header.size], stored[header.size :]
    return stored, None


def why_out_of_bounds(version: object, position: object) -> str | None:
    """Return why a version or position is invalid; None if both are valid."""
    if type(version) is not int:
        return "its version is no number"
    if version < 1:
        return f"its version is {version}; expected 1 or more"
    if type(position) is not int or not 1 <= position <= MAX_POSITION:
        return f"its position is {position}; expected one from 1 to {MAX_POSITION}"
    return None


def why_misplaced(record: Record, header: Header) -> str | None:
    """Return why a record does not match its stream, version or topic; None if it does."""
    stream, version, topic, position, _ = record
    are_numbers = type(version) is int and type(position) is int
    if not are_numbers or version < 1 or not 1 <= position <= MAX_POSITION:
        return why_out_of_bounds(version, position)
    if isinstance(header, EventHeader):  # as nearly all are: without the calls of its properties
        stored_in, called_for = f"{ORDERS}{header.provider}:{header.order_id}", str(header.kind)
        if "\0" in stored_in:  # JSON that was decoded has no lone surrogate
            stored_in = header.stored_in
    else:
        stored_in, called_for = header.stored_in, header.topic
    if header.version != version or stored_in != stream:
        return f"its header was written for version {header.version} of {stored_in!a}"
    if called_for != topic:
        return f"its topic is not {called_for!a}, which its header calls for"
    return None
