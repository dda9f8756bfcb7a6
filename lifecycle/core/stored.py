"""What is stored of an event beside its body."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from lifecycle.core.event import Kind


class Stored(Protocol):
    """What is stored of an event beside its body: an `Event`, or the header of its record."""

    @property
    def provider(self) -> str:
        """The short name of the provider."""

    @property
    def order_id(self) -> str:
        """The order."""

    @property
    def kind(self) -> Kind:
        """How it came."""

    @property
    def name(self) -> str:
        """What happened, in our vocabulary."""

    @property
    def key(self) -> str:
        """What it is deduplicated by."""

    @property
    def digest(self) -> str:
        """The digest of its content."""

    @property
    def received_at(self) -> datetime:
        """When it came, by our clock."""

    @property
    def attempt(self) -> int | None:
        """The attempt, of a request or response."""

    @property
    def exchange_id(self) -> str | None:
        """The HTTP exchange."""

    @property
    def http_status(self) -> int | None:
        """The status of the answer."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that were kept."""

    @property
    def operation(self) -> str | None:
        """What was asked of the provider beside creation, or what this answers."""

    @property
    def part(self) -> int | None:
        """Which of several readings of its body it is; None for the first."""
