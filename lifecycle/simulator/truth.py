"""The truth about an order, for tests to compare views with."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from lifecycle.core.view import Instant

CallbackFate = Literal["pending", "acknowledged", "given_up", "lost"]


class _TruthModel(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class PastEvent(_TruthModel):
    """One event of an order, and its time by the provider's clock."""

    name: str
    at: Instant


class Attempt(_TruthModel):
    """One attempt to send a callback: `answer` is the HTTP status, or what failed."""

    answer: int | str
    sent_at: Instant


class SentCallback(_TruthModel):
    """One callback of the provider; `fate` says what became of it.

    `occurred_at` is the true time, `stamped_at` the time in the body: it may be wrong, and a
    flat body has none. `acknowledged`: an attempt was answered 2xx.
    """

    name: str
    occurred_at: Instant
    stamped_at: str | int | None
    marks: tuple[str, ...]
    body: str
    fate: CallbackFate
    attempts: tuple[Attempt, ...]


class OrderTruth(_TruthModel):
    """The truth about one order.

    `creates` counts the create requests that made an order with this id: above 1 it was
    created twice. `history` holds the states it entered, and the provider's own retries.
    """

    order_id: str
    creates: int
    requests: int
    way: str | None
    status: str | None
    terminal: bool
    history: tuple[PastEvent, ...]
    callbacks: tuple[SentCallback, ...]
