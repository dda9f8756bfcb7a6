"""The receipt for something recorded: its outcome, and what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol, Self, TypeVar

from msgspec import UNSET, Struct, UnsetType, field
from pydantic import Field

from lifecycle.core.change import Change
from lifecycle.core.event import Event, Unreadable
from lifecycle.core.printing import ShownByRepr
from lifecycle.core.view import FrozenValue, Instant, OrderView
from lifecycle.errors import NotFoldedError
from lifecycle.log.contract import Append, Outcome

R = TypeVar("R", bound="Receipt")


class Folds(Protocol):
    """Folds what was appended."""

    def change(self, event: Event, appended: Append) -> Change | None:
        """Return what an event changed; None when neither status nor path changed."""

    def view(self, event: Event, appended: Append) -> OrderView | None:
        """Return the view as of an event; for a duplicate, the view now."""


class Receipt(ShownByRepr, Struct, eq=False, gc=False):
    """The outcome of one thing that was recorded; it is durable already.

    `change` and `view` are folded when first read, at the version of this event: later events do
    not show in them. Pickling and copying read them first, so a copy in another process is
    complete and needs no log. `others` are the receipts for the further events of the same body.
    `linked` are those for quarantined items that waited for a link in this event and were
    recorded with it; of receipts made at once, the last one has them.
    """

    event: Event | Unreadable
    _appended: Append
    _folds: Folds
    others: tuple[Self, ...] = ()
    linked: tuple[Self, ...] = ()
    _change: Change | UnsetType | None = UNSET
    _view: OrderView | UnsetType | None = UNSET

    @property
    def outcome(self) -> Outcome:
        """`appended`, `duplicate`, `divergent` or `quarantined`."""
        return self._appended.outcome

    @property
    def position(self) -> int:
        """The place in the whole log; for a duplicate, that of the first copy."""
        return self._appended.position

    @property
    def version(self) -> int:
        """The place in the stream, from 1; for a duplicate, that of the first copy."""
        return self._appended.version

    @property
    def change(self) -> Change | None:
        """What this event changed; None when neither status nor path changed."""
        if self._change is UNSET:
            event, change = self.event, self._folds.change
            self._change = change(event, self._appended) if isinstance(event, Event) else None
        return self._change

    @property
    def view(self) -> OrderView | None:
        """The view of the order; None if the body was quarantined."""
        if self._change is UNSET:
            _ = self.change  # first, while the view before this event is still cached
        if self._view is UNSET:
            event, view = self.event, self._folds.view
            self._view = view(event, self._appended) if isinstance(event, Event) else None
        return self._view

    def whole(self) -> Iterator[Self]:
        """Yield this receipt, and every other one for the same body."""
        yield self
        for other in (*self.others, *self.linked):
            yield from other.whole()

    def __repr__(self) -> str:
        return f"<Receipt {self.outcome.value} at {self.position}>"

    def __reduce__(self) -> tuple[Any, ...]:
        known = (self.change, self.view, self.others, self.linked)
        return Receipt, (self.event, self._appended, _NOT_FOLDED), known

    def __copy__(self) -> Receipt:
        made, fields, known = self.__reduce__()
        copied: Receipt = made(*fields)
        copied.__setstate__(known)
        return copied

    def __setstate__(self, known: tuple[Any, ...]) -> None:
        self._change, self._view, self.others, self.linked = known


class _NotFolded:
    """Refuses to fold until `folded` was awaited."""

    def change(self, _event: Event, _appended: Append) -> NoReturn:
        raise NotFoldedError

    view = change


_NOT_FOLDED: Final = _NotFolded()


class AsyncReceipt(Receipt, eq=False, gc=False):
    """The receipt of `AsyncOrders`: await `folded` before you read `change` and `view`.

    Folding may read the order's rows, which a property must not do in an event loop. Before
    `folded` was awaited they always raise `NotFoldedError`, so that a test shows it. A quarantined
    body has neither, and needs no waiting.
    """

    _awaited: Folds = field(default_factory=lambda: _NOT_FOLDED)

    def __post_init__(self) -> None:
        """Keep for `folded` what folds, and refuse until then."""
        self._folds, self._awaited = self._awaited, self._folds

    async def folded(self) -> Self:
        """Return this receipt with `change` and `view`; folds once, in a thread."""
        import asyncio  # noqa: PLC0415 - sync callers need not load it

        if self._view is UNSET:
            waiting = Receipt(self.event, self._appended, self._awaited)
            self._change = await asyncio.to_thread(getattr, waiting, "change")
            self._view = await asyncio.to_thread(getattr, waiting, "view")
        return self

    def __repr__(self) -> str:
        return f"<AsyncReceipt {self.outcome.value} at {self.position}>"


def receipts_of(
    bodies: Iterable[Sequence[Event | Unreadable]],
    appended: Iterable[Append],
    made: type[R],
    folds: Folds,
    linked: tuple[R, ...] = (),
) -> list[R]:
    """Return a receipt for each body, with further events in `others`; the last has `linked`."""
    answers, receipts = iter(appended), []
    for entries in bodies:
        receipt = made(entries[0], next(answers), folds)
        if len(entries) > 1:
            receipt.others = tuple([made(entry, next(answers), folds) for entry in entries[1:]])
        receipts.append(receipt)
    if linked:
        receipts[-1].linked = linked
    return receipts


DAMAGED: Final = "damaged"
"""The reason of an item whose stored record itself cannot be read."""


class QuarantineItem(FrozenValue):
    """Something that could not be read, and why.

    `item` counts the records of the quarantine from 1. `redriven` is the key of the event that
    it became; None while it waits. `body` holds the bytes as they came. A `damaged` item has no
    provider and no times, and its `body` holds the whole stored record.
    """

    item: int
    position: int
    provider: str
    reason: str
    detail: str
    kind: str | None
    order_id: str | None
    line_number: int | None
    received_at: Instant | None
    recorded_at: Instant | None
    sha256: str
    size: int
    redriven: str | None
    body: bytes = Field(repr=False, exclude=True)


def is_before(
    event: Event, *, as_at: datetime | None, as_of: datetime | None, until: int | None
) -> bool:
    """Tell whether an event was known at `as_at`, had happened at `as_of`, and was stored by then.

    `until` is a position in the log.
    """
    if until is not None and (event.position is None or event.position > until):
        return False
    known = as_at is None or event.received_at <= as_at
    return known and (as_of is None or (event.occurred_at or event.received_at) <= as_of)
