"""The length of a request body: declared by the headers, and checked once it was read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lifecycle.errors import RequestBodyError

_MOST_DIGITS: Final = 20
"""More digits than any possible size has; the rest of a number is not read."""


def declared_length(lengths: Iterable[str], codings: Iterable[str]) -> int | None:
    """Return the declared length, None if there is none.

    `lengths` and `codings` are the values of `content-length` and `transfer-encoding`. A
    coding overrides a length (RFC 9112, 6.3), and a length may be repeated.

    Raises:
        RequestBodyError: it is no number, or there are several.
    """
    if any(coding.strip() for coding in codings):
        return None
    declared = {part.strip() for value in lengths for part in value.split(",")} - {""}
    numbers = {part.lstrip("0") or "0" for part in declared}
    if not numbers:
        return None
    if len(numbers) > 1 or not all(part.isascii() and part.isdigit() for part in numbers):
        raise RequestBodyError(400, "its content-length is no length")
    return int(numbers.pop()[:_MOST_DIGITS])


def checked_body(body: bytes, declared: int | None, limit: int) -> bytes:
    """Return a complete body.

    Raises:
        RequestBodyError: it is empty, too large, or of another length than declared.
    """
    if len(body) > limit:
        raise too_large(limit)
    if declared is not None and len(body) != declared:
        raise RequestBodyError(400, "it is not as long as its content-length says")
    if not body:
        raise RequestBodyError(400, "it is empty")
    return body


def too_large(limit: int) -> RequestBodyError:
    """Return the error for a body above the limit."""
    return RequestBodyError(413, f"it is larger than {limit} bytes")
