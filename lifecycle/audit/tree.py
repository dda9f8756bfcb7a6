"""The Merkle tree over a log, extended when a checkpoint is taken and never by an append.

    log.scan ─→ header ─→ leaf ─→ tiles of 256 hashes, 8 levels apart ─→ head, proofs

A leaf is the hash of a record's header, and its index counts the records in the order of
positions. So a copy of a log has the same tree wherever its positions have gaps.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Final

from lifecycle.audit.merkle import (
    HASH_BYTES,
    TreeHead,
    consistency,
    head_at,
    head_of,
    inclusion,
    leaf_hash,
    node_hash,
)
from lifecycle.log.contract import Log, Record
from lifecycle.log.tree_store import Tile, TreeStore

RECORDS_AT_ONCE: Final = 4096
TILE: Final = 256
_LEVELS: Final = 8
_TILES_HELD: Final = 256


def leaf_of(record: Record) -> bytes:
    """Return the leaf of a record."""
    return leaf_hash(record.state.partition(b"\n")[0])


class LogTree:
    """The tree over the records that were taken in so far."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._store = log.tree

    def follow(self) -> TreeHead:
        """Take in every record up to the log's end as it is now, and return the head."""
        end = self._log.last_position()
        while self._extend(end):
            pass
        last = self._store.last(0)
        return self.head(size_of(last))

    def head(self, size: int) -> TreeHead:
        """Return the head over the first `size` records."""
        return head_at(_Nodes(self._store), size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that record `index` is among the first `size`."""
        return inclusion(_Nodes(self._store), index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the first `new` records begin with the first `old`."""
        return consistency(_Nodes(self._store), old, new)

    def index_of(self, record: Record) -> int | None:
        """Return the leaf index of a record; None if the tree does not hold it."""
        tile = self._store.around(record.position)
        leaf = leaf_of(record)
        leaves = [] if tile is None else split(tile.hashes)
        if tile is None or leaf not in leaves:
            return None
        return tile.number * TILE + leaves.index(leaf)

    def _extend(self, end: int) -> bool:
        """Take in some records, unless another follower was first; False at the end."""
        last = self._store.last(0)
        after = 0 if last is None else last.position
        records = list(islice(self._log.scan(after=after, until=end), RECORDS_AT_ONCE))
        if records:
            self._store.extend(after, list(_grown(self._store, last, records)))
        return bool(records)


def split(hashes: bytes) -> list[bytes]:
    """Return the hashes of a tile, one by one."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def size_of(last: Tile | None) -> int:
    """Return the size of a tree from its last tile of leaves."""
    return 0 if last is None else last.number * TILE + len(last.hashes) // HASH_BYTES


def _grown(store: TreeStore, last: Tile | None, records: Iterable[Record]) -> Iterable[Tile]:
    """Yield the tiles that further records change, leaves first."""
    added = [(leaf_of(record), record.position) for record in records]
    level = 0
    while added:
        tiles = list(_filled(level, last, added))
        yield from tiles
        full = [tile for tile in tiles if len(tile.hashes) == TILE * HASH_BYTES]
        added = [(head_of(split(tile.hashes)).root, tile.position) for tile in full]
        level += 1
        last = store.last(level)


def _filled(level: int, last: Tile | None, added: list[tuple[bytes, int]]) -> Iterable[Tile]:
    number, held = (0, b"") if last is None else (last.number, last.hashes)
    if len(held) == TILE * HASH_BYTES:
        number, held = number + 1, b""
    while added:
        room = TILE - len(held) // HASH_BYTES
        taken, added = added[:room], added[room:]
        hashes = held + b"".join(each for each, _ in taken)
        yield Tile(level, number, taken[-1][1], hashes)
        number, held = number + 1, b""


class _Nodes:
    """The hashes of complete subtrees, computed from tiles."""

    def __init__(self, store: TreeStore) -> None:
        self._tile = lru_cache(_TILES_HELD)(store.tile)

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash over entries `index << level` up to the next `1 << level` ones."""
        height, above = divmod(level, _LEVELS)
        number, start = divmod(index << above, TILE)
        tile = self._tile(height, number)
        hashes = [] if tile is None else split(tile.hashes)[start : start + (1 << above)]
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0] if hashes else b""
