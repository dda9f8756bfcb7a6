"""Complete request bodies: their declared length, and how a WSGI server's is read.

    environ ─→ read_body ─→ bytes ─→ orders.record_callback

A body of unknown length looks empty if `CONTENT_LENGTH` is trusted, and a truncated one looks
like another body: an answer of 2xx would lose the callback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import RequestBodyError

_MOST_DIGITS: Final = 20
"""More digits than any possible size has; the rest of a number is not read."""

_PIECE: Final = 1024 * 1024
"""Bytes: some servers allocate as much as they are asked to read."""


def read_body(environ: Mapping[str, Any], limit: int = MAX_KEPT_BYTES) -> bytes:
    """Return the complete body of a WSGI request, at least one byte.

    Raises:
        RequestBodyError: it is empty, larger than `limit`, truncated, or of unknown length.
            Record nothing, and answer its `status`.
    """
    declared = _length_in(environ)
    if declared is None and not environ.get("wsgi.input_terminated"):
        raise RequestBodyError(411, "it has no content-length")
    if declared is not None and declared > limit:
        raise too_large(limit)
    left = limit + 1 if declared is None else declared
    return checked_body(_read(environ["wsgi.input"], left), declared, limit)


def _read(stream: Any, left: int) -> bytes:
    pieces = []
    try:
        while left > 0 and (piece := stream.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
    except Exception:  # noqa: BLE001 - each server raises its own where chunks are no chunks
        raise RequestBodyError(400, "it was cut short") from None
    return b"".join(pieces)


def _length_in(environ: Mapping[str, Any]) -> int | None:
    return declared_length(
        [environ.get("CONTENT_LENGTH") or ""], [environ.get("HTTP_TRANSFER_ENCODING") or ""]
    )


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
