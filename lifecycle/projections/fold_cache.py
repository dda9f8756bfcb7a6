"""Caches the fold of each recently used order, so that one more event costs one more step.

A stream only grows, so a fold of its first n events stays valid: it is brought up to date by
reading the records after version n. Bodies are dropped once they are folded, so the memory for
each order, and for the whole cache, is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Final, TypeVar

from msgspec import Struct, structs

from lifecycle.core.argument import type_name
from lifecycle.core.change import Change
from lifecycle.core.erasure import as_erased
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.core.view import OrderView
from lifecycle.errors import (
    LifecycleError,
    OpenedElsewhereError,
    ProviderFaultError,
    StoredFormatError,
    StoreError,
)
from lifecycle.log.codec import decode_events
from lifecycle.log.contract import ORDERS, Append, Log, Record
from lifecycle.log.key_store import key_id_of

_KEPT_ORDERS: Final = 4096
KEPT_BYTES: Final = 64 * 1024 * 1024
"""How much is kept of all orders together, about; but always the one that was used last."""

_EVENT_BYTES: Final = 1024
"""What an event takes beside what its body says, about; that is no larger than its body."""

_LAST_VERSION: Final = 2**63 - 1

T = TypeVar("T")


class FoldCache:
    """Folds by stream, bounded in number and in bytes; safe for many threads."""

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        *,
        kept: int = _KEPT_ORDERS,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._log = log
        self._providers = recognizers_of(providers)
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._lock = Lock()
        self._by_stream: OrderedDict[str, _Kept] = OrderedDict()

    def events(self, records: Iterable[Record], *, with_bodies: bool = False) -> list[Event]:
        """Return the events that records of orders hold, as their own providers read them.

        Bodies are let go once they were read, unless they are wanted.

        Raises:
            StoredFormatError: one is damaged, or of a provider that is not known here.
            ProviderFaultError: the provider's code cannot read one.
        """
        return decode_events(records, self._log.cipher, self._providers, with_bodies=with_bodies)

    def now(self, provider: Provider, stream: str, look: Callable[[Folding], T]) -> T | None:
        """Return what `look` sees in the folding of all that is stored of an order.

        None if nothing is stored. Other threads wait for none of it: they fold for themselves.

        Raises:
            ProviderFaultError: the provider's code cannot read what is stored of it.
        """
        try:
            if self._log.cipher is not None:  # no call where there is none
                self.catch_up()
            kept = self._take(provider, stream)
            records = self._log.read(stream, after=kept.version)
            if records:
                self._advance(kept, records)
            seen = look(kept.folding) if kept.version else None
        except Exception as raised:
            raise_if_unfoldable(raised, provider.name, stream)
            raise
        self._give(stream, kept)
        return seen

    def change(
        self,
        provider: Provider,
        stream: str,
        event: Event,
        version: int,
        appended: Append | None = None,
    ) -> Change | None:
        """Return what the event that is stored at `version` changed; None if it changed nothing.

        `appended` tells where and when it was stored, of an event that was not read from there.

        Raises:
            ProviderFaultError: the provider's code cannot read what is stored before it.
        """
        try:
            kept = self._take(provider, stream, version - 1)
            change = self._step(kept, stream, event, version, appended)
        except Exception as raised:
            raise_if_unfoldable(raised, provider.name, stream)
            raise
        self._give(stream, kept)
        return change

    def view(
        self,
        provider: Provider,
        stream: str,
        event: Event,
        version: int,
        appended: Append | None = None,
    ) -> OrderView:
        """Return the view that the event made that is stored at `version`; as `change`.

        Raises:
            ProviderFaultError: the provider's code cannot read what is stored before it.
        """
        try:
            kept = self._take(provider, stream, version)
            if kept.version < version:
                self._step(kept, stream, event, version, appended)
            view = kept.folding.view()
        except Exception as raised:
            raise_if_unfoldable(raised, provider.name, stream)
            raise
        self._give(stream, kept)
        return view

    def catch_up(self, streams: Iterable[str] = ()) -> None:
        """Learn which orders were erased, before some are read in another way than by `now`.

        The keys of `streams` are fetched at once.
        """
        if self._log.cipher is not None:
            self._log.cipher.catch_up()
            self._log.cipher.load(map(key_id_of, streams))

    def _step(
        self, kept: _Kept, stream: str, event: Event, version: int, appended: Append | None
    ) -> Change | None:
        """Fold what comes before the event at `version`, and then the event."""
        if kept.version < version - 1:
            self._advance(kept, self._log.read(stream, after=kept.version, until=version - 1))
        if kept.erased:
            event = as_erased(event)
        position = event.position if appended is None else appended.place.position
        stored_at = event.recorded_at if appended is None else appended.recorded_at
        change = kept.folding.add(
            structs.replace(
                event, version=version, position=position, recorded_at=stored_at, body=b""
            )
        )
        kept.size += _EVENT_BYTES + (len(event.body) if event.details or event.faults else 0)
        kept.version = version
        return change

    def _advance(self, kept: _Kept, records: list[Record]) -> None:
        events = decode_events(records, self._log.cipher, self._providers)
        if kept.version:
            for event in events:
                kept.folding.add(event)
        else:
            kept.folding.add_all(events)
        kept.size += _EVENT_BYTES * len(events) + sum(
            [
                len(record.state)
                for event, record in zip(events, records, strict=True)
                if event.details or event.faults
            ]
        )
        if records:
            kept.version = records[-1].version

    def _take(self, provider: Provider, stream: str, most: int = _LAST_VERSION) -> _Kept:
        """Take what is kept of an order for one thread's use alone, or a new beginning.

        What is further on than version `most` stays for others; what was folded before its order
        was erased is let go.
        """
        cipher = self._log.cipher
        erased = cipher is not None and cipher.is_erased(key_id_of(stream))
        with self._lock:
            kept = self._by_stream.get(stream)
            if kept is not None and kept.erased is not erased:
                self._bytes -= self._by_stream.pop(stream).size
                kept = None
            if kept is not None and kept.version <= most:
                del self._by_stream[stream]
                self._bytes -= kept.size
                return kept
        return _Kept(Folding(provider.definition), erased)

    def _give(self, stream: str, kept: _Kept) -> None:
        """Keep a folding for the next thread, unless a further one is kept already."""
        with self._lock:
            other = self._by_stream.get(stream)
            if kept.version and (other is None or other.version < kept.version):
                self._bytes += kept.size - (0 if other is None else other.size)
                self._by_stream[stream] = kept
                self._by_stream.move_to_end(stream)
            while len(self._by_stream) > self._kept or (
                self._bytes > self._kept_bytes and len(self._by_stream) > 1
            ):
                self._bytes -= self._by_stream.popitem(last=False)[1].size


class _Kept(Struct, eq=False):
    """The folding of an order's first `version` records, and its size in bytes, about.

    `erased` tells whether the order's key was known to be destroyed when it was begun.
    """

    folding: Folding
    erased: bool
    version: int = 0
    size: int = 0


def raise_if_unfoldable(raised: BaseException, provider: str, stream: str) -> None:
    """Raise what was raised while an order was folded as what a caller can deal with.

    Raises:
        ProviderFaultError: `raised` is no error of ours, so the provider's details made it.
    """
    if isinstance(raised, Exception) and not isinstance(raised, LifecycleError | MemoryError):
        order_id = stream.removeprefix(f"{ORDERS}{provider}:")
        found = f"the provider's details cannot be folded ({type_name(raised)})"
        raise ProviderFaultError(provider, order_id, found) from None


def why_unfoldable(trouble: Exception) -> str:
    """Return why an order cannot be folded, without any payload.

    Raises:
        StoreError, OpenedElsewhereError, MemoryError: `trouble` is no matter of one order.
    """
    if isinstance(trouble, StoredFormatError):  # a StoreError, but of one record
        return str(trouble)
    if isinstance(trouble, StoreError | OpenedElsewhereError | MemoryError):
        raise trouble
    if isinstance(trouble, ProviderFaultError):
        return trouble.found
    if isinstance(trouble, LifecycleError):
        return str(trouble)
    return f"unexpected {type(trouble).__name__} while it was folded"
