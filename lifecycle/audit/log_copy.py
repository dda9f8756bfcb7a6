"""Copying a log from one store to another: every record just as it is.

    source ─→ what the target holds already is the same? ─→ the rest, a page at a time ─→ verify

Chains and hashes go along untouched, so a copy proves itself. One that was interrupted goes
on where it stopped. Positions are the target's own: they count what is there.
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
"""Tells how many more records were passed."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: records written now, and those that were there before.

    `verification` is of the target, as it is now.
    """

    written: int
    present: int
    verification: Verification


def copy(source: Log, target: Log, *, advance: Advance = lambda _: None) -> Copied:
    """Return what was copied from one log to another, and whether the target holds together.

    What is appended to the source meanwhile is left to the next copy. Nobody else may write
    to the target. Memory does not grow with the log.

    Raises:
        OtherRecordsError: the target is neither empty nor the beginning of the source.
        StoredFormatError: a record of the source stands where no log can hold it.
        StoreError: a store fails; copy again, and it goes on from there.
    """
    coming = sound_records(source)
    present = _skip_present(coming, target, advance)
    written = 0
    for page in pages_of(coming):
        try:
            target.restore(page)
        except StoreUnavailableError:
            refuse_repeated(page, target)
            raise
        written += len(page)
        advance(len(page))
    return Copied(written, present, verify(target))


def sound_records(source: Log) -> Iterator[Record]:
    """Yield the records of a log, up to its end as it is now.

    Raises:
        StoredFormatError: one stands where none can, and no table would take it.
    """
    for stray in source.strays():
        raise StoredFormatError(stray.stream, stray.version, _why_nowhere(stray, 0) or _NOWHERE)
    for place, record in enumerate(source.scan(until=source.last_position()), 1):
        odd = _why_nowhere(record, place)
        if odd is not None:
            raise StoredFormatError(record.stream, record.version, odd)
        yield record


def _why_nowhere(record: Record, place: int) -> str | None:
    """Return why no log takes a record as its `place`th."""
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


def refuse_repeated(page: list[Record], target: Log) -> None:
    """Say which record kept a page from being written, if one has the place of another."""
    seen = set()
    for record in page:
        stream, version = record[:2]
        if (stream, version) in seen or target.read(stream, after=version - 1, until=version):
            raise StoredFormatError(stream, version, "another record has the same version")
        seen.add((stream, version))


def _skip_present(coming: Iterator[Record], target: Log, advance: Advance) -> int:
    """Pass the records that the target holds already, and return how many there are."""
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


def pages_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield records, as many at a time as are written at once."""
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
