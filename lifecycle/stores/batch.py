"""What one caller wants appended, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from lifecycle.log import Appended
from lifecycle.stored import Prepared


class Batch:
    """The entries of one caller, appended in one commit; settled with results or an error.

    A caller's thread sleeps at `gate`, which opens when the batch is settled, or when it
    is this caller's turn to commit.
    """

    def __init__(self, entries: Sequence[Prepared], expected_version: int | None = None) -> None:
        self.entries = entries
        self.expected_version = expected_version
        self.size = sum([len(entry.body) for entry in entries])
        self.settled = False
        self.withdrawn = False
        self.gate = Lock()
        self.gate.acquire()
        self._results: list[Appended] = []
        self._error: Exception | None = None

    @property
    def sleeps(self) -> bool:
        """Whether a thread may be waiting at the gate with nothing known yet."""
        return not self.settled and not self.withdrawn

    def settle(self, results: list[Appended]) -> None:
        """Take what became of each entry, now that it is durable."""
        self._results = results
        self.settled = True

    def fail(self, error: Exception) -> None:
        """Take why nothing was appended, as far as anybody knows."""
        self._error = error
        self.settled = True

    def wake(self) -> None:
        """Open the gate; opening it twice is harmless."""
        if self.gate.locked():
            self.gate.release()

    def outcome(self) -> list[Appended]:
        """Return the results of a settled batch, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._results
