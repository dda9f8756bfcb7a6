"""Access tokens: signed and stateless, so that any process accepts what another issued.

A token is a JWT over HMAC-SHA-256. It names its client and when it ends, and nothing else.
The first key signs; every key verifies, so that keys are rotated without a gap.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from lifecycle.errors import InvalidArgumentError, MissingExtraError

try:
    import jwt
except ModuleNotFoundError:
    raise MissingExtraError("http", "PyJWT") from None

LIFETIME: Final = timedelta(hours=1)
SHORTEST_KEY: Final = 32
"""Bytes: a shorter key than the hash's output would be the weakest part."""

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "lifecycle:callbacks"
_LONGEST_TOKEN: Final = 4096
_KEPT: Final = 256


class Tokens:
    """Issues and checks access tokens.

    Raises:
        InvalidArgumentError: no key, one of under 32 bytes, or a lifetime under a second.
    """

    def __init__(
        self, signing_keys: str | bytes | Sequence[str | bytes], lifetime: timedelta = LIFETIME
    ) -> None:
        keys = [signing_keys] if isinstance(signing_keys, str | bytes) else list(signing_keys)
        raw = [key.encode() if isinstance(key, str) else key for key in keys]
        if not raw or any(len(key) < SHORTEST_KEY for key in raw):
            raise InvalidArgumentError(
                "signing_keys", f"one or more keys of at least {SHORTEST_KEY} bytes, newest first"
            )
        if lifetime < timedelta(seconds=1):
            raise InvalidArgumentError("token_lifetime", "at least a second")
        self.seconds = int(lifetime.total_seconds())
        self._keys: Mapping[str, bytes] = {_name_of(key): key for key in raw}
        self._signer = _name_of(raw[0])
        self._verified: dict[bytes, tuple[str, float]] = {}

    def issue(self, client_id: str) -> str:
        """Return a new token for a client."""
        now = int(time.time())
        claims = {"sub": client_id, "aud": _AUDIENCE, "iat": now, "exp": now + self.seconds}
        return jwt.encode(claims, self._keys[self._signer], _ALGORITHM, {"kid": self._signer})

    def client_of(self, token: bytes) -> str | None:
        """Return whose token this is; None where it is expired, forged or no token at all."""
        if len(token) > _LONGEST_TOKEN:
            return None
        # The digest is looked up, not the token: how long that takes tells nothing about it.
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
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["sub", "exp", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return claims["sub"], float(claims["exp"])

    def _keep(self, digest: bytes, known: tuple[str, float]) -> None:
        if len(self._verified) >= _KEPT:
            self._verified.clear()
        self._verified[digest] = known

    def __repr__(self) -> str:
        return f"<Tokens of {len(self._keys)} keys>"


def _name_of(key: bytes) -> str:
    """Return the name under which a token says which key signed it; it tells nothing of the key."""
    return hashlib.sha256(b"lifecycle key name\0" + key).hexdigest()[:16]
