"""Checks one stream: is every record unchanged, and does its body still give what its header says?

record ─→ header: its check, its place, the hash of the header before it
       └→ body:   its hash ─→ recognized again ─→ key, digest, name, ... as the header says
                                              └→ folded: the view
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

from msgspec import structs

from lifecycle.audit.difference import Difference
from lifecycle.audit.record_check import CheckedRecord, check_record
from lifecycle.core.erasure import as_erased
from lifecycle.core.event import NO_CONTENT, Event
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import PROVIDER_FAULT, Recognizer, recognizer_of
from lifecycle.core.view import OrderView
from lifecycle.errors import LifecycleError, StoredFormatError
from lifecycle.log.cipher import DECRYPTED, Cipher
from lifecycle.log.contract import Record
from lifecycle.log.encrypted_body import decrypted
from lifecycle.log.event_reading import event_of
from lifecycle.log.header import EventHeader, why_out_of_bounds

Tell = Callable[[Difference], None]


# Stands for the link in an unreadable header: it names no record, but is not absent.
_UNREADABLE: Final = ("", 0, "")


class Links:
    """Checks that every record names the one before it in the whole log, in any reading order.

    Each record has a position and a hash, and the next record repeats both. The sum over all
    records must equal the sum over all repetitions: that takes constant memory, and parts of a
    log can be added up in any process. A sum does not say which record is wrong: `verify` does.
    """

    def __init__(self, last: int) -> None:
        self.records: int = 0
        self.unlinked: int = 0
        self._last = last
        self._balance = 0

    def add(self, position: int, header_hash: str, after: tuple[str, int, str] | None) -> None:
        """Add a record; those outside of positions 1 to `last` do not count.

        Each weighs differently at every position, so that two cannot be swapped.
        """
        if not 0 < position <= self._last:
            return
        self.records += 1
        if position < self._last:
            self._balance += int(header_hash, 16) * (position + 1)
        if after is None:
            self.unlinked += 1
            return
        try:
            self._balance -= int(after[2], 16) * position
        except ValueError:  # what a header says may be no hash
            self._balance -= 1

    def take(self, other: Links) -> None:
        """Add the sums of another part."""
        self.records += other.records
        self.unlinked += other.unlinked
        self._balance += other._balance

    @property
    def hold(self) -> bool | None:
        """Whether all links hold; None if records have no links, as in a copied log."""
        if self.unlinked > min(1, self.records):
            return None
        return self._balance == 0


class Chain:
    """Follows the hash chain of one stream, record by record; `cipher` decrypts bodies."""

    def __init__(
        self,
        stream: str,
        links: Links,
        tell: Tell,
        cipher: Cipher | None = None,
    ) -> None:
        self.stream = stream
        self.version: int = 0
        self._hash: str | None = None
        self._links = links
        self._tell = tell
        self._cipher = cipher

    def step(self, record: Record) -> CheckedRecord:
        """Return the next record, checked; its header is None if it cannot be trusted."""
        version, position = record.version, record.position
        checked = check_record(record, decrypted=self._cipher is DECRYPTED)
        out_of_bounds = why_out_of_bounds(version, position)
        if out_of_bounds is not None:
            # No chain leads there, and none goes on from there.
            self._links.add(position, checked.header_hash, _UNREADABLE)
            self.tell(record, "place", None, out_of_bounds)
            return checked._replace(header=None)
        previous, self._hash = self._hash, checked.header_hash
        expected = self.version + 1
        self.version = version
        header = checked.header
        if header is None:
            self._links.add(position, checked.header_hash, _UNREADABLE)
            self.tell(record, "header", None, checked.damage)
            return checked
        self._links.add(position, checked.header_hash, header.after)
        if (
            header.version != version
            or header.stored_in != record.stream
            or header.topic != record.topic
        ):
            expected_place = [header.stored_in, header.topic, header.version]
            self.tell(record, "place", expected_place, [record.stream, record.topic, version])
        if version != expected:
            self.tell(record, "version", expected, version)
        elif header.previous != previous:
            self.tell(record, "previous", header.previous, previous)
        if checked.stated != checked.found:
            self.tell(record, "body", checked.stated, checked.found)
        return checked

    def decrypted(self, record: Record, header: EventHeader, stored: bytes) -> bytes | None:
        """Return the plain body of an encrypted record; None if it was erased.

        Raises:
            StoredFormatError: it cannot be decrypted.
        """
        plain = decrypted(header, record, stored, self._cipher)
        if plain is None:
            return None
        found = sha256(plain.body).hexdigest()
        if found != header.sha256:
            self.tell(record, "body", header.sha256, found)
        return plain.body

    def tell(self, record: Record, field: str, stored: Any, found: Any) -> None:
        """Report a difference in a record."""
        self._tell(Difference(self.stream, field, stored, found, record.version, record.position))


def rederived(provider: Provider, records: Sequence[Record], chain: Chain) -> list[Event]:
    """Return the events of a stream, recognized again from their bytes; report all differences."""
    events, reader = [], recognizer_of(provider)
    for record in records:
        checked = chain.step(record)
        if isinstance(checked.header, EventHeader):
            event = recognized(reader, checked.header, checked, record, chain)
            if event is not None:
                events.append(event)
    return events


def recognized(
    provider: Recognizer, header: EventHeader, checked: CheckedRecord, record: Record, chain: Chain
) -> Event | None:
    """Return the event of a record, recognized again; None where its body gives none."""
    body = checked.body
    if header.key_id is not None:
        try:
            plain = chain.decrypted(record, header, body)
        except StoredFormatError as unreadable:
            chain.tell(record, "body", None, unreadable.found)
            return None
        if plain is None:
            return as_erased(event_of(header, record, b"", None, NO_CONTENT))
        body = plain
    # Hashed already, where nothing but the body stands after the header.
    known = checked.found if header.key_id is None and header.size is None else None
    again = provider.rederive(header, body, known)
    if not isinstance(again, Event):
        is_fault = again.reason == PROVIDER_FAULT
        field, found = ("event", again.detail) if is_fault else ("reason", again.reason)
        chain.tell(record, field, None, found)
        return None
    _compare(again, header, record, chain)
    return structs.replace(
        again,
        version=record.version,
        position=record.position,
        recorded_at=header.recorded_at,
        redriven_from=header.redriven_from,
        replayed=header.replayed,
    )


def _compare(again: Event, header: EventHeader, record: Record, chain: Chain) -> None:
    """Report the fields in which a record's header and its body differ."""
    if _compared(header) == _compared(again) and header.triggered == again.trigger:
        return  # the usual case, compared at once
    for field in _COMPARED:
        was = header.triggered if field == "trigger" else getattr(header, field)
        is_now = getattr(again, field)
        if was != is_now:
            chain.tell(record, field, _printed(was), _printed(is_now))


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
    "operation",
    "sequence",
    "part",
    "links",
)
_compared: Final = attrgetter(*(field for field in _COMPARED if field != "trigger"))


def folded(provider: Provider, events: Sequence[Event]) -> OrderView | str:
    """Return the view that events fold to, or why there is none."""
    try:
        return Folding.of(provider.definition, events).view()
    except LifecycleError as trouble:
        return str(trouble)
    except Exception as trouble:  # noqa: BLE001 - a provider's fault with one order is no other's
        return f"unexpected {type(trouble).__name__}"


def check(records: Sequence[Record], chain: Chain) -> None:
    """Check chain and bodies of the next records of a stream, without recognizing them."""
    for record in records:
        chain.step(record)
