"""One stream, derived anew from its bytes: is each record what it was, and says it the same?

record ─→ header: its check, its place, the hash of the header before it
       └→ body:   its hash ─→ recognized anew ─→ key, digest, name, ... as the header says
                                              └→ folded: the view
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from msgspec import structs

from lifecycle.audit.difference import Difference
from lifecycle.core.event import NO_HEADERS, Arrival, Event, Unreadable
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import PROVIDER_FAULT, Recognizer, recognizer_of
from lifecycle.core.view import OrderView
from lifecycle.errors import LifecycleError, StoredFormatError
from lifecycle.log.codec import (
    check_content,
    hash_of,
    is_intact,
    parse_header,
    place_of,
    why_out_of_bounds,
)
from lifecycle.log.contract import Record

Tell = Callable[[Difference], None]


# What a header says that nobody can read: no name of any record, and not nothing either.
_UNREADABLE: Final = ["", 0, ""]


class Links:
    """Whether every record names the one before it in the whole log, whatever order they come in.

    Each record says where it stands and what it is; the next one says the same of it. What all
    say of themselves and what all say of others must come to the same sum: that takes no memory,
    and parts of a log can be added up anywhere. A sum does not say which record is wrong:
    `verify` does.
    """

    def __init__(self, last: int) -> None:
        self.records = 0
        self.unlinked = 0
        self._last = last
        self._balance = 0

    def add(self, position: int, header_hash: str, after: Any) -> None:
        """Take in a record; those outside of positions 1 to `last` do not count."""
        if not 0 < position <= self._last:
            return
        self.records += 1
        if position < self._last:
            self._balance += _weight(position, header_hash)
        if type(after) is list and len(after) == 3 and type(after[2]) is str:
            self._balance -= _weight(position - 1, after[2])
        else:
            self.unlinked += 1

    def take(self, other: Links) -> None:
        """Take in what another has added up."""
        self.records += other.records
        self.unlinked += other.unlinked
        self._balance += other._balance

    @property
    def hold(self) -> bool | None:
        """Whether they do; None if some records name none, as in a log that was copied."""
        if self.unlinked > min(1, self.records):
            return None
        return self._balance == 0


def _weight(position: int, header_hash: str) -> int:
    # Different at every place, so that two cannot change theirs.
    try:
        return int(header_hash, 16) * (position + 1)
    except ValueError:
        return 1


class Chain:
    """The chain of one stream while it is walked."""

    def __init__(self, stream: str, links: Links, tell: Tell) -> None:
        self.stream = stream
        self.version = 0
        self._hash: str | None = None
        self._links = links
        self._tell = tell

    def step(self, record: Record) -> tuple[dict[str, Any] | None, bytes]:
        """Return the fields of the next record, None if they cannot be trusted, and its body."""
        _, version, _, position, state = record
        header, _, body = state.partition(b"\n")
        out_of_bounds = why_out_of_bounds(version, position)
        if out_of_bounds is not None:
            # No chain leads there, and none goes on from there.
            self._links.add(position, hash_of(header), _UNREADABLE)
            self.tell(record, "place", None, out_of_bounds)
            return None, body
        previous, self._hash = self._hash, hash_of(header)
        expected, self.version = self.version + 1, version
        fields = self._fields(record, header)
        if fields is None:
            self._links.add(position, self._hash, _UNREADABLE)
            return None, body
        self._links.add(position, self._hash, fields.get("after"))
        if version != expected:
            self.tell(record, "version", expected, record.version)
        elif fields.get("previous") != previous:
            self.tell(record, "previous", fields.get("previous"), previous)
        digest = sha256(body).hexdigest()
        if fields.get("sha256") != digest:
            self.tell(record, "body", fields.get("sha256"), digest)
        return fields, body

    def tell(self, record: Record, field: str, stored: Any, found: Any) -> None:
        """Tell of a difference in a record."""
        self._tell(Difference(self.stream, field, stored, found, record.version, record.position))

    def _fields(self, record: Record, header: bytes) -> dict[str, Any] | None:
        try:
            fields = parse_header(header, record.stream, record.version)
            place = (*place_of(fields), fields.get("version"))
        except StoredFormatError as damaged:
            self.tell(record, "header", None, damaged.found)
            return None
        except KeyError:
            self.tell(record, "header", None, "a field of it is missing")
            return None
        if not is_intact(header):
            self.tell(record, "header", None, "it was changed")
            return None
        if place != (record.stream, record.topic, record.version):
            self.tell(record, "place", list(place), [record.stream, record.topic, record.version])
        return fields


def rederived(provider: Provider, records: Sequence[Record], chain: Chain) -> list[Event]:
    """Return the events of a stream as their bytes say them today; tells all that differs."""
    events, reader = [], recognizer_of(provider)
    for record in records:
        fields, body = chain.step(record)
        if fields is None:
            continue
        event = _recognized(reader, fields, body, record, chain)
        if event is not None:
            events.append(event)
    return events


def _recognized(
    provider: Recognizer, fields: dict[str, Any], body: bytes, record: Record, chain: Chain
) -> Event | None:
    try:
        arrival, stored = _arrival(fields, body), _stored(fields)
    except (KeyError, TypeError, ValueError):
        chain.tell(record, "header", None, "a field of it is missing or of a wrong type")
        return None
    again = provider.recognize(arrival)
    if isinstance(again, Unreadable):
        is_fault = again.reason == PROVIDER_FAULT
        field, found = ("event", again.detail) if is_fault else ("reason", again.reason)
        chain.tell(record, field, None, found)
        return None
    _compare(again, stored, record, chain)
    return structs.replace(again, version=record.version, position=record.position)


def _arrival(fields: Mapping[str, Any], body: bytes) -> Arrival:
    get = fields.get
    headers = get("headers")
    return Arrival(
        fields["kind"],
        body,
        datetime.fromisoformat(fields["received_at"]),
        fields["order_id"],
        get("attempt") or 1,
        get("exchange_id"),
        get("http_status"),
        NO_HEADERS if headers is None else MappingProxyType(headers),
    )


def _stored(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a header says of what its body says, in the order of `_COMPARED`."""
    get = fields.get
    name = fields["name"]
    told_at = get("occurred_at")
    return (
        fields["key"],
        fields["digest"],
        name,
        get("trigger", name),
        get("event_id"),
        get("attempt"),
        get("exchange_id"),
        get("status"),
        told_at if told_at is None else _instant(told_at),
        get("http_status"),
        fields["order_id"],
        tuple(get("problems", ())),
    )


def _compare(again: Event, stored: tuple[Any, ...], record: Record, chain: Chain) -> None:
    """Tell in which fields a record's header and its body do not agree."""
    found = (
        again.key,
        again.digest,
        again.name,
        again.trigger,
        again.event_id,
        again.attempt,
        again.exchange_id,
        again.status,
        again.occurred_at,
        again.http_status,
        again.order_id,
        again.problems,
    )
    if stored != found:
        for field, was, is_now in zip(_COMPARED, stored, found, strict=True):
            if was != is_now:
                chain.tell(record, field, _printed(was), _printed(is_now))


def _instant(text: Any) -> Any:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text


def _printed(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


_COMPARED: Final = (
    "key",
    "digest",
    "name",
    "trigger",
    "event_id",
    "attempt",
    "exchange_id",
    "status",
    "occurred_at",
    "http_status",
    "order_id",
    "problems",
)


def folded(provider: Provider, events: Sequence[Event]) -> OrderView | str:
    """Return the view that events come to, or why there is none."""
    try:
        return Folding.of(provider.definition, events).view()
    except LifecycleError as trouble:
        return str(trouble)
    except Exception as trouble:  # noqa: BLE001 - a provider's fault with one order is no other's
        return f"unexpected {type(trouble).__name__}"


def check(records: Sequence[Record], chain: Chain) -> None:
    """Check the next records of a stream that says nothing: chain, bodies, that they decode."""
    for record in records:
        fields, _ = chain.step(record)
        if fields is not None:
            try:
                check_content(record)
            except StoredFormatError as damaged:
                chain.tell(record, "header", None, damaged.found)
