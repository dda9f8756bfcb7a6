"""What a response to a create request means, by its HTTP status and body."""

from __future__ import annotations

from typing import Final, Literal

from lifecycle.core.event import ACCEPTED, FAILED, REJECTED, Fate
from lifecycle.providers.instacart.bodies import JsonObject, is_error
from lifecycle.providers.instacart.words import normalized

ResponseName = Literal["accepted", "rejected", "failed"]

_FAILURES: Final = frozenset({401, 403, 408, 429})
_NOT_VALIDATED: Final = frozenset({401, 403, 429})


def outcome_of(http_status: int | None, body: JsonObject | None) -> ResponseName:
    """Return the event name of a response: the HTTP status decides.

    Without a status the body decides; without a readable body no answer came.
    """
    if http_status is None:
        if is_error(body):
            return REJECTED
        return ACCEPTED if body is not None and normalized(body.get("status")) else FAILED
    if is_success(http_status):
        return REJECTED if is_error(body) else ACCEPTED
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
