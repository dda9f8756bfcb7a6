"""Requests and answers as plain values: no socket, no framework.

What a request carries is secret (credentials) or personal (the body), so none of it shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from lifecycle.http.framing import declared_length
from lifecycle.log.recording import Headers
from lifecycle.service.receipt import Receipt

# `dict` first: asking anything else whether it is a `Mapping` is slow.
_OBJECT: Final = (dict, Mapping)


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before a body: `path` without a query, headers as they came.

    `address` is the caller's, as far as the server knows it: guesses are counted by it.
    """

    method: str
    path: str
    headers: Headers = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _repeatable(self.headers))

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a header; `name` is in lower case."""
        headers = self.headers
        pairs = headers.items() if isinstance(headers, _OBJECT) else headers or ()
        return [_as_bytes(value) for known, value in pairs if _as_bytes(known).lower() == name]

    def declared_length(self) -> int | None:
        """Return how long the body is said to be, None where nothing is said.

        Raises:
            RequestBodyError: what is said is no length.
        """
        lengths, codings = self._texts(b"content-length"), self._texts(b"transfer-encoding")
        return declared_length(lengths, codings)

    def _texts(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for value in self.values(name)]


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request. Of a body above 16 MiB, one byte more than that is enough."""

    method: str
    path: str
    headers: Headers = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    address: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _repeatable(self.headers))

    @property
    def head(self) -> Head:
        """What comes before the body."""
        return Head(self.method, self.path, self.headers, self.address)


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer. `receipt` is what became of a callback, None where none was recorded."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    receipt: Receipt | None = None


def as_json(
    status: int, value: Mapping[str, object], headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return an answer whose body is a JSON object; no cache may keep it."""
    body = json.dumps(value, separators=(",", ":")).encode()
    fixed = (
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    )
    return Response(status, (*fixed, *headers), body)


def _repeatable(headers: Headers) -> Headers:
    """Return headers that may be read more than once: some frameworks hand out an iterator."""
    return tuple(headers) if isinstance(headers, Iterator) else headers


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
