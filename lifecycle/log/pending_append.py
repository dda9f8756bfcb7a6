"""What one caller wants appended, and what became of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from threading import Lock

from lifecycle.log.codec import Prepared
from lifecycle.log.contract import Appended


class Batch(ABC):
    """The entries of one caller, appended in one commit; settled with results or an error."""

    __slots__ = ("entries", "error", "expected_version", "results", "settled", "size", "withdrawn")

    def __init__(self, entries: Sequence[Prepared], expected_version: int | None = None) -> None:
        self.entries = entries
        self.expected_version = expected_version
        self.size = sum([len(entry.body) for entry in entries])
        self.settled = False
        self.withdrawn = False
        self.results: list[Appended] = []
        self.error: Exception | None = None

    @property
    @abstractmethod
    def sleeps(self) -> bool:
        """Whether a thread may be waiting with nothing known yet."""

    def settle(self, results: list[Appended]) -> None:
        """Take what became of each entry, now that it is durable."""
        self.results = results
        self.settled = True

    def fail(self, error: Exception) -> None:
        """Take why nothing was appended, as far as anybody knows."""
        self.error = error
        self.settled = True

    @abstractmethod
    def wake(self) -> None:
        """Let the caller go on; more than once is harmless."""


class ThreadBatch(Batch):
    """A batch whose caller is a thread.

    It sleeps at `gate`, which opens when the batch is settled, or when it is this caller's
    turn to commit.
    """

    __slots__ = ("gate",)

    def __init__(self, entries: Sequence[Prepared], expected_version: int | None = None) -> None:
        super().__init__(entries, expected_version)
        self.gate = Lock()
        self.gate.acquire()

    @property
    def sleeps(self) -> bool:
        """Whether it waits at the gate with nothing known yet."""
        return not self.settled and not self.withdrawn

    def wake(self) -> None:
        """Open the gate; opening it twice is harmless."""
        if self.gate.locked():
            self.gate.release()

    def outcome(self) -> list[Appended]:
        """Return the results of a settled batch, or raise its error."""
        if self.error is not None:
            raise self.error
        return self.results
