"""The stored form of a record, format 2: a header of one line, a newline, the body, the context.

    {"record":"event","v":2,"provider":…,"sha256":…,"version":3,"previous":…,"check":…}⏎body

The header is JSON in UTF-8. `sha256` is the hash of the body, `previous` the hash of the
preceding header in the stream, `after` names the preceding record in the whole log, `check`
is a CRC-32 of the header. So a stream's hash chain can be verified without its bodies. Field
by field: docs/reference/stored-format.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from zlib import crc32

from msgspec import UNSET, MsgspecError, json, structs

from lifecycle.core.event import (
    NO_CONTENT,
    NO_HEADERS,
    Arrival,
    Content,
    Entry,
    Event,
    Redriven,
    Reviewed,
    Unreadable,
)
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Append, Record
from lifecycle.log.header import (
    FORMAT,
    ControlFields,
    EventFields,
    EventHeader,
    Header,
    ItemFields,
    ItemHeader,
    ReviewFields,
    ReviewHeader,
    mark_key,
    review_key,
    sections,
    storable,
    why_misplaced,
)
from lifecycle.log.link_store import links_of

MAX_STORED_BYTES: Final = 900_000_000
"""A larger body is refused; SQLite holds no value above a billion bytes."""

_CHECK: Final = b',"check":'
_WRONG_FIELD: Final = "a field of its header is missing or of a wrong type"

_UNREADABLE: Final = (MsgspecError, UnicodeDecodeError, RecursionError)

_encode: Final = json.Encoder().encode
_Fields = EventFields | ItemFields | ControlFields | ReviewFields
_parse: Final[Callable[[bytes], Header]] = json.Decoder(Header).decode
# Decode the fields once before they are stored: whatever is stored can be decoded.
_check_fields: Final = json.Decoder(EventFields | ItemFields | ControlFields | ReviewFields).decode


def prepare(entry: Entry) -> Append:
    """Encode all of an entry that does not depend on its version.

    Raises:
        InvalidArgumentError: a field has the wrong type, a time has no zone, or
            the body is too large.
    """
    try:
        try:
            return _prepared(entry)
        except UnicodeEncodeError:  # a lone surrogate
            return _prepared(_encodable(entry))
    except (MsgspecError, TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidArgumentError(
            "the entry", "an Event, an Unreadable, a Redriven or a Reviewed, its times with a zone"
        ) from None


def seal(append: Append, previous: str | None, after: bytes | None, recorded_at: str) -> str:
    """Encode an entry at its assigned version, and return its header's hash.

    `previous` is the hash of the header before it in its stream, `after` the `link` to the
    record before it in the whole log; None where there is none, or the store cannot know.
    """
    chained = "" if previous is None else f',"previous":"{previous}"'
    placed = f',"recorded_at":"{recorded_at}","version":{append.place.version}{chained}'
    linked = b"" if after is None else b',"after":%b' % after
    checked = b"%b%b%b" % (append.opening, placed.encode("ascii"), linked)
    header = b'%b,"check":"%08x"}' % (checked, crc32(checked))
    append.state = b"%b\n%b%b" % (header, append.body, append.context or b"")
    return sha256(header).hexdigest()


def link(stream: str, version: int, header_hash: str) -> bytes:
    """Return the `after` value of the next record in the whole log."""
    return _encode((stream, version, header_hash))


def split(record: Record) -> tuple[bytes, bytes]:
    """Return the header of a record, and what comes after it.

    Raises:
        StoredFormatError: there is no header.
    """
    header, newline, body = record.state.partition(b"\n")
    if not newline:
        raise StoredFormatError(record.stream, record.version, "its header has no end")
    return header, body


def hash_of(header: bytes) -> str:
    """Return the hash that the next record of the stream carries: SHA-256, hex."""
    return sha256(header).hexdigest()


def is_intact(header: bytes) -> bool:
    """Tell whether a header's own `check` holds."""
    checked, found, check = header.rpartition(_CHECK)
    return found == _CHECK and check == b'"%08x"}' % crc32(checked)


def parse_header(header: bytes, stream: str, version: int) -> Header:
    """Return what a header says.

    Raises:
        StoredFormatError: it is damaged, or has another format.
    """
    try:
        return _parse(header)
    except _UNREADABLE:
        raise StoredFormatError(stream, version, _why_no_header(header)) from None


def decode(record: Record) -> Entry:
    """Decode a record.

    An event comes with `version` and `position`, without what its body says: `Content`.

    Raises:
        StoredFormatError: it is damaged, has another format, or stands where it was
            not written.
    """
    fields, stored = header_and_body(record)
    body, context = sections(fields, stored)
    if isinstance(fields, EventHeader):
        return event_of(fields, record, body, context, NO_CONTENT)
    if isinstance(fields, ItemHeader):
        return Unreadable(
            fields.provider,
            fields.reason,
            fields.detail,
            body,
            fields.received_at,
            _arrival(fields, body, context),
            fields.line_number,
            fields.recorded_at,
        )
    if isinstance(fields, ReviewHeader):
        return Reviewed(fields.subject, fields.by, fields.why, fields.at)
    return Redriven(fields.item, fields.stream, fields.key, fields.at)


def decode_event(record: Record) -> Event:
    """Decode a record that holds an event."""
    return event_of(*event_parts(record), NO_CONTENT)


def event_parts(record: Record) -> tuple[EventHeader, Record, bytes, bytes | None]:
    """Return what makes up an event: its header, its record, its body and its context.

    Raises:
        StoredFormatError: as `decode`; or the record holds no event.
    """
    fields, stored = header_and_body(record)
    if not isinstance(fields, EventHeader):
        raise StoredFormatError(record.stream, record.version, "it holds no event")
    if fields.size is None:
        return fields, record, stored, None
    return fields, record, *sections(fields, stored)


def header_and_body(record: Record) -> tuple[Header, bytes]:
    """Return a record's header, decoded, and what follows it.

    Raises:
        StoredFormatError: as `decode`.
    """
    stream, version = record.stream, record.version
    header, newline, stored = record.state.partition(b"\n")
    if not newline:
        raise StoredFormatError(stream, version, "its header has no end")
    fields = parse_header(header, stream, version)
    misplaced = why_misplaced(record, fields)
    if misplaced is not None:
        raise StoredFormatError(stream, version, misplaced)
    return fields, stored


def _why_no_header(header: bytes) -> str:
    try:
        fields = json.decode(header)
    except _UNREADABLE:
        return "its header is no JSON"
    if not isinstance(fields, dict):
        return "its header is no JSON object"
    written = fields.get("v")
    if type(written) is not int or written != FORMAT:
        return f"it has format {written!a:.20}, this release reads {FORMAT}"
    return _WRONG_FIELD


def _prepared(entry: Entry) -> Append:
    if isinstance(entry, Event):
        opening = _opening(_event_fields(entry))
        stream = storable(f"{ORDERS}{entry.provider}:{entry.order_id}")
        what = (stream, entry.kind, entry.key, entry.digest, opening, entry.body, entry.context)
        return Append(*what, links_of(entry) if entry.links else ())
    if isinstance(entry, Unreadable):
        opening = _opening(_item_fields(entry))
        context = None if entry.arrival is None else entry.arrival.context
        return Append(QUARANTINE, ItemHeader.TOPIC, "", "", opening, entry.body, context)
    if isinstance(entry, Reviewed):
        at = _utc(entry.reviewed_at)
        review = ReviewFields(v=FORMAT, subject=entry.subject, by=entry.by, why=entry.why, at=at)
        return Append(CONTROL, "reviewed", review_key(review.subject), "", _opening(review), b"")
    item, stream, at = entry.item, entry.stream, _utc(entry.redriven_at)
    mark = ControlFields(v=FORMAT, kind="redriven", item=item, stream=stream, key=entry.key, at=at)
    return Append(CONTROL, mark.kind, mark_key(item), "", _opening(mark), b"")


def _opening(fields: _Fields) -> bytes:
    encoded = _encode(fields)
    _check_fields(encoded)
    return encoded[:-1]


def _event_fields(event: Event) -> EventFields:
    name, told_at, received_at = event.name, event.occurred_at, event.received_at
    context = event.context
    return EventFields(
        v=FORMAT,
        provider=event.provider,
        order_id=event.order_id,
        kind=event.kind,
        name=name,
        key=event.key,
        digest=event.digest,
        received_at=received_at if received_at.tzinfo is UTC else _utc(received_at),
        trigger=UNSET if event.trigger == name else event.trigger,
        event_id=event.event_id,
        attempt=event.attempt,
        exchange_id=event.exchange_id,
        status=event.status,
        occurred_at=told_at if told_at is None or told_at.tzinfo is UTC else _utc(told_at),
        http_status=event.http_status,
        headers=dict(event.headers.items()),
        problems=event.problems,
        redriven_from=event.redriven_from,
        client=event.client,
        operation=event.operation,
        sequence=event.sequence,
        part=event.part,
        links=event.links,
        replayed=event.replayed,
        sha256=_hash(event.body),
        size=None if context is None else len(event.body),
        context_sha256=None if context is None else _hash(context),
    )


def _item_fields(item: Unreadable) -> ItemFields:
    fields = ItemFields(
        v=FORMAT,
        provider=item.provider,
        reason=item.reason,
        detail=item.detail,
        received_at=_utc(item.received_at),
        line_number=item.line_number,
        sha256=_hash(item.body),
    )
    return fields if item.arrival is None else _with_arrival(fields, item.arrival)


def _with_arrival(item: ItemFields, arrival: Arrival) -> ItemFields:
    context = arrival.context
    return structs.replace(
        item,
        kind=arrival.kind,
        order_id=arrival.order_id,
        attempt=arrival.attempt,
        exchange_id=arrival.exchange_id,
        http_status=arrival.http_status,
        headers=dict(arrival.headers.items()),
        number=arrival.number,
        client=arrival.client,
        operation=arrival.operation,
        sequence=arrival.sequence,
        part=arrival.part,
        links=arrival.links,
        replayed=arrival.replayed,
        size=None if context is None else len(arrival.body),
        context_sha256=None if context is None else _hash(context),
    )


def _utc(time: datetime) -> datetime:
    if time.utcoffset() is None:
        raise TypeError
    return time.astimezone(UTC)


def _hash(body: bytes) -> str:
    if not isinstance(body, bytes) or len(body) > MAX_STORED_BYTES:
        raise TypeError
    return sha256(body).hexdigest()


def event_of(
    fields: EventHeader, record: Record, body: bytes, context: bytes | None, content: Content
) -> Event:
    """Return a stored event; `content` is what its provider reads in its body."""
    return Event(
        fields.provider,
        fields.order_id,
        fields.kind,
        fields.name,
        fields.name if fields.trigger is UNSET else fields.trigger,
        fields.key,
        fields.digest,
        fields.received_at,
        body,
        fields.sha256 or "",
        fields.event_id,
        fields.attempt,
        fields.exchange_id,
        fields.status,
        fields.occurred_at,
        fields.http_status,
        MappingProxyType(fields.headers) if fields.headers else NO_HEADERS,
        content.details,
        content.faults,
        fields.problems,
        content.fate,
        recorded_at=fields.recorded_at,
        version=record.version,
        position=record.position,
        redriven_from=fields.redriven_from,
        client=fields.client,
        operation=fields.operation,
        sequence=fields.sequence,
        part=fields.part,
        links=fields.links,
        replayed=fields.replayed,
        context=context,
    )


def _arrival(fields: ItemHeader, body: bytes, context: bytes | None) -> Arrival | None:
    if fields.kind is None:
        return None
    return Arrival(
        fields.kind,
        body,
        fields.received_at,
        fields.order_id,
        fields.attempt,
        fields.exchange_id,
        fields.http_status,
        MappingProxyType(fields.headers) if fields.headers else NO_HEADERS,
        fields.client,
        fields.operation,
        fields.number,
        fields.sequence,
        fields.part,
        fields.links,
        fields.replayed,
        context,
    )


def _encodable(value: Any) -> Any:
    """Return a copy with the lone surrogates in its texts escaped."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case Event() | Unreadable() | Redriven() | Reviewed() | Arrival():
            return type(value)(*map(_encodable, structs.astuple(value)))
        case tuple():
            return tuple(map(_encodable, value))
        case Mapping():
            return {_encodable(name): _encodable(item) for name, item in value.items()}
    return value
