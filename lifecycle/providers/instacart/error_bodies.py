"""The provider's error bodies, in the two shapes that it sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

INVALID: Final = 1001
"""The code of a parameter that is missing or invalid; `meta.key` names it."""

_SEVERAL: Final = 9999


class FieldError(NamedTuple):
    """One error in a request; `key` names the field."""

    key: str
    message: str


def error_body(
    message: str | None, code: int | None, key: str | None = None, *nested: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an error body, around others if there are any."""
    inside = {"errors": list(nested)} if nested else {}
    return {
        "error": {"message": message, "code": code, **inside},
        "meta": {} if key is None else {"key": key},
    }


def rejection_body(errors: Sequence[FieldError]) -> dict[str, Any]:
    """Return the body that rejects a request: one error, or several in a wrapper."""
    single = [error_body(message, INVALID, key) for key, message in errors]
    if len(single) == 1:
        return single[0]
    return error_body("There were issues with your request", _SEVERAL, None, *single)


BAD_ADDRESS: Final = (FieldError("address", "Required parameter missing or invalid"),)
BAD_FIELDS: Final = (
    FieldError("user_phone", "can't be blank"),
    FieldError("address.postal_code", "can't be blank"),
)
NOT_FOUND: Final = error_body("Resource not found", 4000)
SERVER_ERROR: Final = error_body("An unexpected error occurred. Try again later.", 5000)
