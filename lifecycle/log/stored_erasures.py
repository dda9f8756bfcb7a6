"""Reads the erasures in a log: which keys were destroyed, and of which order."""

from __future__ import annotations

from collections.abc import Iterable

from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import header_and_body
from lifecycle.log.contract import Record
from lifecycle.log.header import ErasureHeader


def erasure_in(record: Record) -> ErasureHeader | None:
    """Return the erasure in a record; None if it holds none, or cannot be read."""
    if record.topic != ErasureHeader.topic:
        return None
    try:
        header, _ = header_and_body(record)
    except StoredFormatError:
        return None
    return header if isinstance(header, ErasureHeader) else None


def key_ids_erased(records: Iterable[Record]) -> list[str]:
    """Return the ids of the keys that the erasures among records destroyed."""
    return [found.key_id for found in map(erasure_in, records) if found is not None]


def stream_about(record: Record) -> str:
    """Return the stream that a record changes: for an erasure, that of the erased order."""
    found = erasure_in(record)
    return record.stream if found is None else found.stream
