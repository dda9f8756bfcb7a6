"""Clients whose secrets may be guessed only slowly: what every gate with secrets stands on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final

from lifecycle.http.receiver.clients import Candidates, Clients, Secrets
from lifecycle.http.receiver.gate import Refusal
from lifecycle.http.receiver.guess_limit import Guesses, source_of
from lifecycle.http.receiver.message import Head, Response, as_json

_TOO_MANY: Final = "too many wrong secrets"


class GuardedClients:
    """Identifies clients by their secrets, and makes guessers wait."""

    def __init__(self, clients: Mapping[str, Secrets]) -> None:
        self._clients = Clients(clients)
        self.guesses: Guesses = Guesses()

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._clients

    def __repr__(self) -> str:
        return f"<GuardedClients {len(self.names)}>"

    @property
    def names(self) -> Collection[str]:
        """The ids of the clients."""
        return self._clients.names

    def identify(self, head: Head, candidates: Candidates, wrong: Refusal) -> str | Refusal:
        """Return the client with these credentials, else `wrong`, or that guessing has to wait."""
        source = source_of(head.address, self._clients.client_named_in(candidates))
        secret = candidates[0][1] if candidates else b""
        wait = self.guesses.seconds_to_wait(source, secret)
        if wait > 0:
            return Refusal(_TOO_MANY, _wait(wait))
        client_id = self._clients.identify(candidates)
        if client_id is None:
            self.guesses.note(source, secret)
            return wrong
        return client_id


def _wait(seconds: float) -> Response:
    # A second is sometimes one and a trillionth, as floats go.
    whole = max(1, math.ceil(round(seconds, 3)))
    return as_json(429, {"error": _TOO_MANY}, [("retry-after", str(whole))])
