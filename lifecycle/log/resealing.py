"""Seals plain records again for an encrypted log: the same facts in a new hash chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import json

from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import for_encryption, hash_of, link, parse_header, seal, split
from lifecycle.log.contract import Append, Record, StreamPosition
from lifecycle.log.header import sections

_PLACED: Final = b',"recorded_at":"'
_OF_THE_PLACE: Final = ("version", "previous", "after", "check")
_OF_THE_BODY: Final = ("stored_sha256", "key_id", "context_sha256")


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
        self._after = link(stream, version, hashed) if self._linked else None


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
    append.place = StreamPosition(record.version)
    return append, recorded_at
