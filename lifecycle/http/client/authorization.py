"""How a client shows who it is: one object that signs each call."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Protocol

from pydantic import SecretStr

from lifecycle.http.client.exchange import Call
from lifecycle.http.flow import Flow


class Authorization(Protocol):
    """Adds to calls what the provider knows us by."""

    def prepare(self) -> Flow[None]:
        """Get what the next call needs, so that it can be sent at once."""

    def sign(self, call: Call) -> Flow[Call]:
        """Return the call as it is sent.

        Raises:
            NoTokenError: the provider grants no token.
        """

    def refused(self, call: Call) -> bool:
        """Note that a signed call was answered 401, and tell whether signing anew may help."""


class FixedHeaders:
    """The same headers for every call: HTTP Basic, or a key."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = {name.lower(): SecretStr(value) for name, value in headers.items()}

    @classmethod
    def basic(cls, user: str, password: str) -> FixedHeaders:
        """Return those of HTTP Basic (RFC 7617)."""
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls({"authorization": f"Basic {encoded}"})

    def __repr__(self) -> str:
        return f"<FixedHeaders {', '.join(self._headers)}>"

    def prepare(self) -> Flow[None]:
        """Need nothing."""
        yield from ()

    def sign(self, call: Call) -> Flow[Call]:
        """Return the call with the headers."""
        yield from ()
        shown = {name: value.get_secret_value() for name, value in self._headers.items()}
        return call._replace(headers={**call.headers, **shown})

    def refused(self, call: Call) -> bool:  # noqa: ARG002 - as `Authorization`
        """Return False: the next call would be the same."""
        return False


class SignedCalls:
    """A signature of each call, over its body or the time: `sign` returns the signed call."""

    def __init__(self, sign: Callable[[Call], Call]) -> None:
        self._sign = sign

    def __repr__(self) -> str:
        return "<SignedCalls>"

    def prepare(self) -> Flow[None]:
        """Need nothing."""
        yield from ()

    def sign(self, call: Call) -> Flow[Call]:
        """Return the signed call."""
        yield from ()
        return self._sign(call)

    def refused(self, call: Call) -> bool:  # noqa: ARG002 - as `Authorization`
        """Return True: a new signature has a new time."""
        return True
