"""The gates of secrets that come with every request: HTTP Basic, and a static token."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from lifecycle.http.receiver.clients import Candidates, Secrets, read_basic
from lifecycle.http.receiver.credentials import Credentials
from lifecycle.http.receiver.gate import Gate, Refusal, unauthorized
from lifecycle.http.receiver.guarded_clients import GuardedClients
from lifecycle.http.receiver.message import Head

_WHY: Final = "no secret, or none that is known"


class _SecretGate:
    """Decides by the head alone."""

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        self.secrets: GuardedClients = GuardedClients(clients)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {len(self.clients)} clients>"

    @property
    def clients(self) -> Collection[str]:
        """The ids of the clients."""
        return self.secrets.names

    def verify(self, head: Head, body: bytes, claimed: str) -> str | Refusal:  # noqa: ARG002 - as `Gate`
        """Return the same client: the secret says nothing of the body."""
        return claimed


class Basic(_SecretGate):
    """Identifies clients by HTTP Basic (RFC 7617); `clients` are users with their passwords.

    Raises:
        InvalidArgumentError: a password is missing, or has under 16 bytes.
    """

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        """Return the gate of a deployment's credentials."""
        return cls(credentials.clients)

    @staticmethod
    def sent_by(user: str, password: str) -> Mapping[str, str]:
        """Return the headers with which a client sends its password, for tests and simulators."""
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"authorization": f"Basic {encoded}"}

    def claim(self, head: Head) -> str | Refusal:
        """Return the client whose password the request carries."""
        given = head.values(b"authorization")
        candidates = read_basic(given[0]) if len(given) == 1 else ()
        return self.secrets.identify(head, candidates, _NO_BASIC) if candidates else _NO_BASIC


class StaticToken(_SecretGate):
    """Identifies clients by a token that never changes.

    Args:
        clients: client names, each with its token, or several for rotation.
        header: the header that carries the token.
        scheme: what stands before the token and a blank, such as `Bearer`; empty for none.

    Raises:
        InvalidArgumentError: a token is missing, or has under 16 bytes.
    """

    def __init__(
        self,
        clients: Mapping[str, Secrets],
        *,
        header: str = "authorization",
        scheme: str = "Bearer",
    ) -> None:
        super().__init__(clients)
        self._header = header.lower().encode()
        self._scheme = scheme.lower().encode()
        challenge = scheme or "Token"
        self._refusal = Refusal(
            _WHY, unauthorized("unauthorized", f'{challenge} realm="callbacks"')
        )

    def claim(self, head: Head) -> str | Refusal:
        """Return the client whose token the request carries."""
        given = head.values(self._header)
        token = self._token(given[0]) if len(given) == 1 else b""
        if not token:
            return self._refusal
        candidates: Candidates = tuple((name.encode(), token) for name in self.clients)
        return self.secrets.identify(head, candidates, self._refusal)

    def _token(self, value: bytes) -> bytes:
        if not self._scheme:
            return value.strip()
        scheme, _, token = value.strip().partition(b" ")
        return token.strip() if scheme.lower() == self._scheme else b""


class BasicOrToken(Basic):
    """Identifies clients by HTTP Basic, or by their secret as a bearer token."""

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        super().__init__(clients)
        self._token = StaticToken(clients)

    def claim(self, head: Head) -> str | Refusal:
        """Return the client whose password or token the request carries."""
        given = head.values(b"authorization")
        is_token = any(value.strip().lower().startswith(b"bearer ") for value in given)
        return self._token.claim(head) if is_token else super().claim(head)


@dataclass(frozen=True)
class StaticTokenFormat:
    """How a provider sends its static token; see `StaticToken`."""

    header: str = "authorization"
    scheme: str = "Bearer"

    def gate(self, credentials: Credentials) -> Gate:
        """Return the gate of a deployment's credentials."""
        return StaticToken(credentials.clients, header=self.header, scheme=self.scheme)


_NO_BASIC: Final = Refusal(_WHY, unauthorized("unauthorized", 'Basic realm="callbacks"'))
