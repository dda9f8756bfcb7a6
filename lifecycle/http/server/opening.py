"""Requests that the parser mistakes for another protocol: unknown methods, tunnels, upgrades.

The parser knows some forty methods and rejects any other as no HTTP, though any word is a
method (RFC 9110, 9.1). An unknown one is therefore parsed as a known one that no route allows,
so that the app answers 405. The first bytes are kept until the method is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

STAND_IN: Final = b"LINK"

_WORD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
_CONNECT: Final = b"CONNECT "
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class Opening:
    """The start of a request, before its target."""

    __slots__ = ("_kept", "method")

    def __init__(self) -> None:
        self._kept = b""
        self.method: bytes | None = None

    @property
    def waits(self) -> bool:
        """Whether an unknown method is still incomplete."""
        return self.method == b""

    def clear(self) -> None:
        """Start a new request."""
        self._kept = b""
        self.method = None

    def keep(self, data: bytes) -> None:
        """Keep bytes before the target, unless `replaced` did."""
        if self.method is None:
            self._kept = (self._kept + data).lstrip(b"\r\n")

    def replaced(self, data: bytes) -> bytes | None:
        """Return the request so far with a known method; None: it is no HTTP.

        Empty, with `waits` true, while the method may continue.
        """
        came = (self._kept + data).lstrip(b"\r\n")
        method, blank, rest = came.partition(b" ")
        if _WORD.fullmatch(method) is None:
            return None
        self._kept = came
        self.method = method if blank else b""
        return STAND_IN + blank + rest if blank else b""


def framing_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a head with only those headers that declare the body's length."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] in _FRAMING]
    return b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines)


def tunnels(data: bytes) -> bool:
    """Tell whether a request is a CONNECT, after which the parser would stop."""
    return data.startswith(_CONNECT)
