"""The stored form of a record, format 1: a header of one line, a newline, the body verbatim.

    {"v":1,"provider":…,"sha256":…,"version":3,"previous":…,"after":…,"check":…}⏎body

The header is JSON in ASCII. `sha256` vouches for the body, `previous` for the header
before it in the same stream, `after` for the record before it in the whole log, `check`
for the header itself. So a stream can be checked without its bodies. Field by field:
docs/reference/stored-format.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from typing import Any, Final
from zlib import crc32

import jiter
from msgspec import structs

from lifecycle.core.event import (
    Arrival,
    Entry,
    Event,
    Redriven,
    Unreadable,
    stream_of,
)
from lifecycle.core.instant import format_instant
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.contract import MAX_POSITION, ORDERS, QUARANTINE, Append, Record, mark_stream
from lifecycle.log.format_1 import event_1, read_1

FORMAT: Final = 1
"""The format that is written; every released one can be read."""

QUARANTINED: Final = "quarantined"
REDRIVEN: Final = "redriven"

MAX_STORED_BYTES: Final = 900_000_000
"""A larger body is refused; SQLite holds no value above a billion bytes."""

_NEWLINE: Final = b"\n"
_CHECK: Final = b',"check":'
_ORDER_ID: Final = ',"order_id":'
_EVENT_ID: Final = ',"event_id":'
_STATUS: Final = ',"status":'
_ATTEMPT: Final = ',"attempt":'
_EXCHANGE_ID: Final = ',"exchange_id":'
_HTTP_STATUS: Final = ',"http_status":'
_REDRIVEN_FROM: Final = ',"redriven_from":'
_LINE_NUMBER: Final = ',"line_number":'

_quoted: Final = encode_basestring_ascii


def prepare(entry: Entry) -> Append:
    """Return an entry made ready to be stored, whatever version it will have.

    Raises:
        InvalidArgumentError: a field is not of the type that it says.
    """
    try:
        prepared = _prepared(entry)
        # A lone surrogate looks like this in JSON; so does half of a pair, which is sound.
        return _prepared(_encodable(entry)) if b"\\ud" in prepared.opening else prepared
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidArgumentError(
            "the entry", "an Event, an Unreadable or a Redriven, its times with a zone"
        ) from None


def seal(append: Append, previous: str | None, after: str | None, recorded_at: str) -> str:
    """Give an entry its stored form at its place, and return the hash of its header.

    `previous` is the hash of the header before it in its stream, `after` the `link` to the
    record before it in the whole log; None where there is none, or the store cannot know.
    """
    chained = "" if previous is None else f',"previous":"{previous}"'
    linked = "" if after is None else f',"after":{after}'
    placed = f',"recorded_at":"{recorded_at}","version":{append.place.version}{chained}{linked}'
    checked = append.opening + placed.encode("ascii")
    header = b'%b,"check":"%08x"}' % (checked, crc32(checked))
    append.state = b"%b\n%b" % (header, append.body)
    return sha256(header).hexdigest()


def link(stream: str, version: int, header_hash: str) -> str:
    """Return how the next record in the whole log names this one."""
    return f'[{_quoted(stream)},{version},"{header_hash}"]'


def storable(stream: str) -> str:
    """Return a stream's name as every store can hold it: NUL and lone surrogates escaped."""
    return _encodable_text(stream.replace("\x00", "\\x00"))


def split(record: Record) -> tuple[bytes, bytes]:
    """Return the header and the body of a record.

    Raises:
        StoredFormatError: there is no header.
    """
    header, newline, body = record.state.partition(_NEWLINE)
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


def parse_header(header: bytes, stream: str, version: int) -> dict[str, Any]:
    """Return the fields of a header, of any format that was ever released.

    Raises:
        StoredFormatError: it is damaged, or a newer release wrote it.
    """
    try:
        fields = jiter.from_json(header)
    except ValueError:
        raise StoredFormatError(stream, version, "its header is no JSON") from None
    if not isinstance(fields, dict):
        raise StoredFormatError(stream, version, "its header is no JSON object")
    written = fields.get("v")
    if type(written) is not int or written not in _READERS:
        known = ", ".join(map(str, _READERS))
        found = f"it has format {written!a:.20}, this release reads {known}"
        raise StoredFormatError(stream, version, found)
    return fields


def decode(record: Record) -> Entry:
    """Return what a record holds.

    An event comes with `version` and `position`; what its body says (details, faults,
    fate) is left to the provider.

    Raises:
        StoredFormatError: it is damaged, a newer release wrote it, or it stands where it was
            not written.
    """
    fields, entry = _read(record)
    misplaced = why_misplaced(record, fields)
    if misplaced is not None:
        raise StoredFormatError(record.stream, record.version, misplaced)
    return entry


def check_content(record: Record) -> None:
    """Return if a record can be read, wherever it stands.

    Raises:
        StoredFormatError: it is damaged, or a newer release wrote it.
    """
    _read(record)


def _read(record: Record) -> tuple[dict[str, Any], Entry]:
    header, body = split(record)
    fields = parse_header(header, record.stream, record.version)
    try:
        place_of(fields)
        return fields, _READERS[fields["v"]](fields, body, record)
    except (KeyError, TypeError, ValueError):
        raise StoredFormatError(
            record.stream, record.version, "a field of its header is missing or of a wrong type"
        ) from None


def decode_event(record: Record) -> Event:
    """Return the event that a record of an order's stream holds; as `decode`."""
    # Looking at an order does this for each of its events: straight through where all is well.
    header, newline, body = record.state.partition(_NEWLINE)
    try:
        fields = jiter.from_json(header)
        stands = (fields["version"], fields["kind"], fields["v"])
        if (
            newline
            and stands == (record.version, record.topic, FORMAT)
            and type(fields["v"]) is int
            and 0 < record.position <= MAX_POSITION
            and record.version > 0
            and record.stream == f"{ORDERS}{fields['provider']}:{fields['order_id']}"
        ):
            return event_1(fields, body, record)
    except (KeyError, TypeError, ValueError):
        pass
    entry = decode(record)
    if isinstance(entry, Event):
        return entry
    raise StoredFormatError(record.stream, record.version, "it holds no event")


def why_out_of_bounds(version: object, position: object) -> str | None:
    """Return why no append gives such a version or position; None where one may."""
    if type(version) is not int:
        return "its version is no number"
    if version < 1:
        return f"its version is {version}; expected 1 or more"
    if type(position) is not int or not 1 <= position <= MAX_POSITION:
        return f"its position is {position}; expected one from 1 to {MAX_POSITION}"
    return None


def why_misplaced(record: Record, fields: Mapping[str, Any]) -> str | None:
    """Return why a record cannot stand where it stands; None if its header was written for there.

    Raises:
        KeyError: a field of the header is missing.
    """
    stream, topic = place_of(fields)
    out_of_bounds = why_out_of_bounds(record.version, record.position)
    if out_of_bounds is not None:
        return out_of_bounds
    version = fields.get("version")
    if (stream, version) != (record.stream, record.version):
        return f"its header was written for version {version!a} of {stream!a}"
    if topic != record.topic:
        return f"its topic is not {topic!a}, which its header calls for"
    return None


def place_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the stream and the topic that a header's fields call for.

    Raises:
        KeyError: a field is missing.
    """
    if "reason" in fields:
        return QUARANTINE, QUARANTINED
    if "item" in fields:
        return mark_stream(fields["item"]), REDRIVEN
    return storable(stream_of(fields["provider"], fields["order_id"])), fields["kind"]


def identity_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key and the digest that a header's fields give its record in its stream.

    Raises:
        KeyError, TypeError: one is missing, or no text.
    """
    if "item" in fields:
        return _mark_key(fields["item"]), ""
    key, digest = fields["key"], fields["digest"]
    if not isinstance(key, str) or not isinstance(digest, str):
        raise TypeError
    return key, digest


def _prepared(entry: Entry) -> Append:
    if isinstance(entry, Event):
        stream = entry.stream
        if "\x00" in stream:
            stream = storable(stream)
        key, digest = entry.key, entry.digest
        return Append(stream, entry.kind, key, digest, _event_opening(entry).encode(), entry.body)
    if isinstance(entry, Unreadable):
        return Append(QUARANTINE, QUARANTINED, "", "", _item_opening(entry).encode(), entry.body)
    stream = mark_stream(entry.item)
    return Append(stream, REDRIVEN, _mark_key(entry.item), "", _mark_opening(entry).encode(), b"")


def _mark_key(item: int) -> str:
    """Return what a mark is known by: whoever re-drives an item makes the same one."""
    return f"{REDRIVEN}:{item}"


def _event_opening(event: Event) -> str:
    name, told_at = event.name, event.occurred_at
    triggered = "" if event.trigger == name else f',"trigger":{_nullable(event.trigger)}'
    occurred = "" if told_at is None else f',"occurred_at":{_time(told_at)}'
    problems = f',"problems":[{",".join(map(_quoted, event.problems))}]' if event.problems else ""
    return (
        f'{{"v":1,"provider":{_quoted(event.provider)},"order_id":{_quoted(event.order_id)}'
        f',"kind":{_quoted(event.kind)},"name":{_quoted(name)}{triggered}'
        f',"key":{_quoted(event.key)},"digest":{_quoted(event.digest)}'
        f"{_text(_EVENT_ID, event.event_id)}{_number(_ATTEMPT, event.attempt)}"
        f"{_text(_EXCHANGE_ID, event.exchange_id)}{_text(_STATUS, event.status)}{occurred}"
        f',"received_at":{_time(event.received_at)}{_exchange(event)}{problems}'
        f'{_number(_REDRIVEN_FROM, event.redriven_from)},"sha256":{_hash(event.body)}'
    )


def _item_opening(item: Unreadable) -> str:
    arrived = "" if item.arrival is None else _arrival(item.arrival)
    return (
        f'{{"v":1,"provider":{_quoted(item.provider)},"reason":{_quoted(item.reason)}'
        f',"detail":{_quoted(item.detail)}{_number(_LINE_NUMBER, item.line_number)}{arrived}'
        f',"received_at":{_time(item.received_at)},"sha256":{_hash(item.body)}'
    )


def _mark_opening(mark: Redriven) -> str:
    return (
        f'{{"v":1,"item":{mark.item:d},"stream":{_quoted(mark.stream)},"key":{_quoted(mark.key)}'
        f',"redriven_at":{_time(mark.redriven_at)},"sha256":{_hash(b"")}'
    )


def _arrival(arrival: Arrival) -> str:
    return (
        f',"kind":{_quoted(arrival.kind)}{_text(_ORDER_ID, arrival.order_id)}'
        f"{_number(_ATTEMPT, arrival.attempt)}"
        f"{_text(_EXCHANGE_ID, arrival.exchange_id)}{_exchange(arrival)}"
    )


def _exchange(came: Event | Arrival) -> str:
    pairs = ",".join([f"{_quoted(name)}:{_quoted(value)}" for name, value in came.headers.items()])
    headers = f',"headers":{{{pairs}}}' if pairs else ""
    return _number(_HTTP_STATUS, came.http_status) + headers


def _text(field: str, value: str | None) -> str:
    return "" if value is None else field + _quoted(value)


def _number(field: str, value: int | None) -> str:
    return "" if value is None else f"{field}{value:d}"


def _nullable(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _time(time: datetime) -> str:
    return _utc(time) if time.tzinfo is UTC else f'"{format_instant(time)}"'


# What comes in one batch was received at one time, and printing one costs a microsecond.
@lru_cache(maxsize=1024)
def _utc(time: datetime) -> str:
    return f'"{format_instant(time)}"'


def _hash(body: bytes) -> str:
    if not isinstance(body, bytes) or len(body) > MAX_STORED_BYTES:
        raise TypeError
    return f'"{sha256(body).hexdigest()}"'


def _encodable(value: Any) -> Any:
    """Return a value with every text in it such that UTF-8 can hold it."""
    match value:
        case str():
            return _encodable_text(value)
        case Event() | Unreadable() | Redriven() | Arrival():
            return type(value)(*map(_encodable, structs.astuple(value)))
        case tuple():
            return tuple(map(_encodable, value))
        case Mapping():
            return {_encodable(name): _encodable(item) for name, item in value.items()}
    return value


def _encodable_text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


_READERS: Final[Mapping[int, Callable[[dict[str, Any], bytes, Record], Entry]]] = {FORMAT: read_1}
