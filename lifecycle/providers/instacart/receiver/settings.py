"""Settings of the receiver: its paths and its limits."""

from __future__ import annotations

from dataclasses import dataclass

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True)
class Paths:
    """The routes of the receiver, below its mount path."""

    token: str = "/oauth/token"  # noqa: S105 - a path
    callbacks: str = "/callbacks"
    health: str = "/health"

    def __post_init__(self) -> None:
        paths = {self.token, self.callbacks, self.health}
        if len(paths) != 3 or not all(path.startswith("/") for path in paths):
            raise InvalidArgumentError("paths", "three different ones, each with a leading slash")


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """The load that the receiver accepts before it answers 503; the provider then retries.

    Attributes:
        waiting: callbacks that may be in progress at a time.
        waiting_bytes: memory for their bodies; at least one of the largest size.
        token_bytes: memory for the bodies of all token requests, beyond 4 KiB of each.
        headers: the most headers of a request.
        store_seconds: how long a callback waits for the store before it is answered 503.
        reading_seconds: how long a body may take to arrive.
        retry_after: seconds that a 503 asks the caller to wait.
    """

    waiting: int = 1000
    waiting_bytes: int = 8 * MAX_KEPT_BYTES
    token_bytes: int = 4 * 1024 * 1024
    headers: int = 128
    store_seconds: float = 10.0
    reading_seconds: float = 30.0
    retry_after: int = 5

    def __post_init__(self) -> None:
        if self.waiting < 1 or self.waiting_bytes <= MAX_KEPT_BYTES:
            raise InvalidArgumentError(
                "limits", f"room for a callback, and for more than {MAX_KEPT_BYTES} bytes"
            )
        if min(self.token_bytes, self.headers) <= 0:
            raise InvalidArgumentError("limits", "room for token requests and their headers")
        if min(self.store_seconds, self.reading_seconds, self.retry_after) <= 0:
            raise InvalidArgumentError("limits", "times above zero")
