"""The leaves of the tree over a log: beside its records, so that each is held against its own.

    log by position ─→ leaves/00000.bin, ...: 32 bytes a position ─→ Heads: what checkpoints say
                                        └→ unlike: the records of a shard that were not in the log

A tree goes by position and a shard by order. With the leaves between, both are checked in parts,
in any process, and nothing has to be sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from lifecycle.audit.columns.manifest import File, finish, new_file
from lifecycle.audit.merkle import HASH_BYTES, Frontier, TreeHead
from lifecycle.errors import MissingExtraError

try:
    import pyarrow as pa
    from pyarrow import compute
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

SLOTS: Final = 1 << 18
"""Positions a file."""

_EMPTY: Final = bytes(HASH_BYTES)
_LEAF: Final = pa.binary(HASH_BYTES)


def name_of(number: int) -> str:
    """Return the name of the file for positions from `number * SLOTS + 1` on."""
    return f"leaves/{number:05}.bin"


class LeafWriter:
    """Writes the leaves of a log; they come by position, and gaps stay empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = self._rows = 0
        self._slots = bytearray()
        self._frontier = Frontier()
        self._files: list[File] = []

    def add(self, position: int, leaf: bytes) -> None:
        """Add the leaf of a record."""
        number, slot = divmod(position - 1, SLOTS)
        if number != self._number:
            self._write()
            self._number = number
        self._slots += bytes(HASH_BYTES * slot - len(self._slots)) + leaf
        self._rows += 1
        self._frontier.add(leaf)

    def close(self) -> tuple[tuple[File, ...], TreeHead]:
        """Return what the manifest says of the files, and the head of the tree."""
        self._write()
        return tuple(self._files), self._frontier.head

    def _write(self) -> None:
        if self._rows:
            name = name_of(self._number)
            file = new_file(self._folder / name)
            file.write(self._slots)
            finish(file)
            self._files.append(File.of(self._folder, name, self._rows))
        self._slots.clear()
        self._rows = 0


class Heads:
    """The heads of the tree over so many of the first leaves, and over all that were added."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._wanted = sorted(sizes)
        self._frontier = Frontier()
        self._found = {0: self._frontier.head}

    def add(self, slots: bytes) -> int:
        """Add the leaves of a file, and return how many they are."""
        leaves = _without_gaps(slots)
        at, end = 0, len(leaves)
        while at < end:
            size = self._frontier.size
            most = min(size & -size or SLOTS, (end - at) // HASH_BYTES)
            most = min([most, *(each - size for each in self._wanted if each > size)])
            level = most.bit_length() - 1
            until = at + (HASH_BYTES << level)
            self._frontier.add(_root(leaves[at:until]), level)
            at = until
            if self._frontier.size in self._wanted:
                self._found[self._frontier.size] = self._frontier.head
        return end // HASH_BYTES

    @property
    def found(self) -> dict[int, TreeHead]:
        """The heads by their sizes; those of more leaves than there are are left out."""
        return self._found | {self._frontier.size: self._frontier.head}


def _without_gaps(slots: bytes) -> bytes:
    slots = slots[: len(slots) - len(slots) % HASH_BYTES]  # the rest of a file that was cut
    if _EMPTY not in slots:
        return slots
    each = (slots[at : at + HASH_BYTES] for at in range(0, len(slots), HASH_BYTES))
    return b"".join(slot for slot in each if slot != _EMPTY)


def _root(hashes: bytes) -> bytes:
    """Return the root over a power of two of hashes."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs]
        )
    return hashes


def unlike(
    folder: Path, positions: pa.ChunkedArray, leaves: bytes | bytearray, last: int
) -> Iterator[int]:
    """Yield the rows whose leaf is not the one at their position; those of lost files apart.

    Rows outside of positions 1 to `last` are not looked at.
    """
    own = pa.Array.from_buffers(_LEAF, len(positions), [None, pa.py_buffer(leaves)])
    order = compute.sort_indices(positions)
    places = compute.subtract(positions.combine_chunks().take(order), 1)
    known = compute.and_(compute.greater_equal(places, 0), compute.less(places, last))
    order, places = order.filter(known), places.filter(known)
    runs = compute.run_end_encode(compute.divide(places, SLOTS))
    start = 0
    for number, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        rows = order.slice(start, end - start)
        slots = compute.subtract(places.slice(start, end - start), number * SLOTS)
        start = end
        try:
            held = _held(folder / name_of(number))
        except FileNotFoundError:
            continue
        inside = compute.sum(compute.less(slots, len(held))).as_py() or 0
        same = compute.equal(held.take(slots.slice(0, inside)), own.take(rows.slice(0, inside)))
        yield from rows.slice(0, inside).filter(compute.invert(same)).to_pylist()
        yield from rows.slice(inside).to_pylist()


def _held(path: Path) -> pa.Array:
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
    return pa.Array.from_buffers(_LEAF, content.size // HASH_BYTES, [None, content])
