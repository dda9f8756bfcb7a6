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
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zlib import crc32

import jiter

from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.event import NO_HEADERS, Arrival, Entry, Event, Redriven, Unreadable, stream_of
from lifecycle.instant import format_instant
from lifecycle.log import QUARANTINE, Record

FORMAT: Final = 1
"""The format that is written; every released one can be read."""

QUARANTINED: Final = "quarantined"
REDRIVEN: Final = "redriven"

MAX_STORED_BYTES: Final = 900_000_000
"""A larger body is refused; SQLite holds no value above a billion bytes."""

_NEWLINE: Final = b"\n"
_CHECK: Final = b',"check":'


class Prepared(NamedTuple):
    """An entry made ready for any place in the log; `opening` is its header so far."""

    stream: str
    topic: str
    key: str
    digest: str
    opening: str
    body: bytes


class Before(NamedTuple):
    """The record just before in the whole log; `hash` is that of its header."""

    stream: str
    version: int
    hash: str


class Sealed(NamedTuple):
    """A record in its stored form, and the hash of its header."""

    state: bytes
    hash: str


def prepare(entry: Entry) -> Prepared:
    """Return an entry made ready to be stored, whatever version it will have.

    Raises:
        InvalidArgumentError: a field is not of the type that it says.
    """
    try:
        match entry:
            case Event():
                return _prepared_event(entry)
            case Unreadable():
                return _prepared_item(entry)
            case Redriven():
                return _prepared_mark(entry)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise InvalidArgumentError(
            "the entry", f"fields of an {type(entry).__name__}, with aware datetimes"
        ) from None
    raise InvalidArgumentError("the entry", "an Event, an Unreadable or a Redriven")


def seal(
    prepared: Prepared,
    *,
    version: int,
    previous: str | None,
    after: Before | None,
    recorded_at: str,
) -> Sealed:
    """Return the stored form of an entry at its place, and the hash of its header."""
    text = f'{prepared.opening},"recorded_at":"{recorded_at}","version":{version}'
    if previous is not None:
        text += f',"previous":"{previous}"'
    if after is not None:
        text += f',"after":[{_quoted(after.stream)},{after.version},"{after.hash}"]'
    checked = text.encode("ascii")
    header = b'%b%b"%08x"}' % (checked, _CHECK, crc32(checked))
    return Sealed(b"%b\n%b" % (header, prepared.body), sha256(header).hexdigest())


def storable(stream: str) -> str:
    """Return a stream's name as every store can hold it: NUL and lone surrogates escaped."""
    return _encodable(stream.replace("\x00", "\\x00"))


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
    return bool(found) and check == b'"%08x"}' % crc32(checked)


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
    if fields.get("v") not in _READERS:
        known = ", ".join(str(known) for known in _READERS)
        raise StoredFormatError(
            stream, version, f"it has format {fields.get('v')!r:.20}, this release reads {known}"
        )
    return fields


def decode(record: Record) -> Entry:
    """Return what a record holds.

    An event comes with `version` and `position`; what its body says (details, faults,
    fate) is left to the provider.

    Raises:
        StoredFormatError: it is damaged, or a newer release wrote it.
    """
    header, body = split(record)
    fields = parse_header(header, record.stream, record.version)
    try:
        return _READERS[fields["v"]](fields, body, record)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise StoredFormatError(
            record.stream, record.version, "a field of its header is missing or of a wrong type"
        ) from None


def decode_event(record: Record) -> Event:
    """Return the event that a record of an order's stream holds; as `decode`."""
    entry = decode(record)
    if isinstance(entry, Event):
        return entry
    raise StoredFormatError(record.stream, record.version, "it holds no event")


def place_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the stream and the topic that a header's fields call for.

    Raises:
        KeyError: a field is missing.
    """
    if "reason" in fields:
        return QUARANTINE, QUARANTINED
    if "item" in fields:
        return QUARANTINE, REDRIVEN
    return storable(stream_of(fields["provider"], fields["order_id"])), fields["kind"]


def _prepared_event(event: Event) -> Prepared:
    trigger = "" if event.trigger == event.name else f',"trigger":{_nullable(event.trigger)}'
    optional = _optional(
        event_id=event.event_id,
        attempt=event.attempt,
        exchange_id=event.exchange_id,
        status=event.status,
    )
    occurred = "" if event.occurred_at is None else f',"occurred_at":{_time(event.occurred_at)}'
    opening = (
        f'{{"v":1,"provider":{_quoted(event.provider)},"order_id":{_quoted(event.order_id)}'
        f',"kind":{_quoted(event.kind)},"name":{_quoted(event.name)}{trigger}'
        f',"key":{_quoted(event.key)},"digest":{_quoted(event.digest)}{optional}{occurred}'
        f',"received_at":{_time(event.received_at)}{_exchange(event.http_status, event.headers)}'
        f"{_problems(event.problems)}{_optional(redriven_from=event.redriven_from)}"
        f',"sha256":"{_body_hash(event.body)}"'
    )
    stream = storable(event.stream)
    return Prepared(stream, event.kind, event.key, event.digest, opening, event.body)


def _prepared_item(item: Unreadable) -> Prepared:
    arrival = item.arrival
    arrived = ""
    if arrival is not None:
        arrived = _optional(
            kind=arrival.kind,
            order_id=arrival.order_id,
            attempt=arrival.attempt,
            exchange_id=arrival.exchange_id,
        ) + _exchange(arrival.http_status, arrival.headers)
    opening = (
        f'{{"v":1,"provider":{_quoted(item.provider)},"reason":{_quoted(item.reason)}'
        f',"detail":{_quoted(item.detail)}{_optional(line_number=item.line_number)}{arrived}'
        f',"received_at":{_time(item.received_at)},"sha256":"{_body_hash(item.body)}"'
    )
    return Prepared(QUARANTINE, QUARANTINED, "", "", opening, item.body)


def _prepared_mark(mark: Redriven) -> Prepared:
    opening = (
        f'{{"v":1,"item":{mark.item:d},"stream":{_quoted(mark.stream)},"key":{_quoted(mark.key)}'
        f',"redriven_at":{_time(mark.redriven_at)},"sha256":"{_body_hash(b"")}"'
    )
    return Prepared(QUARANTINE, REDRIVEN, "", "", opening, b"")


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _quoted(text: str) -> str:
    return encode_basestring_ascii(_encodable(text))


def _nullable(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def _optional(**fields: str | int | None) -> str:
    return "".join(
        f',"{name}":{_quoted(value) if isinstance(value, str) else format(value, "d")}'
        for name, value in fields.items()
        if value is not None
    )


def _exchange(http_status: int | None, headers: Mapping[str, str]) -> str:
    text = "" if http_status is None else f',"http_status":{http_status:d}'
    if headers:
        pairs = (f"{_quoted(name)}:{_quoted(value)}" for name, value in headers.items())
        text += f',"headers":{{{",".join(pairs)}}}'
    return text


def _problems(problems: tuple[str, ...]) -> str:
    return f',"problems":[{",".join(map(_quoted, problems))}]' if problems else ""


def _time(time: datetime) -> str:
    if time.tzinfo is UTC:
        return f'"{time.isoformat()[:-6]}Z"'
    if time.utcoffset() is None:
        raise ValueError
    return f'"{format_instant(time)}"'


def _body_hash(body: bytes) -> str:
    if not isinstance(body, bytes) or len(body) > MAX_STORED_BYTES:
        raise TypeError
    return sha256(body).hexdigest()


def _read_1(fields: dict[str, Any], body: bytes, record: Record) -> Entry:
    if "reason" in fields:
        return _item_1(fields, body)
    if "item" in fields:
        return Redriven(
            fields["item"],
            fields["stream"],
            fields["key"],
            datetime.fromisoformat(fields["redriven_at"]),
        )
    return _event_1(fields, body, record)


def _event_1(fields: dict[str, Any], body: bytes, record: Record) -> Event:
    get = fields.get
    name = fields["name"]
    occurred_at = get("occurred_at")
    headers = get("headers")
    return Event(
        fields["provider"],
        fields["order_id"],
        fields["kind"],
        name,
        get("trigger", name),
        fields["key"],
        fields["digest"],
        datetime.fromisoformat(fields["received_at"]),
        body,
        fields["sha256"],
        get("event_id"),
        get("attempt"),
        get("exchange_id"),
        get("status"),
        None if occurred_at is None else datetime.fromisoformat(occurred_at),
        get("http_status"),
        NO_HEADERS if headers is None else MappingProxyType(headers),
        problems=tuple(get("problems", ())),
        recorded_at=datetime.fromisoformat(fields["recorded_at"]),
        version=record.version,
        position=record.position,
        redriven_from=get("redriven_from"),
    )


def _item_1(fields: dict[str, Any], body: bytes) -> Unreadable:
    received_at = datetime.fromisoformat(fields["received_at"])
    return Unreadable(
        fields["provider"],
        fields["reason"],
        fields["detail"],
        body,
        received_at,
        _arrival_1(fields, body, received_at) if "kind" in fields else None,
        fields.get("line_number"),
        datetime.fromisoformat(fields["recorded_at"]),
    )


def _arrival_1(fields: dict[str, Any], body: bytes, received_at: datetime) -> Arrival:
    return Arrival(
        fields["kind"],
        body,
        received_at,
        fields.get("order_id"),
        fields["attempt"],
        fields.get("exchange_id"),
        fields.get("http_status"),
        MappingProxyType(fields.get("headers", {})),
    )


_READERS: Final[Mapping[int, Callable[[dict[str, Any], bytes, Record], Entry]]] = {1: _read_1}
