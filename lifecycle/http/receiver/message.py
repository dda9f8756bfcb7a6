"""Requests and responses as plain values, independent of any framework.

Headers hold secrets and bodies hold personal data, so no `repr` shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from lifecycle.http.body import declared_length
from lifecycle.log.kept_headers import Headers
from lifecycle.service.receipt import Receipt

# `dict` first: asking anything else whether it is a `Mapping` is slow.
_OBJECT: Final = (dict, Mapping)
_MOST_PARAMETERS: Final = 32


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body: `path` has no query, headers are verbatim.

    `address` is the caller's, as the server knows it; guesses are counted by it. `query` is
    what follows the path, without the question mark.
    """

    method: str
    path: str
    headers: Headers = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    query: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _repeatable(self.headers))

    def values(self, name: bytes) -> list[bytes]:
        """Return every value of a header; `name` is in lower case."""
        headers = self.headers
        pairs = headers.items() if isinstance(headers, _OBJECT) else headers or ()
        return [_as_bytes(value) for known, value in pairs if _as_bytes(known).lower() == name]

    def asked(self, parameter: str) -> str | None:
        """Return the first value of a parameter of the query; None where there is none."""
        try:
            return parse_qs(self.query, max_num_fields=_MOST_PARAMETERS).get(parameter, [None])[0]
        except ValueError:
            return None

    def declared_length(self) -> int | None:
        """Return the declared length of the body; None: it declares none.

        Raises:
            RequestBodyError: the declared length is invalid.
        """
        lengths, codings = self._texts(b"content-length"), self._texts(b"transfer-encoding")
        return declared_length(lengths, codings)

    def _texts(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for value in self.values(name)]


@dataclass(frozen=True, slots=True)
class Request:
    """One request with its body. Of a body above 16 MiB, one byte more is enough."""

    method: str
    path: str
    headers: Headers = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    address: str | None = field(default=None, repr=False)
    query: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _repeatable(self.headers))

    @property
    def head(self) -> Head:
        """The request without its body."""
        return Head(self.method, self.path, self.headers, self.address, self.query)


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `receipt` is that of a recorded callback, else None."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)
    receipt: Receipt | None = None


def as_json(
    status: int, value: Mapping[str, object], headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return a JSON response that no cache may store."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status, (*_described("application/json", body), *headers), body)


def as_text(text: str) -> Response:
    """Return a response of plain text, which no browser takes for anything else."""
    body = text.encode("utf-8", "replace")
    plain = _described("text/plain; charset=utf-8", body)
    return Response(200, (*plain, ("x-content-type-options", "nosniff")), body)


def _described(content_type: str, body: bytes) -> tuple[tuple[str, str], ...]:
    return (
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("cache-control", "no-store"),
    )


def _repeatable(headers: Headers) -> Headers:
    """Return headers that can be read more than once: some frameworks pass an iterator."""
    return tuple(headers) if isinstance(headers, Iterator) else headers


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
