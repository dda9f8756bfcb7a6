"""What an audit found: records that were changed, and differences by order and field."""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar


class Finding(NamedTuple):
    """A record that was changed or is gone; fields that cannot be known are None."""

    stream: str | None
    version: int | None
    position: int | None
    sentence: str


MOST_LISTED: Final = 100
"""Further ones are only counted."""

T = TypeVar("T")


class Difference(NamedTuple):
    """One field that differs: what is stored, and what was found instead.

    `version` and `position` name the record; they are None for a view. A value that cannot be
    known is None.
    """

    stream: str
    field: str
    stored: Any
    found: Any
    version: int | None = None
    position: int | None = None


class Listed(Generic[T]):
    """A count of all items that were found, and the first hundred of them."""

    def __init__(self) -> None:
        self.listed: list[T] = []
        self.count: int = 0

    def add(self, found: T) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(found)

    def take(self, other: Listed[T]) -> None:
        """Add the items of another list."""
        self.count += other.count
        self.listed += other.listed[: MOST_LISTED - len(self.listed)]
