"""One HTTP exchange as values: the call, and its answer or failure. `repr` shows no content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lifecycle.errors import NeverReachedError, NoAnswerError, ProviderError


class Call(NamedTuple):
    """One HTTP request; its headers hold the token, its URL may name a person.

    `operation` names it in errors: `create`, `get`, `token`.
    """

    operation: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Call {self.operation} of {len(self.body)} bytes>"


class Answer(NamedTuple):
    """The provider's answer: the body verbatim, header names in lower case.

    The values of a repeated header are joined by a comma. `about_order` is False of one that was
    looked through for an order and does not have it, as a list: it is not recorded.
    """

    http_status: int
    body: bytes
    headers: Mapping[str, str]
    about_order: bool = True

    def __repr__(self) -> str:
        return f"<Answer {self.http_status} of {len(self.body)} bytes>"


class Failure(NamedTuple):
    """Why there is no answer; `sent` unless no connection opened."""

    found: str
    sent: bool = True

    def error(self, operation: str) -> ProviderError:
        """Return the exception to raise."""
        kind = NoAnswerError if self.sent else NeverReachedError
        return kind(operation, self.found)
