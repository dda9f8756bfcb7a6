"""Access tokens: signed and stateless, so that every process accepts those of another.

A token is a JWT over HMAC-SHA-256 that names its client and its end, and nothing else. The
first key signs and every key verifies, so that keys rotate without a gap. The leeway applies
to the beginning of a token, for hosts whose clocks differ; it never extends its end.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from lifecycle.errors import InvalidArgumentError, MissingExtraError
from lifecycle.http.receiver.clients import raw_secret, warn_of_placeholders

if TYPE_CHECKING:
    from jwt.types import Options

try:
    import jwt
except ModuleNotFoundError:
    raise MissingExtraError("http", "PyJWT") from None

LIFETIME: Final = timedelta(hours=1)
LEEWAY: Final = timedelta(seconds=30)
_LONGEST_LIFETIME: Final = timedelta(days=36_525)
_MOST_LEEWAY: Final = timedelta(minutes=5)
SHORTEST_KEY: Final = 32
"""Bytes: a key shorter than the hash would be the weakest part."""

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "lifecycle:callbacks"
_LONGEST_TOKEN: Final = 4096
_KEPT: Final = 256
_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999: no token of ours ends later."""
# Times are checked here: the library's leeway would extend the end of tokens, too, and its
# errors do not cover every value of a claim.
_OPTIONS: Final[Options] = {
    "require": ["sub", "exp", "aud"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


class Tokens:
    """Issues and checks access tokens.

    Raises:
        InvalidArgumentError: no key, one of under 32 bytes, a lifetime under a second or above
            a hundred years, or a leeway below zero or above five minutes.
    """

    def __init__(
        self,
        signing_keys: str | bytes | Sequence[str | bytes],
        lifetime: timedelta = LIFETIME,
        leeway: timedelta = LEEWAY,
    ) -> None:
        keys = [signing_keys] if isinstance(signing_keys, str | bytes) else list(signing_keys)
        raw = [raw_secret(key) for key in keys]
        if not raw or any(len(key) < SHORTEST_KEY for key in raw):
            raise InvalidArgumentError(
                "signing_keys",
                f"one or more keys of at least {SHORTEST_KEY} bytes, newest first, "
                "such as secrets.token_urlsafe(32) makes",
            )
        warn_of_placeholders("a signing key", raw)
        if not timedelta(seconds=1) <= lifetime <= _LONGEST_LIFETIME:
            raise InvalidArgumentError("token_lifetime", "from a second to a hundred years")
        if not timedelta(0) <= leeway <= _MOST_LEEWAY:
            raise InvalidArgumentError("clock_leeway", "from nothing to five minutes")
        self._leeway = leeway.total_seconds()
        self.seconds: int = int(lifetime.total_seconds())
        self._keys: Mapping[str, bytes] = {_name_of(key): key for key in raw}
        self._signer = _name_of(raw[0])
        self._verified: dict[bytes, tuple[str, float]] = {}

    def issue(self, client_id: str) -> str:
        """Return a new token for a client."""
        now = int(time.time())
        claims = {"sub": client_id, "aud": _AUDIENCE, "iat": now, "exp": now + self.seconds}
        return jwt.encode(claims, self._keys[self._signer], _ALGORITHM, {"kid": self._signer})

    def client_of(self, token: bytes) -> str | None:
        """Return the client of a token; None: it is expired, forged or no token at all."""
        if len(token) > _LONGEST_TOKEN:
            return None
        # Looks up the digest: the time that takes reveals nothing about the token.
        digest = hashlib.sha256(token).digest()
        known = self._verified.get(digest)
        if known is None:
            known = self._verify(token)
            if known is None:
                return None
            self._keep(digest, known)
        client_id, ends_at = known
        return client_id if time.time() < ends_at else None

    def _verify(self, token: bytes) -> tuple[str, float] | None:
        try:
            key = self._keys.get(jwt.get_unverified_header(token).get("kid", ""))
            if key is None:
                return None
            claims = jwt.decode(
                token, key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=_OPTIONS
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        client_id, ends_at = claims["sub"], _instant_of(claims["exp"])
        begins_at = [claims[name] for name in ("iat", "nbf") if name in claims]
        if not isinstance(client_id, str) or ends_at is None:
            return None
        return (client_id, ends_at) if all(map(self._has_begun, begins_at)) else None

    def _has_begun(self, claim: object) -> bool:
        """Tell whether a time has come, with leeway for a clock ahead of ours."""
        instant = _instant_of(claim)
        return instant is not None and instant <= time.time() + self._leeway

    def _keep(self, digest: bytes, known: tuple[str, float]) -> None:
        if len(self._verified) >= _KEPT:
            self._verified.clear()
        self._verified[digest] = known

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._keys)} keys>"


def _name_of(key: bytes) -> str:
    """Return the id of a key in a token's header; it reveals nothing about the key."""
    return hashlib.sha256(b"lifecycle key name\0" + key).hexdigest()[:16]


def _instant_of(claim: object) -> float | None:
    """Return the time in a claim, None if it has none."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    return float(claim) if 0 <= claim <= _LAST_SECOND else None
