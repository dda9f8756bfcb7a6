"""Tokens: fetched by client credentials, used again, renewed before they expire.

One flow at a time fetches; the others wait and take what it got, or fail as it failed.
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

from lifecycle.errors import NoTokenError
from lifecycle.providers.instacart.bodies import object_in
from lifecycle.providers.instacart.client.exchange import Answer, Call, Failure
from lifecycle.providers.instacart.client.retries import Patience
from lifecycle.providers.instacart.client.transport import Wire
from lifecycle.providers.instacart.flow import Flow

_ASSUMED_SECONDS: Final = 300.0
"""How long a token is used whose answer does not say how long it lasts."""

_LONGEST_SECONDS: Final = 86_400.0
_EARLY_SECONDS: Final = 30.0
_MOST_DIGITS: Final = 12
# RFC 6750, section 2.1, and whatever else is printable: anything more could end a header.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,8192}")
# Only these are repeated in an error: all other text of the answer may be anything.
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


class Tokens:
    """The token at hand, for any number of flows over one wire."""

    def __init__(
        self,
        call: Call,
        wire: Wire,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._wire = wire
        self._patience = patience
        self._clock = clock
        self._token: Token | None = None
        self._failed: tuple[float, NoTokenError] | None = None

    def current(self) -> Flow[Token]:
        """Return a token that is good for a while, fetched if need be.

        Raises:
            NoTokenError: there is none to be had.
        """
        came_at = self._clock()
        token = self._usable()
        if token is not None:
            return token
        yield self._wire.lock.acquire
        try:
            return (yield from self._renewed(came_at))
        finally:
            self._wire.lock.release()

    def drop(self, token: Token) -> None:
        """Use a token no more that the provider refused; a newer one stays."""
        if self._token is token:
            self._token = None

    def _renewed(self, came_at: float) -> Flow[Token]:
        token = self._usable()
        if token is not None:  # somebody fetched it meanwhile
            return token
        if self._failed is not None and self._failed[0] > came_at:
            raise _again(self._failed[1])
        try:
            self._token = yield from self._fetched()
        except NoTokenError as failure:
            self._failed = self._clock(), failure
            if failure.temporary and self._token and self._clock() < self._token.expires_at:
                return self._token
            raise
        return self._token

    def _usable(self) -> Token | None:
        token = self._token
        return token if token is not None and self._clock() < token.renew_at else None

    def _fetched(self) -> Flow[Token]:
        for tried in count(1):
            asked_at = self._clock()
            came: Answer | Failure = yield partial(self._wire.exchange, self._call)
            answer = came if isinstance(came, Answer) else None
            pause = self._patience.pause(answer, tried)
            if pause is None:
                return read_token(came, asked_at)
            yield partial(self._wire.sleep, pause)
        raise AssertionError  # pragma: no cover - counting never ends


def read_token(came: Answer | Failure, asked_at: float) -> Token:
    """Return the token that an answer grants.

    Raises:
        NoTokenError: it grants none, or one that no header can carry.
    """
    if isinstance(came, Failure):
        raise NoTokenError(None, came.found)
    body = object_in(came.body) or {}
    if came.http_status // 100 != 2:
        code = body.get("error")
        known = code if isinstance(code, str) and code in _CODES else None
        found = f"HTTP {came.http_status}" + (f" {known}" if known else "")
        raise NoTokenError(came.http_status, found, known)
    secret, kind = body.get("access_token"), body.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoTokenError(came.http_status, "the answer grants no bearer token")
    if not isinstance(secret, str) or _TOKEN.fullmatch(secret) is None:
        raise NoTokenError(came.http_status, "the answer holds no access_token that can be sent")
    seconds = _seconds(body.get("expires_in"))
    return Token(
        SecretStr(secret),
        asked_at + seconds - min(_EARLY_SECONDS, seconds / 10),
        asked_at + seconds,
    )


def _seconds(expires_in: object) -> float:
    """Return for how long a token lasts; some servers write the number as text."""
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdecimal():
        expires_in = int(expires_in[:_MOST_DIGITS])
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return _ASSUMED_SECONDS
    return float(min(max(expires_in, 0), _LONGEST_SECONDS))


def _again(failure: NoTokenError) -> NoTokenError:
    return NoTokenError(failure.http_status, failure.found, failure.code)
