"""The Merkle tree in memory: the same meanings, nothing durable."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock

from lifecycle.log.tree_store import Signed, Tile, TreeStore


class MemoryTree(TreeStore):
    """A `TreeStore` that lives as long as this object."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._tiles: dict[tuple[int, int], Tile] = {}
        self._notes: dict[int, str] = {}

    def last(self, level: int) -> Tile | None:
        """Return the last tile of a level, None if there is none."""
        with self._lock:
            return max((tile for tile in self._tiles.values() if tile.level == level), default=None)

    def tile(self, level: int, number: int) -> Tile | None:
        """Return one tile, None if it is not there."""
        return self._tiles.get((level, number))

    def around(self, position: int) -> Tile | None:
        """Return the first tile of leaves that reaches to a position, None if none does."""
        with self._lock:
            leaves = [tile for tile in self._tiles.values() if tile.level == 0]
        return min((tile for tile in leaves if tile.position >= position), default=None)

    def extend(self, before: int, tiles: Sequence[Tile]) -> bool:
        """Keep tiles; False if the tree no longer ended at `before`."""
        with self._lock:
            held = self.tile(*tiles[0][:2])
            if held is not None and held.position != before:
                return False
            self._tiles.update({(tile.level, tile.number): tile for tile in tiles})
            return True

    def keep(self, signed: Signed, instead_of: str | None) -> bool:
        """Keep a checkpoint; False if that of its size is not the note `instead_of`, or none."""
        with self._lock:
            if self._notes.get(signed.size) != instead_of:
                return False
            self._notes[signed.size] = signed.note
            return True

    def checkpoints(self, after: int, at_most: int) -> list[Signed]:
        """Return the next checkpoints over more than `after` records, by size."""
        sizes = sorted(size for size in list(self._notes) if size > after)
        return [Signed(size, self._notes[size]) for size in sizes[:at_most]]

    def last_checkpoint(self) -> Signed | None:
        """Return the checkpoint over the most records, None if there is none."""
        return max((Signed(*each) for each in list(self._notes.items())), default=None)
