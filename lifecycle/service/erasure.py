"""Erases an order or a quarantined item: the log records it, then the key is destroyed.

    order or item ─→ control record ─→ keys destroyed ─→ stored view folded again
                           └→ stopped here: the next process that opens the log to write goes on

After the control record nothing shows the body any more; without the key nothing can.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from lifecycle.core.argument import is_whole
from lifecycle.core.event import Erased, Redriven, stream_of
from lifecycle.core.provider import Provider
from lifecycle.errors import (
    InvalidArgumentError,
    KeyStoreError,
    StoredFormatError,
    StoreError,
    UnknownOrderError,
)
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import header_and_body
from lifecycle.log.contract import QUARANTINE, Append, Log, Outcome, Record
from lifecycle.log.header import Header, ItemHeader
from lifecycle.log.key_store import key_id_of
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.projector import fold_anew
from lifecycle.service.arrival_reader import checked_order_id
from lifecycle.service.quarantine import control_entries

LOG: Final = logging.getLogger("lifecycle.orders")
MAX_WHY_BYTES: Final = 1000
MAX_BY_BYTES: Final = 255

_PLAIN: Final = "it is plain, so nothing in it can be erased; encrypt it: lifecycle copy --encrypt"


class Erasure:
    """Returns what to record of an erasure, and carries out a recorded one; appends nothing."""

    def __init__(
        self, log: Log, provider: Provider, fold_cache: FoldCache, clock: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._provider = provider
        self._fold_cache = fold_cache
        self._clock = clock

    def of_order(self, order_id: str | int, reason: str, by: str) -> list[Erased]:
        """Return what to append to erase an order and its items in the quarantine.

        Raises:
            UnknownOrderError: nothing is stored about it.
            KeyStoreError: the log is plain.
        """
        said = self._said(reason, by)
        wanted = checked_order_id(order_id)
        stream = stream_of(self._provider.name, wanted)
        records = self._log.read(stream)
        if not records:
            raise UnknownOrderError(self._provider.name, wanted)
        stream = records[0].stream
        items = self._items_of(stream, wanted)
        return [Erased(stream, key_id_of(stream), *said), *self._of_items(items, said)]

    def of_item(self, item: int, reason: str, by: str) -> list[Erased]:
        """Return what to append to erase an item of the quarantine.

        Raises:
            InvalidArgumentError: there is no such item.
            KeyStoreError: the log is plain.
        """
        said = self._said(reason, by)
        found = self._log.read(QUARANTINE, after=item - 1, until=item) if is_whole(item) else []
        if not found:
            raise InvalidArgumentError("item", "the number of an item in the quarantine")
        return list(self._of_items(found, said))

    def carry_out(self, erased: Sequence[Erased]) -> None:
        """Destroy the keys of recorded erasures, and fold the stored views of the orders again.

        Raises:
            KeyStoreError: the key store failed; erase again, or open the log again to write.
        """
        self._cipher.erase([each.key_id for each in erased])
        for each in erased:
            if each.item is None:
                self._fold_anew(each)

    def _fold_anew(self, erased: Erased) -> None:
        try:
            fold_anew(self._log, self._fold_cache, self._provider, erased.stream)
        except StoreError as failed:  # its texts are unreadable by now, and followers replace it
            LOG.warning("%s; an erased order is still to be folded: lifecycle views", failed)

    @property
    def _cipher(self) -> Cipher:
        if self._log.cipher is None or self._log.is_encrypted() is False:
            raise KeyStoreError(self._log.url, _PLAIN)
        return self._log.cipher

    def _said(self, reason: str, by: str) -> tuple[str, str, datetime]:
        self._cipher.catch_up()
        return (
            _checked("by", by, MAX_BY_BYTES, least=0),
            _checked("reason", reason, MAX_WHY_BYTES),
            self._clock(),
        )

    def _items_of(self, stream: str, order_id: str) -> Iterator[Record]:
        """Yield the items that became events of an order, or that arrived under its id."""
        marks = [mark for mark in control_entries(self._log) if isinstance(mark, Redriven)]
        redriven = {mark.item for mark in marks if mark.stream == stream}
        whose = self._provider.name, order_id
        for record in self._log.walk(QUARANTINE):
            header = _item_in(record)
            if header is not None:
                is_its = (header.provider, header.order_id) == whose
                if is_its or record.version in redriven:
                    yield record

    def _of_items(
        self, items: Iterable[Record], said: tuple[str, str, datetime]
    ) -> Iterator[Erased]:
        for record in items:
            header = _item_in(record)
            if header is not None and header.key_id is not None:
                yield Erased(record.stream, header.key_id, *said, record.version)


def _item_in(record: Record) -> ItemHeader | None:
    header = _header_of(record)
    return header if isinstance(header, ItemHeader) else None


def _header_of(record: Record) -> Header | None:
    try:
        return header_and_body(record)[0]
    except StoredFormatError:
        return None  # verify reports it


def _checked(argument: str, text: object, most: int, *, least: int = 1) -> str:
    if (
        isinstance(text, str)
        and text.isprintable()
        and least <= len(text.strip().encode("utf-8", "replace")) <= most
    ):
        return text
    raise InvalidArgumentError(argument, f"a printable text of {least} to {most} bytes")


class Erases:
    """The calls that erase."""

    log: Log
    _erasure: Erasure

    def erase(self, order_id: str | int, *, reason: str, by: str = "") -> bool:
        """Make all that was sent and received about an order unreadable, for good.

        This includes its items in the quarantine. Its view then shows only what the headers of
        its events say, and is marked `erased`; of later events only headers and hashes are stored.
        `by` and `reason` are kept in the log. Returns False if it was erased before.

        Raises:
            UnknownOrderError: nothing is stored about the order.
            KeyStoreError: the log is plain, or the key store failed: then erase again.
            InvalidArgumentError: `reason` or `by` is empty, too long or not printable.
        """
        return self._erased(self._erasure.of_order(order_id, reason, by))

    def erase_item(self, item: int, *, reason: str, by: str = "") -> bool:
        """Make an item of the quarantine unreadable, for good; as `erase`.

        Raises:
            InvalidArgumentError: there is no such item, or an argument is of no use.
            KeyStoreError: the log is plain, or the key store failed: then erase again.
        """
        return self._erased(self._erasure.of_item(item, reason, by))

    def _erased(self, erased: Sequence[Erased]) -> bool:
        appended = self.log.append_many(erased)
        self._erasure.carry_out(erased)
        return _is_new(appended)


class ErasesAsync:
    """The calls that erase, for asyncio."""

    log: Log
    _erasure: Erasure

    async def erase(self, order_id: str | int, *, reason: str, by: str = "") -> bool:
        """Make what was sent and received about an order unreadable; as `Orders.erase`."""
        return await self._erased(self._erasure.of_order, order_id, reason, by)

    async def erase_item(self, item: int, *, reason: str, by: str = "") -> bool:
        """Make an item of the quarantine unreadable; as `Orders.erase_item`."""
        return await self._erased(self._erasure.of_item, item, reason, by)

    async def _erased(self, find: Callable[..., list[Erased]], *what: object) -> bool:
        erased = await asyncio.to_thread(find, *what)
        appended = await asyncio.to_thread(self.log.append_many, erased)
        await asyncio.to_thread(self._erasure.carry_out, erased)
        return _is_new(appended)


def _is_new(appended: Sequence[Append]) -> bool:
    return any(each.outcome is Outcome.APPENDED for each in appended)
