"""OAuth 2.0 client credentials, as the provider grants them to the retailer."""

from __future__ import annotations

import hmac
import time
from random import Random
from typing import Final

from lifecycle.simulator.http import Reply, Request
from lifecycle.simulator.settings import Settings

_GRANT: Final = "client_credentials"


class Tokens:
    """Grants access tokens, and checks them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._random = Random(f"{settings.seed}:tokens")  # noqa: S311 - nothing is behind them
        self._expires_at: dict[str, float] = {}

    def grant(self, request: Request) -> Reply:
        """Return the answer to a token request."""
        if "client_secret" in request.query:
            return Reply(403, {"error": "invalid_request"})
        fields = request.fields()
        if fields.get("grant_type") != _GRANT:
            return Reply(400, {"error": "unsupported_grant_type"})
        given = request.basic() or (fields.get("client_id", ""), fields.get("client_secret", ""))
        if not self._is_client(*given):
            return Reply(401, {"error": "invalid_client"}, (("www-authenticate", "Basic"),))
        token = f"{self._random.getrandbits(160):040x}"
        self._expires_at[token] = time.monotonic() + self._settings.token_seconds
        lifetime = max(int(self._settings.token_seconds), 1)
        return Reply(
            200,
            {"access_token": token, "token_type": "Bearer", "expires_in": lifetime},
            (("cache-control", "no-store"),),
        )

    def is_valid(self, request: Request) -> bool:
        """Tell whether a request carries a valid token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        expires_at = self._expires_at.get(token.strip())
        return (
            scheme.lower() == "bearer" and expires_at is not None and time.monotonic() < expires_at
        )

    def _is_client(self, client_id: str, secret: str) -> bool:
        expected = self._settings.client_secret.get_secret_value()
        known = hmac.compare_digest(client_id.encode(), self._settings.client_id.encode())
        return hmac.compare_digest(secret.encode(), expected.encode()) and known
