"""The outcome of a create request, as a closed union to match exhaustively.

match create_order(orders, client, request):
    case Created(view): ...       # show the order
    case Correctable(errors): ... # prompt the customer
    case Refused(why): ...        # tell whoever runs the service
    case Unknown(why): ...        # wait: a callback tells, or ask again later
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, REJECTED, Event
from lifecycle.core.view import OrderError, OrderView
from lifecycle.http.client.exchange import Answer

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

_CORRECTION: Final = "correction"


@dataclass(frozen=True, slots=True)
class Created:
    """The provider has the order; `view.status` may be beyond `created` by now."""

    view: OrderView


@dataclass(frozen=True, slots=True)
class Correctable:
    """The provider rejected the content of the request; nothing was created.

    That is a 4xx but 401, 403, 408 and 429. Correct what `errors` names and call again.

    Attributes:
        errors: each with the field (`key`), the reason (`message`) and the `code`.
        view: the order as it stands.
    """

    errors: tuple[OrderError, ...]
    view: OrderView


@dataclass(frozen=True, slots=True)
class Refused:
    """The order was not created, and the customer cannot correct that.

    Attributes:
        why: `unauthorized` (401, with a new token too), `forbidden` (403), `redirected` (3xx) and
            `no_token` are errors of configuration. `canceled`: the provider gave up the order,
            and its id must not be used again.
        http_status: of the answer, where there was one.
        view: None before any request.
    """

    why: RefusedWhy
    http_status: int | None = None
    view: OrderView | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not known yet: a callback or the same call later will tell.

    Attributes:
        why: `no_answer` and `server_error`: the provider, which retries, may have created the
            order or may still do so; a GET did not show it. `in_flight`: a request may be in
            flight, from here or elsewhere. `too_many_requests` and `never_reached`: it was not
            carried out. `not_found`: the provider has no such order; `find_outcome` only.
            `unreadable`: the answer cannot be read; it is recorded.
        view: None before any request.
        retry_after: in how many seconds the same call may do more; None: unknown.
    """

    why: UnknownWhy
    view: OrderView | None = None
    retry_after: float | None = None


CreationOutcome = Created | Correctable | Refused | Unknown
"""The outcome of a create request."""


def settled_outcome(view: OrderView | None, definition: Definition) -> Created | Refused | None:
    """Return the final outcome that a view shows; None: the order may not exist yet."""
    if view is None or definition.rank(view.status) < definition.birth_rank:
        return None
    return Refused("canceled", None, view) if view.status in definition.aborts else Created(view)


def correctable(view: OrderView | None, definition: Definition) -> Correctable | None:
    """Return what to correct if the view shows a rejected request."""
    awaits = None if view is None else definition.awaits.get(view.status)
    if view is None or awaits is None or _CORRECTION not in awaits.usual:
        return None
    return Correctable(tuple(error for error in view.errors if error.correctable), view)


def outcome_of_response(
    event: Event, view: OrderView, definition: Definition
) -> CreationOutcome | None:
    """Return the outcome that a response shows; None: it shows none.

    The view takes precedence: a callback may have overtaken the response.
    """
    outcome = settled_outcome(view, definition)
    if outcome is not None or event.name == ACCEPTED:
        return outcome or Created(view)
    if event.name == REJECTED:
        return Correctable(_errors(event), view)
    return refused_by_status(event.http_status, view)


def refused_by_status(http_status: int | None, view: OrderView | None) -> Refused | None:
    """Return that a request was refused, if this status says so."""
    if http_status == 401:
        return Refused("unauthorized", http_status, view)
    if http_status == 403:
        return Refused("forbidden", http_status, view)
    if http_status is not None and http_status // 100 == 3:
        return Refused("redirected", http_status, view)
    return None


def unknown_why(answer: Answer | None) -> UnknownWhy:
    """Return why an answer to a create request, or none, leaves its outcome unknown."""
    if answer is None or answer.http_status == 408:
        return "no_answer"
    if answer.http_status == 429:
        return "too_many_requests"
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
