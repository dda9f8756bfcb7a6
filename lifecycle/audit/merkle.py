"""The Merkle tree of RFC 9162 over a list that only grows, and its proofs.

    leaf = SHA-256(0x00 || entry)        node = SHA-256(0x01 || left || right)

A proof is a short list of hashes. With one entry it shows that the entry is under a root; with
an old root and a new one it shows that nothing before was changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Self

from lifecycle.errors import InvalidArgumentError

HASH_BYTES: Final = 32

Nodes = Callable[[int, int], bytes]
"""Returns the hash over entries `number << level` up to the next `1 << level` ones."""

_WRITTEN: Final = re.compile(r"([0-9]{1,19}):([0-9a-f]{64})")


class TreeHead(NamedTuple):
    """The root over the first `size` entries."""

    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.size}:{self.root.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the head that `str(head)` wrote.

        Raises:
            InvalidArgumentError: the text is not a tree head.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise InvalidArgumentError("checkpoint", "a size, a colon and 64 hex digits")
        return cls(int(found[1]), bytes.fromhex(found[2]))


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbors."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree: one hash for each complete subtree, largest first."""

    def __init__(self) -> None:
        self.size: int = 0
        self._peaks: list[bytes] = []

    def add(self, hashed: bytes, level: int = 0) -> None:
        """Add the next leaf; or the hash over `1 << level` of them, where so many are a subtree."""
        merged, size = hashed, self.size >> level
        while size & 1:
            merged, size = node_hash(self._peaks.pop(), merged), size >> 1
        self._peaks.append(merged)
        self.size += 1 << level

    @property
    def head(self) -> TreeHead:
        """The head of what was added so far."""
        if not self._peaks:
            return TreeHead(0, sha256(b"").digest())
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return TreeHead(self.size, root)


def head_of(leaves: Sequence[bytes]) -> TreeHead:
    """Return the head over some leaves."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.head


def head_at(nodes: Nodes, size: int) -> TreeHead:
    """Return the head over the first `size` entries."""
    return TreeHead(size, _over(nodes, 0, size)) if size else Frontier().head


def inclusion(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Return the proof that entry `index`, from 0, is among the first `size`."""
    return _path(nodes, index, 0, size)


def consistency(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `new` entries begin with the first `old`."""
    return _extension(nodes, old, 0, new, is_known=True) if 0 < old < new else []


def is_included(leaf: bytes, index: int, head: TreeHead, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that a leaf is entry `index` of a tree."""
    if not 0 <= index < head.size:
        return False
    try:
        return _root_from(leaf, index, head.size, proof) == head.root
    except IndexError:
        return False


def is_extension(old: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> bool:
    """Tell whether a proof shows that a tree begins with an older one."""
    if old.size == 0 or old.size >= new.size:
        return not proof and (old == new or (old == Frontier().head and new.size > 0))
    try:
        return _roots_from(old.root, old.size, new.size, proof, is_known=True) == (
            old.root,
            new.root,
        )
    except IndexError:
        return False


def _half(count: int) -> int:
    """Return the largest power of two below a count."""
    return 1 << ((count - 1).bit_length() - 1)


def _over(nodes: Nodes, start: int, end: int) -> bytes:
    count = end - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _half(count)
    return node_hash(_over(nodes, start, middle), _over(nodes, middle, end))


def _path(nodes: Nodes, index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _half(end - start)
    if index < middle:
        return [*_path(nodes, index, start, middle), _over(nodes, middle, end)]
    return [*_path(nodes, index, middle, end), _over(nodes, start, middle)]


def _extension(nodes: Nodes, old: int, start: int, end: int, *, is_known: bool) -> list[bytes]:
    if start + old == end:
        return [] if is_known else [_over(nodes, start, end)]
    half = _half(end - start)
    middle = start + half
    if old <= half:
        before = _extension(nodes, old, start, middle, is_known=is_known)
        return [*before, _over(nodes, middle, end)]
    after = _extension(nodes, old - half, middle, end, is_known=False)
    return [*after, _over(nodes, start, middle)]


def _root_from(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    if size == 1:
        return leaf if not proof else b""
    half, last, rest = _half(size), proof[-1], proof[:-1]
    if index < half:
        return node_hash(_root_from(leaf, index, half, rest), last)
    return node_hash(last, _root_from(leaf, index - half, size - half, rest))


def _roots_from(
    root: bytes, old: int, new: int, proof: Sequence[bytes], *, is_known: bool
) -> tuple[bytes, bytes]:
    """Return the old and the new root that a proof yields."""
    if old == new:
        if is_known:
            return (root, root) if not proof else (b"", b"")
        return (proof[0], proof[0]) if len(proof) == 1 else (b"", b"")
    half, last, rest = _half(new), proof[-1], proof[:-1]
    if old <= half:
        before, after = _roots_from(root, old, half, rest, is_known=is_known)
        return before, node_hash(after, last)
    before, after = _roots_from(root, old - half, new - half, rest, is_known=False)
    return node_hash(last, before), node_hash(last, after)
