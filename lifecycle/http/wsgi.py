"""Reads the complete body of a WSGI request, or raises.

    environ ─→ read_body ─→ bytes ─→ orders.record_callback

A body of unknown length looks empty if `CONTENT_LENGTH` is trusted, and a truncated one looks
like another body: an answer of 2xx would lose the callback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import RequestBodyError
from lifecycle.http.framing import checked_body, declared_length, too_large

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
