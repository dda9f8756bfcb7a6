"""The foldings of recently used orders, so that one more event costs one more step.

A stream only ever grows, so a folding of its first n events stays right for ever: what
is kept is brought up to date by reading what came after version n, never by trust.
Bodies are let go once they are folded: what is kept of an order is bounded, and so is all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from types import TracebackType
from typing import Final, Self, TypeVar

from msgspec import structs

from lifecycle.core.argument import type_name
from lifecycle.core.change import Change, Told
from lifecycle.core.event import Event
from lifecycle.core.fold import Folding
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.errors import (
    LifecycleError,
    OpenedElsewhereError,
    ProviderFaultError,
    StoredFormatError,
    StoreError,
)
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import ORDERS, Log, Record

_KEPT_ORDERS: Final = 4096
KEPT_BYTES: Final = 64 * 1024 * 1024
"""How much is kept of all orders together, about; but always the one that was used last."""

_EVENT_BYTES: Final = 1024
"""What an event takes beside what its body says, about."""

T = TypeVar("T")


class FoldCache:
    """Foldings by stream, bounded in number and in bytes; safe for many threads."""

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
        self._by_stream: OrderedDict[str, tuple[int, Folding, int]] = OrderedDict()

    def event(self, record: Record) -> Event:
        """Return the event that a record of an order's stream holds, as its own provider reads it.

        Raises:
            StoredFormatError: it is damaged, or of a provider that is not known here.
            ProviderFaultError: the provider's code cannot read it.
        """
        event = decode_event(record)
        provider = self._providers.get(event.provider)
        if provider is None:
            found = "the provider that it names is not known here"
            raise StoredFormatError(record.stream, record.version, found)
        return provider.recall(event)

    def now(self, provider: Provider, stream: str, look: Callable[[Folding], T]) -> T | None:
        """Return what `look` sees in the folding of all that is stored of an order.

        None if nothing is stored. Other threads wait for none of it: they fold for themselves.

        Raises:
            ProviderFaultError: the provider's code cannot read what is stored of it.
        """
        with _Borrowed(self, provider, stream) as borrowed:
            borrowed.advance(self._log.read(stream, after=borrowed.version))
            return None if borrowed.folding is None else look(borrowed.folding)

    def told(self, provider: Provider, event: Event, version: int) -> Told:
        """Return what the event at `version` changed, and the view it made."""
        with _Borrowed(self, provider, event.stream) as borrowed:
            if borrowed.version >= version:
                borrowed.forget()
            if borrowed.version < version - 1:
                before = self._log.read(event.stream, after=borrowed.version, until=version - 1)
                borrowed.advance(before)
            path = borrowed.folding.path if borrowed.folding is not None else ()
            folding = borrowed.step(event._replace(version=version))
            return Change.between(path, folding.path, event.key), folding.view()

    def take(self, stream: str) -> tuple[int, Folding, int] | None:
        """Return a folding for one thread's use alone, None if there is none at hand.

        With it its version, and how many bytes it takes, about.
        """
        with self._lock:
            taken = self._by_stream.pop(stream, None)
            if taken is not None:
                self._bytes -= taken[2]
            return taken

    def give(self, stream: str, version: int, folding: Folding, size: int) -> None:
        """Keep a folding for the next, unless a further one is kept already."""
        with self._lock:
            kept = self._by_stream.get(stream)
            if kept is None or kept[0] < version:
                self._bytes += size - (0 if kept is None else kept[2])
                self._by_stream[stream] = (version, folding, size)
                self._by_stream.move_to_end(stream)
            while len(self._by_stream) > self._kept or (
                self._bytes > self._kept_bytes and len(self._by_stream) > 1
            ):
                self._bytes -= self._by_stream.popitem(last=False)[1][2]


class _Borrowed:
    """One stream's folding while a thread works on it; given back only if all went well."""

    def __init__(self, cache: FoldCache, provider: Provider, stream: str) -> None:
        self._cache = cache
        self._provider = provider
        self._stream = stream
        self.version = 0
        self.folding: Folding | None = None
        self._size = 0

    def __enter__(self) -> Self:
        taken = self._cache.take(self._stream)
        if taken is not None:
            self.version, self.folding, self._size = taken
        return self

    def __exit__(
        self, failed: object, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if raised is not None:
            raise_if_unfoldable(raised, self._provider.name, self._stream)
        elif self.folding is not None:
            self._cache.give(self._stream, self.version, self.folding, self._size)

    def forget(self) -> None:
        """Give the folding back and start anew: it is further than what is asked for."""
        if self.folding is not None:
            self._cache.give(self._stream, self.version, self.folding, self._size)
        self.version, self.folding, self._size = 0, None, 0

    def advance(self, records: list[Record]) -> None:
        events = [self._without_body(self._cache.event(record)) for record in records]
        if self.folding is None:
            self.folding = Folding.of(self._provider.definition, events) if events else None
        else:
            for event in events:
                self.folding.add(event)
        if records:
            self.version = records[-1].version

    def step(self, event: Event) -> Folding:
        if self.folding is None:
            self.folding = Folding(self._provider.definition)
        self.folding.add(self._without_body(event))
        self.version = event.version or self.version
        return self.folding

    def _without_body(self, event: Event) -> Event:
        """Return an event as it is kept; what was read from its body is no larger than that."""
        says = event.details or event.faults
        self._size += _EVENT_BYTES + (len(event.body) if says else 0)
        return structs.replace(event, body=b"")


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
