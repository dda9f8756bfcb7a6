"""Compares a log, while it is read, with its earlier checkpoints and the tree beside it.

record ─→ leaf ─→ is it the leaf that the tree beside the log holds there?
              └─→ root, compared with each checkpoint of that size
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from heapq import merge
from typing import Final

from lifecycle.audit.checkpoint import NO_FEEDS, Checkpoint
from lifecycle.audit.difference import Finding
from lifecycle.audit.merkle import Frontier, TreeHead, head_of
from lifecycle.audit.tree import TILE, leaf_of, size_of, split
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log, Record
from lifecycle.log.header import Bodiless, Header
from lifecycle.log.tree_store import Tile, TreeStore

TOLERANCE: Final = timedelta(minutes=5)
"""How far clocks may differ before `verify` notes it."""

_NOTES_AT_ONCE: Final = 500
_GIVEN: Final = "the checkpoint that was given"
_KEPT: Final = "the checkpoint kept beside the log"
_ANOTHER: Final = "it is not the record that the tree beside the log took in here"


class Held:
    """The checkpoints and the tree beside the log, compared with each record in turn."""

    def __init__(self, log: Log, checkpoints: Iterable[Checkpoint]) -> None:
        # The ends are read first, so that nothing added meanwhile counts as missing.
        last = log.tree.last_checkpoint()
        self._tree = log.tree
        self._tree_size = size_of(log.tree.last(0))
        self._leaves = _leaves(log.tree, self._tree_size)
        self._findings: list[Finding] = []
        self._outside = outside = sorted(checkpoints, key=_size)
        self.feeds: Mapping[str, int] = outside[-1].feeds if outside else NO_FEEDS
        kept = self._kept(log.tree, 0 if last is None else last.size)
        self._coming = merge(outside, kept, key=_size)
        self._next = next(self._coming, None)
        self._frontier = Frontier()
        self._latest: datetime | None = None  # the latest time of recording so far
        self._bound: datetime | None = None  # the latest time of a checkpoint so far
        self._compare(0)

    @property
    def head(self) -> TreeHead:
        """The head over the records taken in so far."""
        return self._frontier.head

    def why_another(self, record: Record) -> str | None:
        """Take in the next record; return why it is not the one that the tree holds there."""
        leaf, expected = leaf_of(record), next(self._leaves, None)
        self._frontier.add(leaf)
        self._compare(record.position)
        if expected in (None, leaf):
            return None
        self._leaves = iter(())  # later leaves may only be shifted: one finding is enough
        return _ANOTHER

    def why_odd_time(self, header: Header) -> str | None:
        """Return why the times of the next record deserve a note; call it before taking it in."""
        recorded, latest = header.recorded_at, self._latest
        self._latest = recorded if latest is None else max(latest, recorded)
        if self._bound is not None and _claimed(header) < self._bound - TOLERANCE:
            return "it claims to be over 5 minutes older than a checkpoint that had not seen it"
        if latest is not None and recorded < latest - TOLERANCE:
            return "it was recorded, it says, over 5 minutes before what stands before it"
        return None

    def missed(self, end: int) -> Iterator[Finding]:
        """Yield the findings of all comparisons; `end` is the position of the last record."""
        yield from self._findings
        size = self._frontier.size
        if any(_odd_nodes(self._tree, self._tree_size)):
            told = "the hashes above the leaves of the tree beside the log are not theirs"
            yield Finding(None, None, None, told)
        if self._tree_size > size:
            told = f"the log ends after {size} records, but its tree has {self._tree_size}"
            yield Finding(None, None, end + 1, told)
        while self._next is not None:
            seen = f"{self._whose} saw {_size(self._next)}"
            told = f"the log ends after {size} records, but {seen}"
            yield Finding(None, None, end + 1, told)
            self._next = next(self._coming, None)

    @property
    def _whose(self) -> str:
        """Which checkpoint is the next one."""
        return _GIVEN if any(each is self._next for each in self._outside) else _KEPT

    def _compare(self, position: int) -> None:
        """Compare with every checkpoint over as many records as were taken in."""
        while self._next is not None and _size(self._next) <= self._frontier.size:
            if self._next.head != self._frontier.head:
                told = f"the records up to here are not those that {self._whose} saw"
                self._findings.append(Finding(None, None, position, told))
            times = [each for each in (self._bound, self._next.taken_at) if each is not None]
            self._bound = max(times, default=None)
            self._next = next(self._coming, None)

    def _kept(self, tree: TreeStore, last: int) -> Iterator[Checkpoint]:
        after = -1
        while page := tree.checkpoints(after, _NOTES_AT_ONCE):
            for signed in page:
                after = signed.size
                if after > last:
                    return
                try:
                    yield Checkpoint.read(signed.note)
                except InvalidArgumentError:
                    told = f"the checkpoint kept over {after} records cannot be read"
                    self._findings.append(Finding(None, None, None, told))


def _claimed(header: Header) -> datetime:
    """Return the earliest time in a header; a replayed record may rightly be older."""
    if isinstance(header, Bodiless) or header.replayed:
        return header.recorded_at
    return min(header.recorded_at, header.received_at)


def _leaves(tree: TreeStore, size: int) -> Iterator[bytes]:
    """Yield the leaves of a tree, b"" for each one that is gone."""
    for number in range(-(-size // TILE)):
        yield from [*_hashes(tree.tile(0, number)), *[b""] * TILE][
            : min(TILE, size - number * TILE)
        ]


def _odd_nodes(tree: TreeStore, size: int) -> Iterator[bool]:
    """Yield for each whole tile whether the hash in the tile above it is wrong."""
    level, whole = 0, size // TILE
    while whole:
        above: list[bytes] = []
        for number in range(whole):
            if number % TILE == 0:
                above = _hashes(tree.tile(level + 1, number // TILE))
            root = head_of(_hashes(tree.tile(level, number))).root
            yield above[number % TILE : number % TILE + 1] != [root]
        level, whole = level + 1, whole // TILE


def _hashes(tile: Tile | None) -> list[bytes]:
    return split(tile.hashes) if tile is not None and isinstance(tile.hashes, bytes) else []


def _size(checkpoint: Checkpoint) -> int:
    return checkpoint.head.size
