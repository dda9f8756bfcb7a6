"""The gate of Standard Webhooks, by its library.

Three headers: `webhook-id`, `webhook-timestamp`, `webhook-signature`. The library's tolerance
is five minutes. It signs text, so a body that is no UTF-8 is refused: it is no JSON either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Self

from lifecycle.errors import InvalidArgumentError, MissingExtraError
from lifecycle.http.receiver.clients import Secrets, checked_clients
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Refusal, unauthorized
from lifecycle.http.receiver.message import Head
from lifecycle.http.receiver.signature import ANY_CLIENT, CHALLENGE, MISSING

_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_LONGEST_HEADER: Final = 4096
_MOST_DIGITS: Final = 15
_SECRET: Final = "secrets that begin with whsec_, and are 16 bytes or more in base64"  # noqa: S105 - a description
_PREFIX: Final = "whsec_"
_SHORTEST_KEY: Final = 22
"""Letters of base64: 16 bytes."""


class StandardWebhooks:
    """Identifies clients by Standard Webhooks signatures.

    `clients`: client names, each with a secret `whsec_...`, or several for rotation.

    Raises:
        InvalidArgumentError: a secret is missing, too short, or is none of Standard Webhooks.
        MissingExtraError: the extra `http` is not installed.
    """

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        library = _library()
        self._webhooks = {
            client: [_webhook(library, secret) for secret in secrets]
            for client, secrets in checked_clients(clients).items()
        }

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        """Return the gate of a deployment's credentials."""
        return cls(credentials.clients)

    def __repr__(self) -> str:
        return f"<StandardWebhooks for {len(self.clients)} clients>"

    @property
    def clients(self) -> Collection[str]:
        """The names of the clients."""
        return self._webhooks.keys()

    def claim(self, head: Head) -> str | Refusal:
        """Return the only client, or that one of them signed; no signature is checked yet."""
        if _read(head) is None:
            return MISSING
        return next(iter(self._webhooks)) if len(self._webhooks) == 1 else ANY_CLIENT

    def verify(self, head: Head, body: bytes, claimed: str) -> str | Refusal:  # noqa: ARG002 - as `Gate`
        """Return the client whose secret signed these bytes."""
        headers = _read(head)
        if headers is None:
            return MISSING
        for client, webhooks in self._webhooks.items():
            if any(_fits(webhook, body, headers) for webhook in webhooks):
                return client
        return _WRONG


def _read(head: Head) -> dict[str, str] | None:
    """Return the three headers; None if one is missing, doubled or of no use."""
    found = {}
    for name in _HEADERS:
        values = head.values(name.encode())
        if len(values) != 1 or not 0 < len(values[0]) <= _LONGEST_HEADER:
            return None
        found[name] = values[0].decode("latin-1")
    at = found["webhook-timestamp"]
    # The library takes any number of Python's, and signs its whole seconds.
    is_whole = at.isascii() and at.isdigit() and len(at) <= _MOST_DIGITS
    return found if is_whole else None


def _fits(webhook: Any, body: bytes, headers: dict[str, str]) -> bool:
    try:
        webhook.verify(body, headers, json_parse=False)
    except Exception:  # noqa: BLE001 - it raises its own and, for odd headers, several of Python's
        return False
    return True


def _webhook(library: ModuleType, secret: bytes) -> Any:
    try:
        text = secret.decode("ascii")
        webhook = library.Webhook(text)
        key = text.removeprefix(_PREFIX)
        if len(key) < _SHORTEST_KEY:
            raise ValueError  # noqa: TRY301 - one error for all
    except Exception:  # noqa: BLE001 - its text may quote the secret
        raise InvalidArgumentError("clients", _SECRET) from None
    return webhook


def _library() -> ModuleType:
    try:
        return import_module("standardwebhooks")
    except ImportError:
        raise MissingExtraError("http", "standardwebhooks") from None


_WRONG: Final = Refusal(
    "its signature is wrong, too old or from the future",
    unauthorized("wrong or stale signature", CHALLENGE),
)
