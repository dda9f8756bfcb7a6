"""Sends callbacks to the retailer, with a token from the retailer's token endpoint."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from lifecycle.errors import MissingExtraError
from lifecycle.simulator.settings import Settings

LOG: Final = logging.getLogger("lifecycle.simulator")
NO_TOKEN: Final = "no token"  # noqa: S105 - the name of what went wrong

_NOT_LET_IN: Final = (
    "no callback is sent: asked for a token, the receiver answered %d; where it grants tokens at "
    "another address than /oauth/token, set callback_token_url"
)
_SPARE_SECONDS: Final = 5.0
_DAY: Final = 86_400.0
_MOST_CONNECTIONS: Final = 50


class WebhookSender:
    """Posts bodies to the retailer's callback endpoint.

    A token is used until shortly before it expires, and replaced when it is refused.
    """

    def __init__(
        self, settings: Settings, headers_of: Callable[[bytes, Settings], Mapping[str, str]]
    ) -> None:
        self._settings = settings
        self._headers_of = headers_of
        self._http = _http_library()
        self._open: Any = None
        self._token: str | None = None
        self._expires_at = 0.0
        self._fetching = asyncio.Lock()
        self._has_warned = False

    async def post(self, body: bytes) -> int | str:
        """Return the HTTP status of the answer, or the name of what failed."""
        try:
            return await self._post(body)
        except self._http.HTTPError as failure:
            return type(failure).__name__

    async def close(self) -> None:
        """Close the connections."""
        if self._open is not None:
            await self._open.aclose()
            self._open = None

    async def _post(self, body: bytes) -> int | str:
        token = await self._current_token(refused=None)
        status = await self._send(body, token)
        if status == 401 and self._settings.token_url is not None:
            status = await self._send(body, await self._current_token(refused=token))
        return status

    async def _send(self, body: bytes, token: str | None) -> int | str:
        headers = {"content-type": "application/json", **self._headers_of(body, self._settings)}
        if self._settings.token_url is not None:
            if token is None:
                return NO_TOKEN
            headers["authorization"] = f"Bearer {token}"
        url = self._settings.callback_url
        reply = await self._client.post(url, content=body, headers=headers)
        return int(reply.status_code)

    async def _current_token(self, *, refused: str | None) -> str | None:
        """Return the token to send; one caller at a time fetches it."""
        if self._settings.token_url is None:
            return None
        async with self._fetching:
            if self._token in (None, refused) or time.monotonic() >= self._expires_at:
                self._token = await self._fetch_token()
            return self._token

    async def _fetch_token(self) -> str | None:
        secret = self._settings.callback_client_secret
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.callback_client_id,
            "client_secret": "" if secret is None else secret.get_secret_value(),
        }
        reply = await self._client.post(self._settings.token_url, data=form)
        granted = _granted(reply)
        token = granted.get("access_token")
        if not isinstance(token, str):
            if not self._has_warned:
                LOG.warning(_NOT_LET_IN, reply.status_code)
                self._has_warned = True
            return None
        lifetime = granted.get("expires_in")
        # In this order NaN counts as 0, and no integer is too large for a float.
        seconds = float(min(max(0, lifetime), _DAY)) if isinstance(lifetime, int | float) else 0.0
        self._expires_at = time.monotonic() + seconds - min(_SPARE_SECONDS, seconds / 2)
        return token

    @property
    def _client(self) -> Any:
        if self._open is None:
            self._open = self._http.AsyncClient(
                timeout=self._settings.callback_seconds,
                trust_env=False,
                limits=self._http.Limits(
                    max_connections=_MOST_CONNECTIONS, max_keepalive_connections=_MOST_CONNECTIONS
                ),
            )
        return self._open


def _granted(reply: Any) -> Mapping[str, Any]:
    """Return what a token response grants; empty if nothing."""
    if reply.status_code != 200:
        return {}
    try:
        granted = reply.json()
    except ValueError:
        return {}
    return granted if isinstance(granted, dict) else {}


def _http_library() -> ModuleType:
    try:
        import httpx2  # noqa: PLC0415 - the extra may not be installed
    except ImportError:
        raise MissingExtraError("http", "httpx2") from None
    return httpx2
