"""What an audit lists: where something is other than it should be, by order and field."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

MOST_LISTED: Final = 100
"""Further ones are counted, not kept."""


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


class Differences:
    """All that was found, counted; the first of them kept."""

    def __init__(self) -> None:
        self.listed: list[Difference] = []
        self.count = 0

    def add(self, difference: Difference) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(difference)

    def take(self, other: Differences) -> None:
        """Count all of another's."""
        self.count += other.count
        self.listed += other.listed[: MOST_LISTED - len(self.listed)]
