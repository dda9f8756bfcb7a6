"""What a caller gets for recording something: what became of it, and what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Self

from pydantic import Field

from lifecycle.core.change import Change, Told
from lifecycle.core.event import Event, Unreadable
from lifecycle.core.view import FrozenValue, Instant, OrderView
from lifecycle.errors import NotFoldedError
from lifecycle.log.contract import Append, Outcome


class Receipt:
    """What became of one thing that was recorded. It is durable already.

    `change` and `view` are folded when first read, at the version that this event made:
    later events do not show in them. Pickling and copying read them first: what arrives in
    another process is whole, and asks no log.
    """

    __slots__ = ("_appended", "_tell", "_told", "event")

    def __init__(
        self,
        event: Event | Unreadable,
        appended: Append,
        tell: Callable[[Event | Unreadable, Append], Told],
    ) -> None:
        self.event = event
        self._appended = appended
        self._tell = tell
        self._told: Told | None = None

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
        return self._read()[0]

    @property
    def view(self) -> OrderView | None:
        """The order's view; None when the thing was quarantined."""
        return self._read()[1]

    def _read(self) -> Told:
        if self._told is None:
            self._told = self._tell(self.event, self._appended)
        return self._told

    def __repr__(self) -> str:
        return f"<Receipt {self.outcome.value} at {self.position}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _told_receipt, (self.event, self._appended, self._read())


class AsyncReceipt(Receipt):
    """The receipt of `AsyncOrders`: `change` and `view` are there once `folded` was awaited.

    Folding may have to read the order's rows, which no property does in an event loop: before
    it was awaited they raise `NotFoldedError`, for every order alike, so that a test shows it.
    What was quarantined has neither, and nothing to wait for.
    """

    __slots__ = ()

    async def folded(self) -> Self:
        """Return this receipt with `change` and `view` known; folds in a thread, and once."""
        import asyncio  # noqa: PLC0415 - who awaits has it; nobody else waits for it

        if self._told is None:
            self._told = await asyncio.to_thread(self._tell, self.event, self._appended)
        return self

    def _read(self) -> Told:
        if self._told is None and not isinstance(self.event, Unreadable):
            raise NotFoldedError
        return self._told or (None, None)

    def __repr__(self) -> str:
        return f"<AsyncReceipt {self.outcome.value} at {self.position}>"


def _told_receipt(event: Event | Unreadable, appended: Append, told: Told) -> Receipt:
    """Return a receipt whose change and view are known: it asks no log."""
    return Receipt(event, appended, lambda _event, _appended: told)


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


def is_before(event: Event, *, as_at: datetime | None, as_of: datetime | None) -> bool:
    """Tell whether an event was known at `as_at` and had happened at `as_of`."""
    known = as_at is None or event.received_at <= as_at
    return known and (as_of is None or (event.occurred_at or event.received_at) <= as_of)
