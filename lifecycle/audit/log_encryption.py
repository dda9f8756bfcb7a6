"""Copies a plain log into an encrypted one: every record is sealed again.

    plain ─→ does the target already hold the same facts? ─→ the rest, encrypted, a page at a time
          ─→ a control record with the checkpoint of the plain log ─→ verify

The target has its own chain, since hashes cover what is stored. Its last record names the
checkpoint of the plain log that it was made from. An interrupted run resumes where it stopped.
The plain log is left unchanged: remove it yourself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import json

from lifecycle.audit.log_copy import Advance, Copied, restore_all, sound_records
from lifecycle.audit.merkle import Frontier
from lifecycle.audit.tree import leaf_of
from lifecycle.audit.verify import verify
from lifecycle.core.event import Encrypted
from lifecycle.errors import KeyStoreError, OtherRecordsError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import hash_of, link, parse_header, seal, split
from lifecycle.log.contract import Append, Log, Record
from lifecycle.log.encrypted_body import for_encryption
from lifecycle.log.header import EncryptionHeader, sections

_PLACED: Final = b',"recorded_at":"'
_OF_THE_PLACE: Final = ("version", "previous", "after", "check")
_OF_THE_BODY: Final = ("stored_sha256", "key_id", "context_sha256")


def encrypt(
    source: Log,
    target: Log,
    *,
    advance: Advance = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Copied:
    """Copy a plain log into one that was opened with keys, and return the counts.

    Stop every process that appends to the source: the target lacks what it appends meanwhile.
    Nothing else may write to the target. Memory grows with the number of orders.

    Raises:
        KeyStoreError: the target has no keys, or the key store failed.
        OtherRecordsError: the target is neither empty nor the beginning of the source.
        StoredFormatError: a record of the source is damaged.
        StoreError: a store failed; encrypt again, and it resumes there.
    """
    if target.cipher is None:
        raise KeyStoreError(target.url, "none are given, and it is to be encrypted")
    resealer, frontier = Resealer(target.cipher, linked=target.gapless), Frontier()
    coming = _counted(sound_records(source), frontier)
    present, linked = _skip_present(coming, target, resealer, advance)
    written = restore_all(coming, target, advance, lambda page: list(resealer.reseal(page)))
    if linked is None:
        target.append(Encrypted(str(frontier.head), clock()))
    elif linked != str(frontier.head):
        raise OtherRecordsError(target.url, "control", 1)
    return Copied(written, present, verify(target, holds=source.holds))


def _counted(records: Iterator[Record], frontier: Frontier) -> Iterator[Record]:
    for record in records:
        frontier.add(leaf_of(record))
        yield record


def _skip_present(
    coming: Iterator[Record], target: Log, resealer: Resealer, advance: Advance
) -> tuple[int, str | None]:
    """Skip what the target already holds; return how much, and the checkpoint if that is all."""
    present = 0
    for held in target.scan():
        record = next(coming, None)
        if held.topic == EncryptionHeader.topic and record is None:
            return present, facts_of(held)[3]["checkpoint"]
        if record is None or facts_of(record) != facts_of(held):
            raise OtherRecordsError(target.url, held.stream, held.version)
        resealer.pass_by(held)
        present += 1
        advance(1)
    return present, None


class Resealer:
    """Seals the records of a plain log one after the other; remembers the end of each stream.

    With `linked`, each record names the one before it in the whole log.
    """

    def __init__(self, cipher: Cipher, *, linked: bool) -> None:
        self._cipher = cipher
        self._linked = linked
        self._ends: dict[str, str] = {}
        self._after: bytes | None = None

    def reseal(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield records sealed again; before the first, all their keys are in the key store.

        Raises:
            StoredFormatError: a record is damaged.
            KeyStoreError: the key store failed.
        """
        appends = [_prepared(record) for record in records]
        self._cipher.make(dict.fromkeys(each.key_id for each, _ in appends if each.key_id))
        for append, recorded_at in appends:
            previous = self._ends.get(append.stream)
            hashed = seal(append, previous, self._after, recorded_at, self._cipher)
            self._note(append.stream, append.version, hashed)
            yield Record(append.stream, append.version, append.topic, 0, append.state)

    def pass_by(self, record: Record) -> None:
        """Take note of a record that an earlier run sealed again."""
        self._note(record.stream, record.version, hash_of(split(record)[0]))

    def _note(self, stream: str, version: int, hashed: str) -> None:
        self._ends[stream] = hashed
        self._after = link((stream, version, hashed)) if self._linked else None


def facts_of(record: Record) -> tuple[str, int, str, dict[str, Any]]:
    """Return what a plain record and its resealed form have in common.

    Raises:
        StoredFormatError: the record is damaged.
    """
    header, _ = split(record)
    parse_header(header, record.stream, record.version)
    fields = json.decode(header)
    left_out = {*_OF_THE_PLACE, *_OF_THE_BODY}
    told = {name: value for name, value in fields.items() if name not in left_out}
    return record.stream, record.version, record.topic, told


def _prepared(record: Record) -> tuple[Append, str]:
    raw, stored = split(record)
    header = parse_header(raw, record.stream, record.version)
    # Byte for byte: other records hold hashes of some fields.
    opening, _, placed = raw.rpartition(_PLACED)
    recorded_at = placed.partition(b'"')[0].decode()
    body, context = sections(header, stored)
    what = (record.stream, record.topic, *header.identity)
    append = for_encryption(Append(*what, opening, body, context))
    append.version = record.version
    return append, recorded_at
