"""A store in memory that meets some trouble first, and what a writer commits to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from lifecycle.audit.verify import verify
from lifecycle.log.append_queue import ThreadBatch
from lifecycle.log.codec import prepare
from lifecycle.log.contract import CONTROL, Append, Record
from lifecycle.log.link_store import OrderLink
from lifecycle.log.store_port import Head, InDoubtError, Row, Transaction, TryAgainError
from lifecycle.log.stores.memory.log import MemoryRecorder
from lifecycle.log.writer import Writer
from tests.contract.entries import TickingClock
from tests.tampered import Shelf

LOST = "the reply was lost"

Block = AbstractContextManager[Transaction]
Trouble = Callable[[Block], Block]
"""What one block of writing does, given one in which all goes well."""


class TroubledRecorder(MemoryRecorder):
    """A store in memory that meets some trouble first; it notes what it is asked."""

    def __init__(self, *troubles: Trouble) -> None:
        super().__init__()
        self.troubles = list(troubles)
        self.exclusive: list[bool] = []
        self.asked: list[Sequence[str]] = []

    def writing(self, *, exclusive: bool = False) -> Block:
        self.exclusive.append(exclusive)
        block = super().writing(exclusive=exclusive)
        return self.troubles.pop(0)(block) if self.troubles else block

    def heads(self, streams: Sequence[str]) -> Any:
        self.asked.append(streams)
        return super().heads(streams)

    def last_head(self, stream: str) -> Head | None:
        self.asked.append([stream])
        return super().last_head(stream)

    def records(self) -> list[Record]:
        return self.page(0, 500)


@contextmanager
def busy(_: Block) -> Iterator[Transaction]:
    """Refuse at once, as a store whose lock is held."""
    raise TryAgainError("it is busy")
    yield


@contextmanager
def lost(block: Block) -> Iterator[Transaction]:
    """Write, and lose the reply."""
    with block as transaction:
        yield transaction
    raise InDoubtError(LOST)


class Refusing:
    """A transaction that inserts the first `most` records only, as no store may."""

    tip = None

    def __init__(self, transaction: Transaction, most: int) -> None:
        self.tip = transaction.tip
        self._transaction = transaction
        self._most = most

    def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
        return self._transaction.insert(rows[: self._most], links)


def losing_all_but(most: int) -> Trouble:
    @contextmanager
    def cut_off(block: Block) -> Iterator[Transaction]:
        with block as transaction:
            yield Refusing(transaction, most)
        raise InDoubtError(LOST)

    return cut_off


failed = losing_all_but(0)
"""Lose the reply, and what was to be written."""

first_only = losing_all_but(1)
"""Write the first record only."""


@contextmanager
def never_asked(_: Block) -> Iterator[Transaction]:
    """Lose the connection before anything is inserted."""
    raise InDoubtError(LOST)
    yield


def committer(recorder: MemoryRecorder, retry_timeout: float = 5) -> Writer:
    return Writer(recorder, TickingClock(), retry_timeout)


def committer_later(recorder: MemoryRecorder) -> Writer:
    """Return a writer that knows already how the log stores bodies, and need not ask alone."""
    writer = committer(recorder)
    writer.encryption.has_passed = True
    return writer


def commit(
    commits: Writer,
    *groups: Any,
    expected: int | None = None,
    prepared: Callable[[Any], Append] = prepare,
) -> list[Any]:
    """Commit one batch for each of some lists of entries, in one group; return what each is told.

    That is a list of outcome, version and position for each entry, or the error.
    """
    batches = [ThreadBatch(list(map(prepared, entries)), expected) for entries in groups]
    commits.commit(batches)
    assert all(batch.settled for batch in batches)
    return [
        batch.error or [(done.outcome, done.version, done.position) for done in batch.appends]
        for batch in batches
    ]


def insert(recorder: MemoryRecorder, *rows: Row) -> None:
    with MemoryRecorder.writing(recorder) as transaction:
        transaction.insert(rows)


def headers(recorder: TroubledRecorder) -> list[dict[str, Any]]:
    return [json.loads(record.state.partition(b"\n")[0]) for record in recorder.records()]


def is_sound(recorder: TroubledRecorder) -> bool:
    """Tell whether the records hold together; marks may be about no event here."""
    findings = verify(Shelf(recorder.records())).findings
    return all(finding.stream == CONTROL for finding in findings)
