"""One exchange over HTTP as values: what is asked, and what came of it. None is shown by `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from lifecycle.errors import NeverReachedError, NoAnswerError, ProviderError

Operation = Literal["token", "create", "get", "cancel", "stage"]


class Call(NamedTuple):
    """One HTTP request to make; its headers carry the token, its URL may name a person."""

    operation: Operation
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"<Call {self.operation} of {len(self.body)} bytes>"


class Answer(NamedTuple):
    """What the provider answered: the body's bytes verbatim, header names in lower case.

    Of a header that came twice the values are joined by a comma.
    """

    http_status: int
    body: bytes
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Answer {self.http_status} of {len(self.body)} bytes>"


class Failure(NamedTuple):
    """Why there is no answer, in words of ours; `sent` unless no connection opened."""

    found: str
    sent: bool = True

    def error(self, operation: Operation) -> ProviderError:
        """Return the exception that tells a caller."""
        kind = NoAnswerError if self.sent else NeverReachedError
        return kind(operation, self.found)
