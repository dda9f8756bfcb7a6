"""What a caller gets for recording something: what became of it, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol, Self, TypeVar

from msgspec import UNSET, UnsetType
from pydantic import Field

from lifecycle.core.change import Change
from lifecycle.core.event import Event, Unreadable
from lifecycle.core.view import FrozenValue, Instant, OrderView
from lifecycle.errors import NotFoldedError
from lifecycle.log.contract import Append, Outcome

R = TypeVar("R", bound="Receipt")


class Folds(Protocol):
    """Whoever can fold what was appended."""

    def change(self, event: Event, appended: Append) -> Change | None:
        """Return what an event changed; None when neither status nor path changed."""
        ...

    def view(self, event: Event, appended: Append) -> OrderView | None:
        """Return the view that an event made, of a duplicate the one now."""
        ...


class Receipt:
    """What became of one thing that was recorded. It is durable already.

    `change` and `view` are folded when first read, at the version that this event made:
    later events do not show in them. Pickling and copying read them first: what arrives in
    another process is whole, and asks no log. `others` are the receipts for what else the same
    body held, where it held several events; `linked` those for what waited in the quarantine for
    a link that this told, and was recorded with it: of several at once the last has them.
    """

    __slots__ = ("_appended", "_change", "_folds", "_view", "event", "linked", "others")

    def __init__(self, event: Event | Unreadable, appended: Append, folds: Folds) -> None:
        self.event = event
        self.others: tuple[Self, ...] = ()
        self.linked: tuple[Self, ...] = ()
        self._appended = appended
        self._folds = folds
        self._change: Change | UnsetType | None = UNSET
        self._view: OrderView | UnsetType | None = UNSET

    @property
    def outcome(self) -> Outcome:
        """`appended`, `duplicate`, `divergent` or `quarantined`."""
        return self._appended.outcome

    @property
    def position(self) -> int:
        """The place in the whole log; of a duplicate, where the first copy stands."""
        return self._appended.position

    @property
    def version(self) -> int:
        """The place in the stream, from 1; of a duplicate, where the first copy stands."""
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
        """The order's view; None when the thing was quarantined."""
        if self._change is UNSET:
            _ = self.change  # the step from the view before, which is still at hand
        if self._view is UNSET:
            event, view = self.event, self._folds.view
            self._view = view(event, self._appended) if isinstance(event, Event) else None
        return self._view

    def whole(self) -> Iterator[Self]:
        """Yield this receipt, and every other that came of the same body."""
        yield self
        for other in (*self.others, *self.linked):
            yield from other.whole()

    def __repr__(self) -> str:
        return f"<Receipt {self.outcome.value} at {self.position}>"

    def __reduce__(self) -> tuple[Any, ...]:
        known = (self.change, self.view, self.others, self.linked)
        return Receipt, (self.event, self._appended, _NotFolded()), known

    def __setstate__(self, known: tuple[Any, ...]) -> None:
        self._change, self._view, self.others, self.linked = known


class _NotFolded:
    """Stands where something folds, until that was awaited."""

    def change(self, _event: Event, _appended: Append) -> NoReturn:
        raise NotFoldedError

    view = change


class AsyncReceipt(Receipt):
    """The receipt of `AsyncOrders`: `change` and `view` are there once `folded` was awaited.

    Folding may have to read the order's rows, which no property does in an event loop: before
    it was awaited they raise `NotFoldedError`, for every order alike, so that a test shows it.
    What was quarantined has neither, and nothing to wait for.
    """

    __slots__ = ("_awaited",)

    def __init__(self, event: Event | Unreadable, appended: Append, folds: Folds) -> None:
        super().__init__(event, appended, _NotFolded())
        self._awaited = folds

    async def folded(self) -> Self:
        """Return this receipt with `change` and `view` known; folds in a thread, and once."""
        import asyncio  # noqa: PLC0415 - who awaits has it; nobody else waits for it

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
    receipt: Callable[[Event | Unreadable, Append], R],
    linked: tuple[R, ...] = (),
) -> list[R]:
    """Return a receipt for each body, with those for what else it held; the last has `linked`."""
    answers, receipts = iter(appended), []
    for entries in bodies:
        first, *others = [receipt(entry, next(answers)) for entry in entries]
        if others:
            first.others = tuple(others)
        receipts.append(first)
    if linked:
        receipts[-1].linked = linked
    return receipts


DAMAGED: Final = "damaged"
"""The reason of an item whose stored record itself cannot be read."""


class QuarantineItem(FrozenValue):
    """Something that could not be read, and why.

    `item` counts the quarantine's records from 1. `redriven` is the key of the event that
    it became, None while it waits. `body` holds the bytes as they came. Of an item that is
    `damaged` nobody knows provider or times, and `body` holds the whole stored record.
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
    """Tell whether an event was known at `as_at`, had happened at `as_of`, and lies `until` there.

    `until` is a position of the log.
    """
    if until is not None and (event.position is None or event.position > until):
        return False
    known = as_at is None or event.received_at <= as_at
    return known and (as_of is None or (event.occurred_at or event.received_at) <= as_of)
