"""Clients whose secrets may be guessed only slowly: what every gate with secrets stands on.

Wrong secrets are counted per address and client id, so that guesses from one address do not
slow a client at another. Behind a proxy all may share one address, so a source without free
guesses is not blocked: its secrets fall into lanes, by a keyed digest, and each lane is
checked once a second. The number of lanes bounds guessing, and a right secret waits only
for the few guesses in its own lane.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from itertools import takewhile
from threading import Lock
from typing import Final, NamedTuple

from lifecycle.http.receiver.clients import Candidates, Clients, Secrets
from lifecycle.http.receiver.gate import Refusal
from lifecycle.http.receiver.message import Head, Response, as_json

FREE_GUESSES: Final = 20
"""Wrong secrets in a row without a wait, as of a misconfigured service."""
SECONDS_A_GUESS: Final = 1.0
LANES: Final = 64
"""64 guesses a second are 2 * 10^9 a year, of the 10^22 that 16 random letters may be."""
MOST_KEPT: Final = 10_000
_TOO_MANY: Final = "too many wrong secrets"


class Source(NamedTuple):
    """An address, and the client id tried from it; None stands for all unknown ids."""

    address: str
    client_id: str | None


class _Lane(NamedTuple):
    source: Source
    number: int


class Guesses:
    """Counts wrong secrets; safe for threads, and bounded in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._salt = secrets.token_bytes(32)
        # When each has all of its guesses again; the one that guessed longest ago comes first.
        self._recovered_at: dict[Source | _Lane, float] = {}

    def seconds_to_wait(self, source: Source, secret: bytes) -> float:
        """Return how many seconds this secret has to wait before it is checked."""
        now = self._clock()
        free_until = now + (FREE_GUESSES - 1) * SECONDS_A_GUESS
        if self._recovered_at.get(source, 0.0) <= free_until:
            return 0.0
        return max(0.0, self._recovered_at.get(self._lane(source, secret), 0.0) - now)

    def note(self, source: Source, secret: bytes) -> None:
        """Count a wrong secret."""
        with self._lock:
            self._add(source, FREE_GUESSES)
            self._add(self._lane(source, secret), 1)

    def _add(self, key: Source | _Lane, most: int) -> None:
        now = self._clock()
        recovered_at = max(self._recovered_at.pop(key, 0.0), now) + SECONDS_A_GUESS
        if len(self._recovered_at) >= MOST_KEPT:
            self._forget(now)
        self._recovered_at[key] = min(recovered_at, now + most * SECONDS_A_GUESS)

    def _forget(self, now: float) -> None:
        """Make room: forget the sources that guessed longest ago and have recovered, or the first.

        They stand in the order of their last guess, so that no guess has all of them looked at.
        """
        recovered = list(takewhile(lambda key: self._recovered_at[key] <= now, self._recovered_at))
        for key in recovered or [next(iter(self._recovered_at))]:
            del self._recovered_at[key]

    def _lane(self, source: Source, secret: bytes) -> _Lane:
        digest = blake2b(secret, digest_size=1, key=self._salt).digest()
        return _Lane(source, digest[0] % LANES)

    def __len__(self) -> int:
        return len(self._recovered_at)


def source_of(address: str | None, client_id: str | None) -> Source:
    """Return the source; of an IPv6 address the /64 network, since a host has many addresses."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return Source("", client_id)
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return Source(str(mapped or IPv6Address(int(found) >> 64 << 64)), client_id)
    return Source(str(found), client_id)


class GuardedClients:
    """Identifies clients by their secrets, and makes guessers wait."""

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        self._clients = Clients(clients)
        self.guesses: Guesses = Guesses()

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._clients

    def __repr__(self) -> str:
        return f"<GuardedClients {len(self.names)}>"

    @property
    def names(self) -> Collection[str]:
        """The ids of the clients."""
        return self._clients.names

    def identify(self, head: Head, candidates: Candidates, wrong: Refusal) -> str | Refusal:
        """Return the client with these credentials, else `wrong`, or that guessing has to wait."""
        source = source_of(head.address, self._clients.client_named_in(candidates))
        secret = candidates[0][1] if candidates else b""
        wait = self.guesses.seconds_to_wait(source, secret)
        if wait > 0:
            return Refusal(_TOO_MANY, _wait(wait))
        client_id = self._clients.identify(candidates)
        if client_id is None:
            self.guesses.note(source, secret)
            return wrong
        return client_id


def _wait(seconds: float) -> Response:
    # A second is sometimes one and a trillionth, as floats go.
    whole = max(1, math.ceil(round(seconds, 3)))
    return as_json(429, {"error": _TOO_MANY}, [("retry-after", str(whole))])
