"""Checkpoints: what a person keeps elsewhere, so that a rewritten log cannot pass."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple, Self

from lifecycle.errors import InvalidArgumentError

_WRITTEN: Final = re.compile(r"([0-9]{1,19}):([0-9a-f]{64})")


class Checkpoint(NamedTuple):
    """A position, and a hash over all headers up to there; keep it where the log is not."""

    position: int
    digest: str

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the checkpoint that `str(checkpoint)` wrote.

        Raises:
            InvalidArgumentError: it is none.
        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise InvalidArgumentError("checkpoint", "a position, a colon and 64 hex digits")
        return cls(int(found[1]), found[2])


class Tally:
    """The checkpoint of a log while it is read, compared with an earlier one on the way."""

    def __init__(self, earlier: Checkpoint | None) -> None:
        self._earlier = earlier
        self._hashes = sha256()
        self._position = 0
        self.missed: Checkpoint | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of what was read so far."""
        return Checkpoint(self._position, self._hashes.hexdigest())

    def add(self, position: int, header_hash: bytes) -> None:
        """Take in the next record."""
        if self._earlier is not None and position > self._earlier.position:
            self.compare()
        self._hashes.update(header_hash)
        self._position = position

    def compare(self) -> None:
        """Compare with the earlier checkpoint, once; `missed` is that one if it does not hold."""
        if self._earlier is not None and self.checkpoint != self._earlier:
            self.missed = self._earlier
        self._earlier = None
