"""Authorization: grants tokens for secrets (RFC 6749), and checks them (RFC 6750)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from lifecycle.http.log_limit import LimitedLogger
from lifecycle.providers.instacart.receiver.clients import (
    Candidates,
    Clients,
    read_credentials_of,
    read_form,
)
from lifecycle.providers.instacart.receiver.guesses import Guesses, source_of
from lifecycle.providers.instacart.receiver.message import Head, Response, as_json
from lifecycle.providers.instacart.receiver.tokens import Tokens

_GRANT: Final = b"client_credentials"
_BEARER: Final = re.compile(rb"bearer(?: |$)", re.IGNORECASE)
_ONE_TOKEN: Final = re.compile(rb" *[^ ,]+ *")


class Authorization:
    """Grants tokens to clients, and identifies clients by their tokens."""

    def __init__(self, clients: Clients, tokens: Tokens, log: LimitedLogger) -> None:
        self._clients = clients
        self._tokens = tokens
        self._guesses = Guesses()
        self._log = log

    def grant(self, head: Head, body: bytes) -> Response:
        """Return the answer to a token request."""
        form = read_form(body)
        candidates = None if form is None else read_credentials_of(head, form)
        if form is None or candidates is None:
            return oauth_error(400, "invalid_request")
        grant_type = form.get(b"grant_type")
        if grant_type is None and not candidates:
            return oauth_error(400, "invalid_request")  # no form at all, for example
        client_id = self._identify(head, candidates)
        if isinstance(client_id, Response):
            return client_id
        if grant_type is None:
            return oauth_error(400, "invalid_request")
        if grant_type != _GRANT:
            return oauth_error(400, "unsupported_grant_type")
        granted = {
            "access_token": self._tokens.issue(client_id),
            "token_type": "Bearer",
            "expires_in": self._tokens.seconds,
        }
        return as_json(200, granted, [("pragma", "no-cache")])

    def _identify(self, head: Head, candidates: Candidates) -> str | Response:
        """Return the client with these credentials, or the answer to a wrong guess."""
        source = source_of(head.address, self._clients.client_named_in(candidates))
        secret = candidates[0][1] if candidates else b""
        wait = self._guesses.seconds_to_wait(source, secret)
        if wait > 0:
            self._log.warning("token refused: too many wrong secrets; answered 429")
            again = ("retry-after", str(math.ceil(wait)))
            return as_json(429, {"error": "too many wrong secrets"}, [again])
        client_id = self._clients.identify(candidates)
        if client_id is not None:
            return client_id
        self._guesses.note(source, secret)
        self._log.warning("token refused: the client id or its secret is not known; answered 401")
        return oauth_error(401, "invalid_client", [("www-authenticate", 'Basic realm="token"')])

    def authenticate(self, head: Head) -> str | Response:
        """Return the client whose token the request carries, or the answer that refuses it."""
        given = head.values(b"authorization")
        bearers = [value for value in given if _BEARER.match(value)]
        token = bearers[0][len(b"bearer") :] if bearers else b""
        client_id = self._tokens.client_of(token.strip(b" ")) if len(given) == 1 else None
        if client_id is not None and client_id in self._clients:
            return client_id
        is_one = len(given) == 1 and _ONE_TOKEN.fullmatch(token)
        answer = _NO_TOKEN if not bearers else _INVALID_TOKEN if is_one else _INVALID_REQUEST
        self._log.warning(
            "callback refused: no token, or none that is valid; answered %d", answer.status
        )
        return answer


def oauth_error(status: int, error: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an error as RFC 6749, 5.2, has it."""
    return as_json(status, {"error": error}, headers)


def _refused(status: int, error: str) -> Response:
    challenge = f'Bearer realm="callbacks", error="{error}"'
    return as_json(status, {"error": error}, [("www-authenticate", challenge)])


# Without an error code: the request carried no token at all (RFC 6750, 3.1).
_NO_TOKEN: Final = as_json(
    401, {"error": "a bearer token is needed"}, [("www-authenticate", 'Bearer realm="callbacks"')]
)
_INVALID_TOKEN: Final = _refused(401, "invalid_token")
_INVALID_REQUEST: Final = _refused(400, "invalid_request")
