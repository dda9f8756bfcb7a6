"""What a writer knows of the streams it used last, so that it reads only what is new in them.

Whoever lost a race reads the heads of its streams again, which may be long. Records never change:
what was read once stands, and only what came after it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from lifecycle.log.recorder import Head

KEPT_HEADS: Final = 50_000
KEPT_ENDS: Final = 100_000
"""How many are remembered at most: a head takes some 700 bytes, an end 200."""

NOWHERE: Final = (0, 0)


class KnownHeads:
    """The heads of streams, and where streams end; the least recently used are dropped first."""

    def __init__(self) -> None:
        self._heads: dict[str, list[Head]] = {}
        self._ends: dict[str, tuple[int, int]] = {}
        self._count = 0

    def end(self, stream: str) -> tuple[int, int]:
        """Return the version and the position of the last record that is known of a stream."""
        return self._ends.get(stream, NOWHERE)

    def position(self, stream: str) -> int:
        """Return the position up to which all heads of a stream are known."""
        heads = self._heads.get(stream)
        return heads[-1].position if heads else 0

    def add(self, head: Head) -> None:
        """Take in a record that was just written."""
        known = self._heads.get(head.stream)
        if head.version == (known[-1].version + 1 if known else 1):
            self.extend(head.stream, (head,))
        elif known is not None:
            self._count -= len(self._heads.pop(head.stream))
        self.end_at(head)

    def extend(self, stream: str, heads: Iterable[Head]) -> list[Head]:
        """Take in what follows on the heads that are known, and return all of them."""
        new = list(heads)
        known = self._heads.pop(stream, [])
        self._heads[stream] = known
        known += new
        self._count += len(new)
        if known:
            self.end_at(known[-1])
        while self._count > KEPT_HEADS and len(self._heads) > 1:
            self._count -= len(self._heads.pop(next(iter(self._heads))))
        return known

    def end_at(self, head: Head) -> None:
        """Take it that a stream ends with a record."""
        self._ends.pop(head.stream, None)
        self._ends[head.stream] = head.version, head.position
        if len(self._ends) > KEPT_ENDS:
            del self._ends[next(iter(self._ends))]

    def doubt(self, streams: Iterable[str]) -> None:
        """Forget where streams end: somebody else may have gone on, or nobody knows."""
        for stream in streams:
            self._ends.pop(stream, None)
