"""Truth: what really happened to an order, for a test to hold a view against."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lifecycle.core.view import Instant

Fate = Literal["pending", "acknowledged", "given_up", "lost"]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class Happened(_Fact):
    """One thing that happened, and when by the provider's clock."""

    name: str
    at: Instant


class Attempt(_Fact):
    """One time that a callback was sent: `answer` is the HTTP status, or what failed."""

    answer: int | str
    sent_at: Instant


class SentCallback(_Fact):
    """One body that the provider meant to send; `fate` says what became of it.

    `occurred_at` is when it happened, `stamped_at` what the body says: a wrong clock, or a
    flat body that says nothing. `acknowledged` means that an attempt was answered 2xx.
    """

    name: str
    occurred_at: Instant
    stamped_at: str | None
    marks: tuple[str, ...]
    body: str
    fate: Fate
    attempts: tuple[Attempt, ...]


class OrderTruth(_Fact):
    """Everything that is true about one order.

    `creates` counts the create requests that made an order of this id: more than one is an
    order created twice. `history` holds the states it entered, and the provider's own tries.
    """

    order_id: str
    creates: int
    requests: int
    way: str | None
    status: str | None
    terminal: bool
    history: tuple[Happened, ...]
    callbacks: tuple[SentCallback, ...]
