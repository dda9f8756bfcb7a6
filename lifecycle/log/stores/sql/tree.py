"""The Merkle tree and its checkpoints in two tables beside the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lifecycle.log.retry_policy import retried
from lifecycle.log.stores.sql.database import Database
from lifecycle.log.stores.sql.tables import TREE
from lifecycle.log.tree_store import Signed, Tile, TreeStore

_TILES: Final = "SELECT level, number, position, hashes FROM tree_tiles"
_EXTEND: Final = (
    "INSERT INTO tree_tiles AS held (level, number, position, hashes) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (level, number) DO UPDATE "
    "SET position = excluded.position, hashes = excluded.hashes WHERE held.position = ? "
    "RETURNING number"
)
# Nothing is returned: a row that nobody fetches would keep SQLite at the state of that moment.
_PUT: Final = _EXTEND.partition(" WHERE held.position")[0]
_KEEP: Final = (
    "INSERT INTO checkpoints (note, size) VALUES (?, ?) ON CONFLICT (size) DO NOTHING "
    "RETURNING size"
)
_KEEP_INSTEAD: Final = "UPDATE checkpoints SET note = ? WHERE size = ? AND note = ? RETURNING size"


class TableTree(TreeStore):
    """A `TreeStore` in two tables of the log's database."""

    def __init__(self, database: Database) -> None:
        self.url: str = database.url
        self.retry_timeout: float = database.retry_timeout
        self._database = database

    @retried
    def last(self, level: int) -> Tile | None:
        """Return the last tile of a level, None if there is none."""
        return self._tile("WHERE level = ? ORDER BY number DESC LIMIT 1", level)

    @retried
    def tile(self, level: int, number: int) -> Tile | None:
        """Return one tile, None if it is not there."""
        return self._tile("WHERE level = ? AND number = ?", level, number)

    @retried
    def around(self, position: int) -> Tile | None:
        """Return the first tile of leaves that reaches to a position, None if none does."""
        where = "WHERE level = 0 AND position >= ? ORDER BY level, position LIMIT 1"
        return self._tile(where, position)

    @retried
    def extend(self, before: int, tiles: Sequence[Tile]) -> bool:
        """Keep tiles in one transaction; False if the tree no longer ended at `before`."""
        first, *others = tiles
        with self._database.writing() as transaction:
            self._database.make(TREE, transaction)
            grow, put = self._database.spelled(_EXTEND), self._database.spelled(_PUT)
            if transaction.cursor.execute(grow, (*first, before)).fetchone() is None:
                return False
            for tile in others:
                transaction.cursor.execute(put, tile)
        return True

    @retried
    def keep(self, signed: Signed, instead_of: str | None) -> bool:
        """Keep a checkpoint; False if that of its size is not the note `instead_of`, or none."""
        with self._database.writing() as transaction:
            self._database.make(TREE, transaction)
            keep = self._database.spelled(_KEEP if instead_of is None else _KEEP_INSTEAD)
            values = (signed.note, signed.size, *([] if instead_of is None else [instead_of]))
            return transaction.cursor.execute(keep, values).fetchone() is not None

    @retried
    def checkpoints(self, after: int, at_most: int) -> list[Signed]:
        """Return the next checkpoints over more than `after` records, by size."""
        asked = "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?"
        return list(map(Signed._make, self._found(asked, after, at_most)))

    @retried
    def last_checkpoint(self) -> Signed | None:
        """Return the checkpoint over the most records, None if there is none."""
        found = self._found("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return Signed._make(found[0]) if found else None

    def _tile(self, where: str, *parameters: object) -> Tile | None:
        found = self._found(f"{_TILES} {where}", *parameters)
        return Tile._make(found[0]) if found else None

    def _found(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement; none where there never was a tree."""
        if not self._database.holds(TREE):
            return []
        return self._database.ask(self._database.spelled(statement), *parameters)
