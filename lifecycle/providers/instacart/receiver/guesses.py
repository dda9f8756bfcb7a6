"""Wrong secrets, counted by who sent them: a guesser is slowed, and locks nobody out.

Counted for each address and client id by themselves, so that a stranger's guesses are not
held against a client at another address. Behind a proxy all may have one address. A source
that used up its free guesses is therefore not shut: its secrets fall into lanes, by a digest
that nobody outside can know, and each lane is looked at once a second. Guesses are bounded by
the number of lanes, and a right secret waits only for those few that fall into its own.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import Final, NamedTuple

FREE_GUESSES: Final = 20
"""Wrong secrets in a row that nobody has to wait for: a service that is set up wrong."""
SECONDS_A_GUESS: Final = 1.0
LANES: Final = 64
"""64 guesses a second are 2 * 10^9 a year, of the 10^22 that 16 random letters may be."""
MOST_KEPT: Final = 10_000


class Source(NamedTuple):
    """An address, and the client id that was tried there; none for all ids that nobody has."""

    address: str
    client_id: str | None


class _Lane(NamedTuple):
    source: Source
    number: int


class Guesses:
    """Counts wrong secrets; safe for threads, and bounded whoever sends them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._salt = secrets.token_bytes(32)
        # When each has all of its guesses again; whoever guessed longest ago comes first.
        self._rested_at: dict[Source | _Lane, float] = {}

    def seconds_to_wait(self, source: Source, secret: bytes) -> float:
        """Return how long this secret has to wait until it is looked at; 0 if it need not."""
        now = self._clock()
        free_until = now + (FREE_GUESSES - 1) * SECONDS_A_GUESS
        if self._rested_at.get(source, 0.0) <= free_until:
            return 0.0
        return max(0.0, self._rested_at.get(self._lane(source, secret), 0.0) - now)

    def note(self, source: Source, secret: bytes) -> None:
        """Count a wrong secret."""
        with self._lock:
            self._add(source, FREE_GUESSES)
            self._add(self._lane(source, secret), 1)

    def _add(self, key: Source | _Lane, most: int) -> None:
        now = self._clock()
        rested_at = max(self._rested_at.pop(key, 0.0), now) + SECONDS_A_GUESS
        if len(self._rested_at) >= MOST_KEPT:
            self._forget(now)
        self._rested_at[key] = min(rested_at, now + most * SECONDS_A_GUESS)

    def _forget(self, now: float) -> None:
        """Make room: forget whoever has rested, else whoever guessed longest ago."""
        rested = [key for key, at in self._rested_at.items() if at <= now]
        for key in rested or [next(iter(self._rested_at))]:
            del self._rested_at[key]

    def _lane(self, source: Source, secret: bytes) -> _Lane:
        digest = blake2b(secret, digest_size=1, key=self._salt).digest()
        return _Lane(source, digest[0] % LANES)

    def __len__(self) -> int:
        return len(self._rested_at)


def source_of(address: str | None, client_id: str | None) -> Source:
    """Return who guesses: of an IPv6 address the network, for a host has any number of those."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return Source("", client_id)
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return Source(str(mapped or IPv6Address(int(found) >> 64 << 64)), client_id)
    return Source(str(found), client_id)
