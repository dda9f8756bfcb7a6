"""The recordings of the provider's how-to, which come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

_PACKAGE: Final = Path(__file__).resolve().parents[1]
# In a wheel they lie inside the package, in a checkout where examples belong.
_PLACES: Final = (_PACKAGE / "recordings", _PACKAGE.parent / "examples" / "recordings")


class Shipped(NamedTuple):
    """One recording that came with the package: its lines, and what they tell."""

    tells: str
    path: Path

    def lines(self) -> list[bytes]:
        """Return its lines."""
        return self.path.read_bytes().splitlines()


def how_to() -> tuple[Shipped, ...]:
    """Return the three stories of the how-to on asynchronous creation, in its order."""
    folder = next(place for place in _PLACES if place.is_dir())
    return (
        Shipped("created, and confirmed", folder / "happy.jsonl"),
        Shipped("refused, corrected, sent again", folder / "corrected.jsonl"),
        Shipped("accepted, then canceled", folder / "canceled.jsonl"),
    )
