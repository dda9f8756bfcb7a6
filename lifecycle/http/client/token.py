"""Tokens: fetched by client credentials, reused, renewed before they expire.

One flow at a time fetches a token; the others wait for its token, or fail with its error.
Source: RFC 6749, section 4.4.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final, NamedTuple

from pydantic import SecretStr

from lifecycle.core.strict_json import object_in
from lifecycle.errors import NoTokenError
from lifecycle.http.client.exchange import Answer, Call, Failure
from lifecycle.http.client.retries import RetryPolicy
from lifecycle.http.client.transport import Http
from lifecycle.http.flow import Flow

_ASSUMED_SECONDS: Final = 300.0
"""The lifetime of a token whose answer gives none."""

_LONGEST_SECONDS: Final = 86_400.0
_EARLY_SECONDS: Final = 30.0
_MOST_DIGITS: Final = 12
# RFC 6750, section 2.1, and all printable characters: others could end a header.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
# Only these are quoted in an error: other text of the answer may be personal.
_CODES: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)


class Token(NamedTuple):
    """A bearer token; times are seconds of the monotonic clock."""

    secret: SecretStr
    renew_at: float
    expires_at: float


class ClientCredentials:
    """OAuth 2.0 client credentials: the current token, shared by all flows of a client."""

    def __init__(
        self,
        call: Call,
        http: Http,
        retry_policy: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._http = http
        self._retry_policy = retry_policy
        self._clock = clock
        self._token: Token | None = None
        self._failed: tuple[float, NoTokenError] | None = None

    def current(self) -> Flow[Token]:
        """Return a token that is valid for a while, and fetch it if need be.

        Raises:
            NoTokenError: the provider grants none.
        """
        started_at = self._clock()
        token = self._usable()
        if token is not None:
            return token
        yield self._http.lock.acquire
        try:
            return (yield from self._renew(started_at))
        finally:
            self._http.lock.release()

    def __repr__(self) -> str:
        return "<ClientCredentials>"

    def prepare(self) -> Flow[None]:
        """Fetch a token unless there is one."""
        yield from self.current()

    def sign(self, call: Call) -> Flow[Call]:
        """Return the call with the token."""
        token = yield from self.current()
        return call._replace(headers={**call.headers, **_bearer(token)})

    def refused(self, call: Call) -> bool:
        """Discard a token that the provider refused; a newer one stays."""
        if self._token is not None and _bearer(self._token).items() <= call.headers.items():
            self._token = None
        return True

    def _renew(self, started_at: float) -> Flow[Token]:
        token = self._usable()
        if token is not None:  # another flow fetched it meanwhile
            return token
        if self._failed is not None and self._failed[0] > started_at:
            failed = self._failed[1]
            raise NoTokenError(failed.http_status, failed.found, failed.code)
        try:
            self._token = yield from self._fetch()
        except NoTokenError as failure:
            self._failed = self._clock(), failure
            if failure.temporary and self._token and self._clock() < self._token.expires_at:
                return self._token
            raise
        return self._token

    def _usable(self) -> Token | None:
        token = self._token
        return token if token is not None and self._clock() < token.renew_at else None

    def _fetch(self) -> Flow[Token]:
        for tried in count(1):
            requested_at = self._clock()
            result: Answer | Failure = yield partial(self._http.exchange, self._call)
            answer = result if isinstance(result, Answer) else None
            pause = self._retry_policy.pause(answer, tried)
            if pause is None:
                return read_token(result, requested_at)
            yield partial(self._http.sleep, pause)
        raise AssertionError  # pragma: no cover - counting never ends


def client_credentials(call: Call) -> Callable[[Http, RetryPolicy], ClientCredentials]:
    """Return what makes the authorization of a client, from the call that fetches its token."""
    return partial(ClientCredentials, call)


def _bearer(token: Token) -> dict[str, str]:
    return {"authorization": f"Bearer {token.secret.get_secret_value()}"}


def read_token(result: Answer | Failure, requested_at: float) -> Token:
    """Return the token in an answer.

    Raises:
        NoTokenError: it has none, or one that no header can carry.
    """
    if isinstance(result, Failure):
        raise NoTokenError(None, result.found)
    body = object_in(result.body) or {}
    if result.http_status // 100 != 2:
        code = body.get("error")
        known = code if isinstance(code, str) and code in _CODES else None
        found = f"HTTP {result.http_status}" + (f" {known}" if known else "")
        raise NoTokenError(result.http_status, found, known)
    secret, kind = body.get("access_token"), body.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoTokenError(result.http_status, "the answer grants no bearer token")
    if not isinstance(secret, str) or _TOKEN.fullmatch(secret) is None:
        raise NoTokenError(result.http_status, "the answer holds no access_token that can be sent")
    seconds = _seconds(body.get("expires_in"))
    return Token(
        SecretStr(secret),
        requested_at + seconds - min(_EARLY_SECONDS, seconds / 10),
        requested_at + seconds,
    )


def _seconds(expires_in: object) -> float:
    """Return the lifetime of a token; some servers write the number as text."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal():
        expires_in = int(expires_in[:_MOST_DIGITS])
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return _ASSUMED_SECONDS
    return float(min(max(expires_in, 0), _LONGEST_SECONDS))
