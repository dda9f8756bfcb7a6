"""DoorDash Drive's webhooks: HTTP Basic, or a token that never changes; nothing is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lifecycle.http.receiver import Basic, Head, ReceiverPort, Refusal, StaticToken
from lifecycle.http.receiver.clients import Secrets


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


RECEIVER: Final = ReceiverPort(BasicOrToken.of)
