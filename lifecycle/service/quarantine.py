"""The items of the quarantine and what became of them, read from two streams of the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

from lifecycle.core.event import Entry, Redriven, Unreadable
from lifecycle.errors import StoredFormatError, StoreError
from lifecycle.log.codec import decode, header_and_body
from lifecycle.log.contract import CONTROL, QUARANTINE, Log, Record
from lifecycle.log.header import ItemHeader
from lifecycle.log.item_record import ERASED
from lifecycle.service.receipt import DAMAGED, QuarantineItem

LOG: Final = logging.getLogger("lifecycle.orders")


def quarantine_items(
    log: Log, with_current_reason: Callable[[Unreadable], Unreadable], *, include_redriven: bool
) -> Iterator[QuarantineItem]:
    """Yield the items of the quarantine in the order of arrival, damaged ones included.

    A waiting item has the reason that `with_current_reason` gives it; an erased one no longer
    waits.
    """
    for record, item, redriven in stored_items(log):
        if isinstance(item, StoredFormatError):
            yield _damaged(record, item)
        elif include_redriven or (redriven is None and item.reason != ERASED):
            yield _shown(record, with_current_reason(item) if redriven is None else item, redriven)


def stored_items(log: Log) -> Iterator[tuple[Record, Unreadable | StoredFormatError, str | None]]:
    """Yield the items, or why they cannot be read, and the key of what each became, if any."""
    if log.cipher is not None:
        log.cipher.catch_up()
    marks = {mark.item: mark.key for mark in control_entries(log) if isinstance(mark, Redriven)}
    for record in log.walk(QUARANTINE):
        yield record, _item_in(log, record), marks.get(record.version)


def control_entries(log: Log, until: int | None = None) -> Iterator[Entry]:
    """Yield the entries of the control stream, up to position `until` if it is given.

    Damaged records are logged and left out.
    """
    for record in log.walk(CONTROL):
        if until is not None and record.position > until:
            continue
        try:
            yield decode(record, log.cipher)
        except StoredFormatError as damaged:
            pass_over(damaged)


def _item_in(log: Log, record: Record) -> Unreadable | StoredFormatError:
    try:
        item = decode(record, log.cipher)
    except StoredFormatError as damaged:
        return damaged
    if isinstance(item, Unreadable):
        return item
    return StoredFormatError(record.stream, record.version, "it holds no item of the quarantine")


def pass_over(damaged: StoredFormatError) -> None:
    """Log a record that stands in the way of one item; the others go on."""
    LOG.error("%s; passed over", damaged)


def wait_on(failed: StoreError) -> None:
    """Log why items that could be read now stay in the quarantine for the time being."""
    LOG.error("%s; items that a link makes readable wait: lifecycle quarantine --redrive", failed)


def _damaged(record: Record, damaged: StoredFormatError) -> QuarantineItem:
    """Return how a record is shown that cannot be read: its bytes are all there is to say."""
    return QuarantineItem(
        item=_number(record.version),
        position=record.position,
        provider="",
        reason=DAMAGED,
        detail=damaged.found,
        kind=None,
        order_id=None,
        line_number=None,
        received_at=None,
        recorded_at=None,
        sha256=sha256(record.state).hexdigest(),
        size=len(record.state),
        redriven=None,
        body=record.state,
    )


def _stated_hash(record: Record) -> str | None:
    """Return the hash that the body of an item had which was erased."""
    header, _ = header_and_body(record)
    return header.sha256 if isinstance(header, ItemHeader) else None


def _number(version: object) -> int:
    """Return a version, 0 for one that is no number."""
    return version if isinstance(version, int) else 0


def _shown(record: Record, item: Unreadable, redriven: str | None) -> QuarantineItem:
    arrival = item.arrival
    stated = _stated_hash(record) if item.reason == ERASED else None
    return QuarantineItem(
        item=record.version,
        position=record.position,
        provider=item.provider,
        reason=item.reason,
        detail=item.detail,
        kind=None if arrival is None else arrival.kind,
        order_id=None if arrival is None else arrival.order_id,
        line_number=item.line_number,
        received_at=item.received_at,
        recorded_at=item.recorded_at,
        sha256=stated or sha256(item.body).hexdigest(),
        size=len(item.body),
        redriven=redriven,
        body=item.body,
    )
