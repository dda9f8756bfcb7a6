"""The gate of bearer tokens that we issue: granted for secrets (RFC 6749), checked (RFC 6750)."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final, Self

from lifecycle.http.log_limit import LimitedLogger
from lifecycle.http.receiver.clients import Secrets, read_credentials_of, read_form
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Refusal, unauthorized
from lifecycle.http.receiver.guarded_clients import GuardedClients
from lifecycle.http.receiver.message import Head, Response, as_json
from lifecycle.http.receiver.tokens import LEEWAY, LIFETIME, Tokens

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
