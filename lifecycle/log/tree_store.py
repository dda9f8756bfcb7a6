"""The port to the Merkle tree beside the log, and to the checkpoints that were signed over it.

The tree is stored in tiles: up to 256 neighboring hashes of one level, 8 levels of the tree apart.
Level 0 holds the leaves, one for each record in the order of positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Tile(NamedTuple):
    """Neighboring hashes of one level; `position` is that of the last record below them."""

    level: int
    number: int
    position: int
    hashes: bytes


class Signed(NamedTuple):
    """A signed checkpoint, and the number of records it covers."""

    size: int
    note: str


class TreeStore(Protocol):
    """Tiles and checkpoints. Every method raises `StoreError`."""

    def last(self, level: int) -> Tile | None:
        """Return the last tile of a level; None if there is none."""

    def tile(self, level: int, number: int) -> Tile | None:
        """Return one tile; None if it does not exist."""

    def around(self, position: int) -> Tile | None:
        """Return the first tile of leaves that reaches a position; None if none does."""

    def extend(self, before: int, tiles: Sequence[Tile]) -> bool:
        """Store tiles in one transaction; False if the tree no longer ended at `before`.

        The first is the last tile of leaves of the tree, extended, or the next one.
        """

    def keep(self, signed: Signed, instead_of: str | None) -> bool:
        """Store a checkpoint; False if that of its size is not the note `instead_of`, or none."""

    def checkpoints(self, after: int, at_most: int) -> list[Signed]:
        """Return the next checkpoints over more than `after` records, by size."""

    def last_checkpoint(self) -> Signed | None:
        """Return the checkpoint over the most records; None if there is none."""
