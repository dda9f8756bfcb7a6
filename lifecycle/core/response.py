"""What the response to a create request means by its HTTP status: the same for every provider."""

from __future__ import annotations

from typing import Final, Literal

from lifecycle.core.definition import Definition
from lifecycle.core.event import ACCEPTED, EXCHANGE_NAMES, FAILED, REJECTED, Fate, Problem

ResponseName = Literal["accepted", "rejected", "failed"]

_FAILURES: Final = frozenset({401, 403, 408, 429})
_NOT_VALIDATED: Final = frozenset({401, 403, 429})


def response_name(
    http_status: int | None, *, is_error: bool, shows_order: bool = False
) -> ResponseName:
    """Return the event name of a response: the HTTP status decides.

    Without a status the body decides: `is_error`, or `shows_order` where it has a status of
    an order. Without a readable body no answer came.
    """
    if http_status is None:
        if is_error:
            return REJECTED
        return ACCEPTED if shows_order else FAILED
    if is_success(http_status):
        return REJECTED if is_error else ACCEPTED
    return REJECTED if http_status // 100 == 4 and http_status not in _FAILURES else FAILED


def fate_of(http_status: int | None) -> Fate | None:
    """Return what a failed exchange says about its request.

    `not_reached`: it was refused or redirected before it was validated.
    `unknown`: it may have been carried out.
    """
    if http_status is None or http_status == 408 or http_status // 100 == 5:
        return "unknown"
    if http_status in _NOT_VALIDATED or http_status // 100 == 3:
        return "not_reached"
    return None


def is_success(http_status: int) -> bool:
    """Tell whether an HTTP status is 2xx."""
    return http_status // 100 == 2


def accepted_state(definition: Definition, name: str | None) -> tuple[str, tuple[Problem, ...]]:
    """Return the state that an accepted response shows, and what is odd about it.

    `name` is our name for its status, None where it says none. The first birth state is what
    it shows where it names no state from there on.
    """
    state = definition.state(name)
    if state is not None and definition.rank(state) >= definition.birth_rank:
        return state, ()
    is_known = name in definition.informational - EXCHANGE_NAMES
    birth = definition.states[definition.birth_rank]
    return birth, () if name is None or is_known else ("unrecognized",)
