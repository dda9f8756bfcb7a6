"""Where requests come in, and how many of them at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from lifecycle.core.event import MAX_KEPT_BYTES
from lifecycle.errors import InvalidArgumentError

ORDER_ID: Final = "{order_id}"
"""Stands in the path of callbacks for the id of the order that they are about."""


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes of the receiver, below its mount path.

    The path of callbacks may have the part `{order_id}`, as in `/orders/{order_id}/events`: the
    order is then known even where the body does not name it. The token's is there only for a
    gate that grants tokens, the one of metrics only where it has a path, such as `/metrics`.

    `handshake` is for a provider that asks first whether the URL is ours: the parameter of a
    query, of which a GET of the callbacks' path answers the value.
    """

    token: str = "/oauth/token"  # noqa: S105 - a path
    callbacks: str = "/callbacks"
    health: str = "/health"
    metrics: str | None = None
    handshake: str | None = None

    def __post_init__(self) -> None:
        named = [self.token, self.callbacks, self.health, *filter(None, (self.metrics,))]
        paths = set(named)
        if len(paths) != len(named) or not all(path.startswith("/") for path in paths):
            raise InvalidArgumentError("routes", "different ones, each with a leading slash")
        if self.handshake is not None and (type(self.handshake) is not str or not self.handshake):
            raise InvalidArgumentError("routes", "a handshake that names a parameter of a query")
        parts = self.callbacks.split("/")
        if (
            "{" in self.token + self.health + (self.metrics or "")
            or sum("{" in part for part in parts) > 1
        ):
            raise InvalidArgumentError("routes", _ONE_ORDER)
        if "{" in self.callbacks and ORDER_ID not in parts:
            raise InvalidArgumentError("routes", _ONE_ORDER)

    def pattern(self) -> re.Pattern[str] | None:
        """Return what paths of callbacks match; None: they are one path."""
        if ORDER_ID not in self.callbacks:
            return None
        before, _, after = self.callbacks.partition(ORDER_ID)
        return re.compile(f"{re.escape(before)}([^/]+){re.escape(after)}", re.DOTALL)


_ONE_ORDER: Final = f"callbacks with {ORDER_ID} as one whole part of their path, or without"


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """The load that the receiver accepts before it answers 503; the provider then retries.

    Attributes:
        waiting: callbacks that may be in progress at a time.
        waiting_bytes: memory for their bodies; at least one of the largest size.
        token_bytes: memory for the bodies of all token requests, beyond 4 KiB of each.
        headers: the most headers of a request; honest ones have 10 to 40.
        store_seconds: how long a callback waits for the store before it is answered 503;
            `SyncReceiver` has the store's own limit, 30 seconds.
        reading_seconds: how long a body may take to arrive; with `SyncReceiver` the server
            decides.
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
