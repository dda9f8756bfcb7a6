"""Gates: who may call the receiver.

    head ─→ claim ─┬─→ Refusal: the body is not even read
                   └─→ client ─→ body ─→ verify ─┬─→ Refusal: nothing is recorded
                                                 └─→ client ─→ recorded with its name

A gate decides before anything is recorded. Replay never asks it again, so that a rotated key
or a client that is gone makes no stored event doubtful.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple, Protocol, runtime_checkable

from lifecycle.errors import InvalidArgumentError
from lifecycle.http.receiver.message import Head, Response, as_json


class Refusal(NamedTuple):
    """A refused request: `why`, for the log, quotes nothing of it; `response` is its answer."""

    why: str
    response: Response


class Gate(Protocol):
    """Says who calls, or refuses.

        class Loopback:
            clients = ("this machine",)

            def claim(self, head):
                if head.address == "127.0.0.1":
                    return "this machine"
                return Refusal("another machine", unauthorized("only this machine", "None"))

            def verify(self, head, body, claimed):
                return claimed

    What raises, or returns anything else, lets nobody in: the request is answered 503.
    """

    @property
    def clients(self) -> Collection[str]:
        """The names of those who may call; with several, each has half of the limits at most."""

    def claim(self, head: Head) -> str | Refusal:
        """Return who calls as far as the head tells, before the body is read."""

    def verify(self, head: Head, body: bytes, claimed: str) -> str | Refusal:
        """Return who called, the raw body known; `claimed` is what `claim` returned."""


@runtime_checkable
class GrantsTokens(Protocol):
    """A gate that issues the tokens that it asks for: the receiver then has a token endpoint."""

    def grant(self, head: Head, body: bytes) -> Response:
        """Return the answer to a token request."""


def unauthorized(error: str, challenge: str) -> Response:
    """Return a 401 with its challenge."""
    return as_json(401, {"error": error}, [("www-authenticate", challenge)])


_GATE: Final = "a gate, such as BearerTokens(clients, signing_keys)"


def check_gate(gate: object) -> None:
    """Check that a value has what a gate has.

    Raises:
        InvalidArgumentError: it has not.
    """
    if not all(callable(getattr(gate, name, None)) for name in ("claim", "verify")):
        raise InvalidArgumentError("gate", _GATE)
    clients = getattr(gate, "clients", None)
    if not isinstance(clients, Collection) or isinstance(clients, str) or not clients:
        raise InvalidArgumentError("gate", "one whose `clients` are one name or more")
