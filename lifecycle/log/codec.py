"""Encodes and decodes records, format 2: a header of one line, a newline, the body, the context.

    {"record":"event","v":2,"provider":…,"sha256":…,"version":3,"previous":…,"check":…}⏎body

The header is JSON in UTF-8. `sha256` is the hash of the body, `previous` the hash of the
preceding header in the stream, `after` names the preceding record in the whole log, `check`
is a CRC-32 of the header. So a stream's hash chain can be verified without its bodies, which
may be encrypted. Field by field: docs/contributors/stored-format.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from msgspec import UNSET, MsgspecError, Struct, json, structs

from lifecycle.core.erasure import as_erased
from lifecycle.core.event import (
    NO_CONTENT,
    NO_HEADERS,
    Entry,
    Event,
    Unreadable,
    Value,
    stream_of,
)
from lifecycle.core.recognizer import Recognizer
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.cipher import Cipher
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Append, Record
from lifecycle.log.control_record import ControlEntry, entry_in, fields_of
from lifecycle.log.encrypted_body import decrypted, encrypted, for_encryption
from lifecycle.log.event_reading import event_of
from lifecycle.log.header import (
    FORMAT,
    ControlFields,
    EncodedEventFields,
    EncryptionFields,
    ErasureFields,
    EventFields,
    EventHeader,
    Header,
    ItemFields,
    ItemHeader,
    Link,
    ReviewFields,
    RulesFields,
    UnmaskingFields,
    sections,
    storable,
    why_misplaced,
)
from lifecycle.log.item_record import erased_item, item_fields, item_of, utc
from lifecycle.log.key_store import key_id_of
from lifecycle.log.link_store import links_of

MAX_STORED_BYTES: Final = 900_000_000
"""A larger body is refused; SQLite holds no value above a billion bytes."""

_CHECK: Final = b',"check":"%08x"}'
_CHECK_BYTES: Final = len(_CHECK % 0)
_WRONG_FIELD: Final = "a field of its header is missing or of a wrong type"
_UNKNOWN_PROVIDER: Final = "the provider that it names is not known here"

_DECODE_ERRORS: Final = (MsgspecError, UnicodeDecodeError, RecursionError)

_encode: Final = json.Encoder().encode

link: Final[Callable[[Link], bytes]] = _encode
"""Returns the `after` value of the record that follows the linked one in the whole log."""

_Fields = (
    EventFields
    | ItemFields
    | ControlFields
    | ReviewFields
    | ErasureFields
    | RulesFields
    | EncryptionFields
    | UnmaskingFields
)
_parse: Final[Callable[[bytes], Header]] = json.Decoder(Header).decode
# Fields are decoded once before they are stored, so everything stored can be decoded.
_validate_fields: Final = json.Decoder(_Fields).decode


def prepare(entry: Entry) -> Append:
    """Encode an entry, except for the header fields that `seal` adds.

    Raises:
        InvalidArgumentError: a field has the wrong type, a time has no zone, or
            the body is too large.
    """
    prepared: Callable[[Any], Append] = _prepared_event if isinstance(entry, Event) else _prepared
    try:
        try:
            return prepared(entry)
        except UnicodeEncodeError:  # a lone surrogate
            return prepared(_encodable(entry))
    except (MsgspecError, TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidArgumentError(
            "the entry", "an Event, an Unreadable or a control entry, its times with a zone"
        ) from None


def prepare_for_encryption(entry: Entry) -> Append:
    """Prepare an entry whose body `seal` is to encrypt."""
    append = for_encryption(prepare(entry))
    if isinstance(entry, Unreadable) and entry.arrival and entry.arrival.order_id is not None:
        order = stream_of(entry.provider, entry.arrival.order_id)
        append.order_key_id = key_id_of(storable(order))
    return append


def seal(
    append: Append,
    previous: str | None,
    after: bytes | None,
    recorded_at: str,
    cipher: Cipher | None = None,
) -> str:
    """Finish encoding an entry, whose version is assigned, and return the hash of its header.

    `previous` is the hash of the header before it in its stream, `after` the `link` to the
    record before it in the whole log. Either is None if there is no such record, `after` also
    if the store cannot know it.
    `cipher` encrypts the body of an entry that was prepared for encryption.
    """
    opening, body, context = append.opening, append.body, append.context
    if cipher is not None and append.key_id:
        body, cipher_fields = encrypted(append, cipher)
        opening, context = opening + cipher_fields, None
    place_fields = f',"recorded_at":"{recorded_at}","version":{append.version}'
    if previous is not None:
        place_fields += f',"previous":"{previous}"'
    checked = opening + place_fields.encode("ascii")
    if after is not None:
        checked += b',"after":' + after
    header = checked + _CHECK % crc32(checked)
    append.state = header + b"\n" + body if context is None else header + b"\n" + body + context
    return sha256(header).hexdigest()


def split(record: Record) -> tuple[bytes, bytes]:
    """Return the header of a record, and the bytes after it.

    Raises:
        StoredFormatError: the header has no end.
    """
    header, newline, body = record.state.partition(b"\n")
    if not newline:
        raise StoredFormatError(record.stream, record.version, "its header has no end")
    return header, body


def hash_of(header: bytes) -> str:
    """Return the hash of a header, which the next record of the stream holds: SHA-256, hex."""
    return sha256(header).hexdigest()


def is_intact(header: bytes) -> bool:
    """Tell whether the `check` of a header matches."""
    return header.endswith(_CHECK % crc32(header[:-_CHECK_BYTES]))


def parse_header(header: bytes, stream: str, version: int) -> Header:
    """Return the fields of a header.

    Raises:
        StoredFormatError: it is damaged, or has another format.
    """
    try:
        return _parse(header)
    except _DECODE_ERRORS:
        raise StoredFormatError(stream, version, _why_undecodable(header)) from None


def decode(record: Record, cipher: Cipher | None = None) -> Entry:
    """Return the entry in a record; `cipher` is that of the log.

    An event has its `version` and `position`, but not its `Content`, which its provider reads
    from the body. An erased entry has only what its header says.

    Raises:
        StoredFormatError: the record is damaged, has another format, or was written for another
            place; or its body is encrypted, and the key is missing.
    """
    fields, stored = header_and_body(record)
    if isinstance(fields, EventHeader):
        return decode_event(record, cipher)
    if isinstance(fields, ItemHeader):
        body, context = sections(fields, stored)
        if fields.key_id is not None:
            plain = decrypted(fields, record, stored, cipher)
            if plain is None:
                return erased_item(fields)
            body, context = plain
        return item_of(fields, body, context)
    try:
        return entry_in(fields)
    except UnicodeDecodeError:  # in what is kept as it was written
        raise StoredFormatError(record.stream, record.version, _WRONG_FIELD) from None


def decode_event(record: Record, cipher: Cipher | None = None) -> Event:
    """Return the event in a record, decoded as by `decode`."""
    return decode_events((record,), cipher)[0]


def decode_events(
    records: Iterable[Record],
    cipher: Cipher | None = None,
    readers: Mapping[str, Recognizer] | None = None,
    *,
    with_bodies: bool = False,
) -> list[Event]:
    """Return the events in records, decoded as by `decode`.

    With `readers` each has the `Content` that its own provider reads from its body, and no
    context; bodies are then let go, unless they are wanted.

    Raises:
        StoredFormatError: as `decode`; or a record holds no event, or one of another provider.
        ProviderFaultError: a provider's code cannot read a body.
    """
    events = []
    for record in records:
        fields, stored = header_and_body(record)
        if not isinstance(fields, EventHeader):
            raise StoredFormatError(record.stream, record.version, "it holds no event")
        body: bytes | None
        context: bytes | None
        content = NO_CONTENT
        if fields.key_id is not None:
            body, context = decrypted(fields, record, stored, cipher) or (None, None)
        elif fields.size is not None:
            body, context = sections(fields, stored)
        else:
            body, context = stored, None
        if readers is not None:
            reader, context = readers.get(fields.provider), None
            if reader is None:
                raise StoredFormatError(record.stream, record.version, _UNKNOWN_PROVIDER)
            if body is not None:
                content = reader.recall(fields, body)
                body = body if with_bodies else b""
        event = event_of(fields, record, body or b"", context, content)
        events.append(event if body is not None else as_erased(event))
    return events


def header_and_body(record: Record) -> tuple[Header, bytes]:
    """Return the decoded header of a record, and the bytes after it.

    Raises:
        StoredFormatError: as `decode`.
    """
    stream, version, _, _, state = record
    header, newline, stored = state.partition(b"\n")
    try:
        if newline:
            fields = _parse(header)
            misplaced = why_misplaced(record, fields)
        else:
            misplaced = "its header has no end"
    except _DECODE_ERRORS:
        misplaced = _why_undecodable(header)
    if misplaced is not None:
        raise StoredFormatError(stream, version, misplaced)
    return fields, stored


def _why_undecodable(header: bytes) -> str:
    try:
        fields = json.decode(header)
    except _DECODE_ERRORS:
        return "its header is no JSON"
    if not isinstance(fields, dict):
        return "its header is no JSON object"
    found = fields.get("v")
    if type(found) is not int or found != FORMAT:
        return f"it has format {found!a:.20}, this release reads {FORMAT}"
    return _WRONG_FIELD


def _prepared(entry: Unreadable | ControlEntry) -> Append:
    if isinstance(entry, Unreadable):
        context = None if entry.arrival is None else entry.arrival.context
        hashes = _hash(entry.body), None if context is None else _hash(context)
        opening = _opening(item_fields(entry, *hashes))
        return Append(QUARANTINE, ItemHeader.topic, "", "", opening, entry.body, context)
    fields = fields_of(entry)
    return Append(CONTROL, fields.topic, *fields.identity, _opening(fields), b"")


def _opening(fields: Struct) -> bytes:
    encoded = _encode(fields)
    _validate_fields(encoded)
    return encoded[:-1]


def _prepared_event(event: Event) -> Append:
    encoded = _encode(_event_fields(event))
    _validate_fields(encoded)
    stream = f"{ORDERS}{event.provider}:{event.order_id}"
    if not (stream.isascii() and stream.isprintable()):
        stream = storable(stream)
    return Append(
        stream,
        event.kind,
        event.key,
        event.digest,
        encoded[:-1],
        event.body,
        event.context,
        links_of(event) if event.links else (),
    )


def _event_fields(event: Event) -> Struct:
    name, occurred, received_at = event.name, event.occurred_at, event.received_at
    body, context = event.body, event.context
    if not isinstance(body, bytes) or len(body) > MAX_STORED_BYTES:
        raise TypeError
    return EncodedEventFields(
        FORMAT,
        event.exchange_id,
        event.http_status,
        {} if event.headers is NO_HEADERS else dict(event.headers.items()),
        event.client,
        event.operation,
        event.sequence,
        event.part,
        event.links,
        event.replayed,
        sha256(body).hexdigest(),
        None,  # what encrypts adds the hash of the ciphertext, and the id of its key
        None,
        None if context is None else len(body),
        None if context is None else _hash(context),
        event.provider,
        event.order_id,
        event.kind,
        name,
        UNSET if event.trigger == name else event.trigger,
        event.key,
        event.digest,
        event.event_id,
        event.attempt,
        event.status,
        None,
        occurred if occurred is None or occurred.tzinfo is UTC else utc(occurred),
        received_at if received_at.tzinfo is UTC else utc(received_at),
        event.problems,
        event.redriven_from,
    )


def _hash(body: bytes) -> str:
    if not isinstance(body, bytes) or len(body) > MAX_STORED_BYTES:
        raise TypeError
    return sha256(body).hexdigest()


def _encodable(value: Any) -> Any:
    """Return a copy with the lone surrogates in its texts escaped."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case Value():
            return type(value)(*map(_encodable, structs.astuple(value)))
        case tuple():
            return tuple(map(_encodable, value))
        case Mapping():
            return {_encodable(name): _encodable(item) for name, item in value.items()}
    return value
