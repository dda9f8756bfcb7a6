"""Copies a log from one store to another, every record unchanged.

    source ─→ is what the target already holds the same? ─→ the rest, a page at a time ─→ verify

Chains and hashes are copied too, so a copy proves itself. An interrupted copy resumes where it
stopped. The target assigns its own positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from lifecycle.audit.verify import Verification, verify
from lifecycle.errors import OtherRecordsError, StoredFormatError, StoreUnavailableError
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Log, Record
from lifecycle.log.header import storable, why_out_of_bounds

_PAGE: Final = 500
_PAGE_BYTES: Final = 4 * 1024 * 1024

_NOWHERE: Final = "it stands where no record can"

Advance = Callable[[int], None]
"""Is told how many more records were copied or skipped."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: how many records it wrote, and how many were there before.

    `verification` is that of the target afterwards.
    """

    written: int
    present: int
    verification: Verification


def copy(source: Log, target: Log, *, advance: Advance = lambda _: None) -> Copied:
    """Copy one log to another, and return the counts and the verification of the target.

    Records appended to the source meanwhile are left to the next copy. Nothing else may write to
    the target. Memory does not grow with the log.

    Raises:
        OtherRecordsError: the target is neither empty nor the beginning of the source.
        StoredFormatError: a record of the source has a place that no log can hold.
        StoreError: a store failed; copy again, and it resumes there.
    """
    coming = sound_records(source)
    present = _skip_present(coming, target, advance)
    written = restore_all(coming, target, advance)
    return Copied(written, present, verify(target, holds=source.holds))


def restore_all(
    records: Iterable[Record],
    target: Log,
    advance: Advance,
    prepared: Callable[[list[Record]], list[Record]] = list,
) -> int:
    """Write records, a page in each commit, as it was `prepared`; return how many they were.

    Raises:
        StoredFormatError: a record has the place of another.
        StoreError: the store failed.
    """
    written = 0
    for page in map(prepared, _pages_of(records)):
        try:
            target.restore(page)
        except StoreUnavailableError:
            _refuse_repeated(page, target)
            raise
        written += len(page)
        advance(len(page))
    return written


def sound_records(source: Log) -> Iterator[Record]:
    """Yield the records of a log, up to its end as it is now.

    Raises:
        StoredFormatError: a record has a place that no log can hold.
    """
    for stray in source.strays():
        raise StoredFormatError(stray.stream, stray.version, _why_nowhere(stray, 0) or _NOWHERE)
    for place, record in enumerate(source.scan(until=source.last_position()), 1):
        odd = _why_nowhere(record, place)
        if odd is not None:
            raise StoredFormatError(record.stream, record.version, odd)
        yield record


def _why_nowhere(record: Record, place: int) -> str | None:
    """Return why no log can hold a record at this place; None if one can."""
    out_of_bounds = why_out_of_bounds(record.version, record.position)
    if out_of_bounds is not None:
        return out_of_bounds
    if record.stream not in (QUARANTINE, CONTROL) and not record.stream.startswith(ORDERS):
        return "its stream is neither an order's nor the quarantine"
    if not record.topic or storable(record.stream) != record.stream:
        return "its stream or its topic has no name that a store can hold"
    if record.version > place:
        return f"its version is {record.version}, but it is record {place} of the log to copy"
    return None


def _refuse_repeated(page: list[Record], target: Log) -> None:
    """Refuse a page in which a record has the place of another, and name that record.

    Raises:
        StoredFormatError: there is such a record.
    """
    seen = set()
    for record in page:
        stream, version = record[:2]
        if (stream, version) in seen or target.read(stream, after=version - 1, until=version):
            raise StoredFormatError(stream, version, "another record has the same version")
        seen.add((stream, version))


def _skip_present(coming: Iterator[Record], target: Log, advance: Advance) -> int:
    """Skip the records that the target already holds, and return how many there are."""
    present = 0
    for held in target.scan():
        record = next(coming, None)
        if record is None or _content(record) != _content(held):
            raise OtherRecordsError(target.url, held.stream, held.version)
        present += 1
        advance(1)
    return present


def _content(record: Record) -> tuple[str, int, str, bytes]:
    return record.stream, record.version, record.topic, record.state


def _pages_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield records in pages, each written at once."""
    page: list[Record] = []
    size = 0
    for record in records:
        page.append(record)
        size += len(record.state)
        if len(page) == _PAGE or size > _PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page
