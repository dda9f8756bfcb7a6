"""What the dialogue needs of a request, and of a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lifecycle.core.strict_json import compact
from lifecycle.http.client.exchange import Answer


class CreateRequest(Protocol):
    """A create request, checked and ready to be sent."""

    @property
    def order_id(self) -> str:
        """The id that the order is to have."""

    def body(self) -> bytes:
        """Return the bytes to send: always the same for one request."""


@dataclass(frozen=True)
class JsonRequest:
    """A create request of any provider: `fields` are its JSON object."""

    order_id: str
    fields: Mapping[str, Any] = field(repr=False)

    def body(self) -> bytes:
        """Return the bytes to send."""
        return compact(self.fields)


class CreatingClient(Protocol):
    """A client that can create and get; each call returns its result, or an awaitable of it.

    `create` and `get` take what `create_order` was given as `where`, too.
    """

    @property
    def longest_seconds(self) -> float:
        """How long one exchange may take, connecting included."""

    @property
    def create(self) -> Callable[..., Any]:
        """Sends the bytes of a request once, and returns the `Answer`."""

    @property
    def get(self) -> Callable[..., Any]:
        """Gets an order by its id, at most `tries` times, and returns the `Answer`."""

    def authorize(self) -> Any:
        """Get what the next call needs, so that it is sent at once."""

    def pause(self, answer: Answer | None, tried: int) -> Any:
        """Wait before a create is sent again; False: do not send it again."""

    def is_absent(self, answer: Answer) -> bool:
        """Tell whether an answer to a get says that the provider has no such order."""
