"""How long a request's body is: what its head says, and whether what came is all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lifecycle.errors import RequestBodyError

_MOST_DIGITS: Final = 20
"""More than any size that is possible: the rest of a longer number need not be read."""


def declared_length(lengths: Iterable[str], codings: Iterable[str]) -> int | None:
    """Return the length that a head declares, None where it declares none.

    `lengths` and `codings` are the values of `content-length` and `transfer-encoding`. A
    coding overrides a length (RFC 9112, 6.3), and one length may be said more than once.

    Raises:
        RequestBodyError: it is no number, or there are several.
    """
    if any(coding.strip() for coding in codings):
        return None
    said = {part.strip() for value in lengths for part in value.split(",")} - {""}
    numbers = {part.lstrip("0") or "0" for part in said}
    if not numbers:
        return None
    if len(numbers) > 1 or not all(part.isascii() and part.isdigit() for part in numbers):
        raise RequestBodyError(400, "its content-length is no length")
    return int(numbers.pop()[:_MOST_DIGITS])


def checked_body(body: bytes, declared: int | None, limit: int) -> bytes:
    """Return a body that was read whole.

    Raises:
        RequestBodyError: it is empty, too large, or of another length than it declared.
    """
    if len(body) > limit:
        raise too_large(limit)
    if declared is not None and len(body) != declared:
        raise RequestBodyError(400, "it is not as long as its content-length says")
    if not body:
        raise RequestBodyError(400, "it is empty")
    return body


def too_large(limit: int) -> RequestBodyError:
    """Return what tells that a body is above the limit."""
    return RequestBodyError(413, f"it is larger than {limit} bytes")
