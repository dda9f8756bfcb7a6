"""The gate of bearer tokens that we issue: granted for secrets (RFC 6749), checked (RFC 6750).

A token is a JWT over HMAC-SHA-256 that names its client and its end, and nothing else: every
process accepts those of another. The first key signs and every key verifies, so that keys rotate
without a gap. The leeway applies to the beginning of a token, for hosts whose clocks differ; it
never extends its end.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from lifecycle.errors import InvalidArgumentError, MissingExtraError
from lifecycle.http.log_limit import LimitedLogger
from lifecycle.http.receiver.clients import (
    Secrets,
    raw_secret,
    read_credentials_of,
    read_form,
    warn_of_placeholders,
)
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Refusal, unauthorized
from lifecycle.http.receiver.guarded_clients import GuardedClients
from lifecycle.http.receiver.message import Head, Response, as_json

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


LOG: Final = logging.getLogger("lifecycle.receiver")

_GRANT: Final = b"client_credentials"
_BEARER: Final = re.compile(rb"bearer(?: |$)", re.IGNORECASE)
_ONE_TOKEN: Final = re.compile(rb" *[^ ,]+ *")


class BearerTokens:
    """Grants tokens to clients, and identifies clients by their tokens.

    Args:
        clients: client ids, each with a secret of 16 bytes or more, or several for rotation.
        signing_keys: keys of 32 bytes or more: the first signs tokens, all verify.
        token_lifetime: how long a token is good for.
        clock_leeway: how far the clocks of several hosts may differ.

    Raises:
        InvalidArgumentError: a secret or a key is missing or too short.
    """

    def __init__(
        self,
        clients: Mapping[str, Secrets],
        signing_keys: str | bytes | Sequence[str | bytes],
        *,
        token_lifetime: timedelta = LIFETIME,
        clock_leeway: timedelta = LEEWAY,
    ) -> None:
        self.tokens: Tokens = Tokens(signing_keys, token_lifetime, clock_leeway)
        self.secrets: GuardedClients = GuardedClients(clients)
        self._log = LimitedLogger(LOG)

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        """Return the gate of a deployment's credentials."""
        return cls(credentials.clients, credentials.signing_keys)

    def __repr__(self) -> str:
        return f"<BearerTokens for {len(self.clients)} clients>"

    @property
    def clients(self) -> Collection[str]:
        """The ids of the clients."""
        return self.secrets.names

    def claim(self, head: Head) -> str | Refusal:
        """Return the client whose token the request carries."""
        given = head.values(b"authorization")
        bearers = [value for value in given if _BEARER.match(value)]
        token = bearers[0][len(b"bearer") :] if bearers else b""
        client_id = self.tokens.client_of(token.strip(b" ")) if len(given) == 1 else None
        if client_id is not None and client_id in self.secrets:
            return client_id
        is_one = len(given) == 1 and _ONE_TOKEN.fullmatch(token)
        answer = _NO_TOKEN if not bearers else _INVALID_TOKEN if is_one else _INVALID_REQUEST
        return Refusal("no token, or none that is valid", answer)

    def verify(self, head: Head, body: bytes, claimed: str) -> str | Refusal:  # noqa: ARG002 - as `Gate`
        """Return the same client: the token says nothing of the body."""
        return claimed

    def grant(self, head: Head, body: bytes) -> Response:
        """Return the answer to a token request."""
        form = read_form(body)
        candidates = None if form is None else read_credentials_of(head, form)
        if form is None or candidates is None:
            return oauth_error(400, "invalid_request")
        grant_type = form.get(b"grant_type")
        if grant_type is None and not candidates:
            return oauth_error(400, "invalid_request")  # no form at all, for example
        client = self.secrets.identify(head, candidates, _UNKNOWN_CLIENT)
        if isinstance(client, Refusal):
            status = client.response.status
            self._log.warning("token refused: %s; answered %d", client.why, status)
            return client.response
        if grant_type is None:
            return oauth_error(400, "invalid_request")
        if grant_type != _GRANT:
            return oauth_error(400, "unsupported_grant_type")
        granted = {
            "access_token": self.tokens.issue(client),
            "token_type": "Bearer",
            "expires_in": self.tokens.seconds,
        }
        return as_json(200, granted, [("pragma", "no-cache")])


def oauth_error(status: int, error: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an error as RFC 6749, 5.2, has it."""
    return as_json(status, {"error": error}, headers)


def _refused(status: int, error: str) -> Response:
    challenge = f'Bearer realm="callbacks", error="{error}"'
    return as_json(status, {"error": error}, [("www-authenticate", challenge)])


_UNKNOWN_CLIENT: Final = Refusal(
    "the client id or its secret is not known",
    oauth_error(401, "invalid_client", [("www-authenticate", 'Basic realm="token"')]),
)
# Without an error code: the request carried no token at all (RFC 6750, 3.1).
_NO_TOKEN: Final = unauthorized("a bearer token is needed", 'Bearer realm="callbacks"')
_INVALID_TOKEN: Final = _refused(401, "invalid_token")
_INVALID_REQUEST: Final = _refused(400, "invalid_request")
