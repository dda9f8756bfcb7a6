"""What an audit lists: where something is other than it should be, by order and field."""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar

MOST_LISTED: Final = 100
"""Further ones are counted, not kept."""

T = TypeVar("T")


class Difference(NamedTuple):
    """One field that differs: what is stored, and what was found instead.

    Of a record `version` and `position` say which one; of a view they are None. Where nobody can
    know a value it is None.
    """

    stream: str
    field: str
    stored: Any
    found: Any
    version: int | None = None
    position: int | None = None


class Listed(Generic[T]):
    """All that was found, counted; the first of them kept."""

    def __init__(self) -> None:
        self.listed: list[T] = []
        self.count = 0

    def add(self, found: T) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(found)

    def take(self, other: Listed[T]) -> None:
        """Count all of another's."""
        self.count += other.count
        self.listed += other.listed[: MOST_LISTED - len(self.listed)]
