"""Outcomes: what became of a create request, as a closed union to match exhaustively.

match create_order(orders, client, request):
    case Created(view): ...       # show the order
    case Correctable(errors): ... # prompt the customer
    case Refused(why): ...        # tell whoever runs the service
    case Unknown(why): ...        # wait: a callback tells, or ask again later
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lifecycle.core.event import ACCEPTED, REJECTED, Event
from lifecycle.core.view import OrderError, OrderView
from lifecycle.providers.instacart.client.exchange import Answer
from lifecycle.providers.instacart.definition import LAST_MILE

RefusedWhy = Literal["unauthorized", "forbidden", "redirected", "no_token", "canceled"]
UnknownWhy = Literal[
    "no_answer",
    "server_error",
    "too_many_requests",
    "never_reached",
    "in_flight",
    "not_found",
    "unreadable",
]

_CANCELED: Final = "canceled"
_VALIDATION_FAILED: Final = "validation_failed"


@dataclass(frozen=True, slots=True)
class Created:
    """The provider has the order; `view.status` may be beyond `created` by now."""

    view: OrderView


@dataclass(frozen=True, slots=True)
class Correctable:
    """The provider refused the request for what it says; nothing was created.

    `errors` name the fields (`key`) and say why (`message`): correct them and call again.
    """

    errors: tuple[OrderError, ...]
    view: OrderView


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing will come of it until somebody acts; the customer cannot mend it.

    `why`: `unauthorized` (401), `forbidden` (403), `redirected` (3xx) and `no_token` are
    matters of configuration, and nothing was created. `canceled`: the provider gave
    the order up, and its id must not be used again. `view` is None before any request.
    """

    why: RefusedWhy
    http_status: int | None = None
    view: OrderView | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not known yet: a callback will tell, or the same call later on.

    `why`: `no_answer` and `server_error`: the provider, which retries, may have made the
    order or may still make it. `in_flight`: a request may be under way right now, from here
    or elsewhere. `too_many_requests` and `never_reached`: it was not carried out.
    `not_found`: the provider knows no such order (yet). `unreadable`: what was answered
    cannot be read; it is kept.
    `retry_after` is how many seconds from now the same call may do more, None if
    nobody said.
    """

    why: UnknownWhy
    view: OrderView | None = None
    retry_after: float | None = None


Outcome = Created | Correctable | Refused | Unknown
"""What became of a create request."""


def settled(view: OrderView | None) -> Created | Refused | None:
    """Return the outcome that an order's view shows; None while it may not exist."""
    if view is None or LAST_MILE.rank(view.status) < LAST_MILE.birth_rank:
        return None
    return Refused("canceled", None, view) if view.status == _CANCELED else Created(view)


def corrections(view: OrderView | None) -> Correctable | None:
    """Return what to correct where an order's view says so."""
    if view is None or view.status != _VALIDATION_FAILED:
        return None
    return Correctable(tuple(error for error in view.errors if error.correctable), view)


def judged(event: Event, view: OrderView) -> Outcome | None:
    """Return what an answered create request came to; None where its fate has to be found.

    The view goes first: a callback may have overtaken the answer.
    """
    known = settled(view)
    if known is not None or event.name == ACCEPTED:
        return known or Created(view)
    if event.name == REJECTED:
        return Correctable(_errors(event), view)
    return refusal(event.http_status, view)


def refusal(http_status: int | None, view: OrderView | None) -> Refused | None:
    """Return that a request was refused at the door, if this status says so."""
    if http_status == 401:
        return Refused("unauthorized", http_status, view)
    if http_status == 403:
        return Refused("forbidden", http_status, view)
    if http_status is not None and http_status // 100 == 3:
        return Refused("redirected", http_status, view)
    return None


def unsettled(answer: Answer | None) -> UnknownWhy:
    """Return why an answer to a create request, or none, leaves open what became of it."""
    if answer is None or answer.http_status == 408:
        return "no_answer"
    return "server_error" if answer.http_status >= 500 else "unreadable"


def _errors(event: Event) -> tuple[OrderError, ...]:
    return tuple(
        OrderError(
            message=fault.message,
            code=fault.code,
            key=fault.key,
            http_status=event.http_status,
            correctable=True,
        )
        for fault in event.faults
    )
