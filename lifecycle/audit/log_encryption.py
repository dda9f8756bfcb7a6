"""Copies a plain log into an encrypted one: every record is sealed again.

    plain ─→ does the target already hold the same facts? ─→ the rest, encrypted, a page at a time
          ─→ a control record with the checkpoint of the plain log ─→ verify

The target has its own chain, since hashes cover what is stored. Its last record names the
checkpoint of the plain log that it was made from. An interrupted run resumes where it stopped.
The plain log is left unchanged: remove it yourself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from lifecycle.audit.log_copy import Advance, Copied, pages_of, refuse_repeated, sound_records
from lifecycle.audit.merkle import Frontier
from lifecycle.audit.tree import leaf_of
from lifecycle.audit.verify import verify
from lifecycle.core.event import Encrypted
from lifecycle.errors import KeyStoreError, OtherRecordsError, StoreUnavailableError
from lifecycle.log.contract import Log, Record
from lifecycle.log.header import EncryptionHeader
from lifecycle.log.resealing import Resealer, facts_of


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
    written = 0
    for page in pages_of(coming):
        sealed = list(resealer.reseal(page))
        try:
            target.restore(sealed)
        except StoreUnavailableError:
            refuse_repeated(sealed, target)
            raise
        written += len(page)
        advance(len(page))
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
