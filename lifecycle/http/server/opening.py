"""What the parser takes for another protocol and is none: unknown methods, tunnels, upgrades.

The first bytes of a request are kept until its method is known to be one.

The parser knows some forty methods and takes any other for no HTTP at all. A method is
any word (RFC 9110, 9.1): one that is unknown is parsed under the name of one that is known and
nobody allows, and the app then answers what it answers to a method that it does not allow.
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
    """What came of a request before its target did."""

    __slots__ = ("_kept", "method")

    def __init__(self) -> None:
        self._kept = b""
        self.method: bytes | None = None

    @property
    def waits(self) -> bool:
        """Whether an unknown method is not whole yet."""
        return self.method == b""

    def clear(self) -> None:
        """Begin a new request."""
        self._kept = b""
        self.method = None

    def keep(self, data: bytes) -> None:
        """Keep bytes that told no target yet, unless `replaced` did."""
        if self.method is None:
            self._kept = (self._kept + data).lstrip(b"\r\n")

    def replaced(self, data: bytes) -> bytes | None:
        """Return the request so far under a known method; None where it is no HTTP.

        It is empty, and `waits` true, while the method may go on.
        """
        came = (self._kept + data).lstrip(b"\r\n")
        method, blank, rest = came.partition(b" ")
        if _WORD.fullmatch(method) is None:
            return None
        self._kept = came
        self.method = method if blank else b""
        return STAND_IN + blank + rest if blank else b""


def framing_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a head that says of a body what these headers say of it, and nothing else."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] in _FRAMING]
    return b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines)


def tunnels(data: bytes) -> bool:
    """Tell whether a request asks for a tunnel, after which the parser would read no more."""
    return data.startswith(_CONNECT)
