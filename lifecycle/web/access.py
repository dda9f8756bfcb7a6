"""Who may see the pages: users of a receiver's gate, of a trusted proxy, or only this machine."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final, Protocol

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.receiver import Head, Refusal
from lifecycle.http.receiver.message import as_json

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
MAX_USER: Final = 255

_PASSED_ON: Final = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")


class Access(Protocol):
    """Identifies the user: as `Basic`, `StaticToken` and `BasicOrToken` of the receiver do."""

    def claim(self, head: Head) -> str | Refusal:
        """Return the user, or why nothing is shown."""


class TrustedHeader:
    """Trusts the user whom an authenticating proxy names in a header.

    Args:
        header: the name of the header, such as `x-remote-user`; the proxy must remove it from
            incoming requests.
        addresses: those of the proxy. Requests from other addresses are refused.

    Raises:
        InvalidArgumentError: the header is empty, or an address is not an IP address.
    """

    def __init__(self, header: str, *, addresses: Collection[str]) -> None:
        if not header or isinstance(addresses, str) or not addresses:
            raise InvalidArgumentError("the header", "a name, and the addresses of the proxy")
        self._header = header.lower().encode("latin-1", "replace")
        self._addresses = frozenset(map(_checked_address, addresses))

    def claim(self, head: Head) -> str | Refusal:
        """Return the user, or why nothing is shown."""
        named = head.values(self._header)
        user = named[0].decode("utf-8", "replace").strip() if len(named) == 1 else ""
        if _address_of(head) not in self._addresses or not 0 < len(user) <= MAX_USER:
            return _NOT_NAMED
        return user

    def __repr__(self) -> str:
        return f"<TrustedHeader {self._header.decode()!a}>"


class ThisMachine:
    """Lets in everybody on this machine, and nobody else; names no user.

    `Host` must name this machine, so that no other site reaches the pages under its own name.
    Requests that a proxy passed on are refused: they may come from anywhere.
    """

    def claim(self, head: Head) -> str | Refusal:
        """Return no name, or why nothing is shown."""
        hosts = [_without_port(value.decode("latin-1").lower()) for value in head.values(b"host")]
        is_local = len(hosts) == 1 and hosts[0] in LOCAL_NAMES and is_loopback(head.address)
        if not is_local or any(head.values(name) for name in _PASSED_ON):
            return _ELSEWHERE
        return ""


def is_loopback(address: str | None) -> bool:
    """Tell whether an address is a loopback address, which no other machine can reach."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _checked_address(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        raise InvalidArgumentError("addresses", "IP addresses of the proxy") from None


def _address_of(head: Head) -> str:
    try:
        found = ip_address(head.address or "")
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


_NOT_NAMED: Final = Refusal(
    "the proxy named no user", as_json(403, {"error": "the proxy named no user"})
)
_ELSEWHERE: Final = Refusal(
    "no authentication is set up, and it is not this machine that asks",
    as_json(403, {"error": "without authentication the pages are for this machine alone"}),
)
