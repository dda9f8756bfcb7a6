"""Deciding what is new, and committing it: optimistic, and safe under any race.

    group ─→ decide against the streams' ends ─→ seal ─→ write ─→ settle
                ▲                                          │ another writer was first
                └────────── read back ─────────────────────┘

Nothing is acknowledged before it is durable. The unique key on (stream, version) shows
every race; then the ends are read back and all is decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from lifecycle.errors import (
    StoredFormatError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from lifecycle.instant import format_instant
from lifecycle.log import QUARANTINE, Appended, Outcome
from lifecycle.stored import REDRIVEN, Before, Prepared, seal
from lifecycle.stores.batch import Batch
from lifecycle.stores.head import Ends, Place, StreamEnd, StreamEnds
from lifecycle.stores.patience import Patience
from lifecycle.stores.recorder import Recorder, Row, Tip, TryAgainError


class _Draft(NamedTuple):
    """One record to be, at the place it was given."""

    entry: Prepared
    end: StreamEnd
    place: Place


class _Answer(NamedTuple):
    """What one entry will be told, once the store has told the positions."""

    outcome: Outcome
    stream: str
    place: Place


class Decision:
    """What a group of batches comes to, given where the streams end."""

    def __init__(self, group: Sequence[Batch], ends: Ends) -> None:
        self.ends = ends
        self.drafts: list[_Draft] = []
        self._answers = [(batch, self._decide(batch)) for batch in group]

    def seal(self, tip: Tip | None, recorded_at: str) -> list[Row]:
        """Return the records to insert after `tip`, chained to what is stored."""
        rows = []
        before = tip.last if tip is not None else None
        for entry, end, place in self.drafts:
            sealed = seal(
                entry,
                version=place.version,
                previous=end.previous,
                after=before,
                recorded_at=recorded_at,
            )
            end.previous = sealed.hash
            if tip is not None:
                before = Before(entry.stream, place.version, sealed.hash)
            rows.append(Row(entry.stream, place.version, entry.topic, sealed.state))
        return rows

    def settle(self, positions: Sequence[int]) -> None:
        """Tell every batch what became of it, now that all of it is durable."""
        for draft, position in zip(self.drafts, positions, strict=True):
            draft.place.position = position
        for batch, answer in self._answers:
            if isinstance(answer, StoreError):
                batch.error = answer
            else:
                batch.results = [
                    Appended(outcome, stream, place.version, place.position)
                    for outcome, stream, place in answer
                ]

    def _decide(self, batch: Batch) -> list[_Answer] | StoreError:
        refusal = self._refusal(batch)
        return refusal or [self._place(entry) for entry in batch.entries]

    def _refusal(self, batch: Batch) -> StoreError | None:
        for entry in batch.entries:
            end = self.ends[entry.stream]
            if isinstance(end, StoredFormatError):
                return StoredFormatError(end.stream, end.version, end.found)
            if (
                batch.expected_version not in (None, end.version)
                and (entry.key, entry.digest) not in end.places
            ):
                return VersionConflictError(entry.stream, end.version, batch.expected_version)
        return None

    def _place(self, entry: Prepared) -> _Answer:
        end = self.ends[entry.stream]
        if isinstance(end, StoredFormatError):
            raise end
        content = (entry.key, entry.digest)
        stored = end.places.get(content)
        if stored is not None:
            return _Answer(Outcome.DUPLICATE, entry.stream, stored)
        outcome = _outcome(entry, end)
        end.version += 1
        place = Place(end.version, 0)
        if entry.stream != QUARANTINE:
            end.place(entry.key, entry.digest, place)
        self.drafts.append(_Draft(entry, end, place))
        return _Answer(outcome, entry.stream, place)


class Committer:
    """Commits groups of batches, one group at a time; not safe for threads by itself."""

    def __init__(
        self, recorder: Recorder, clock: Callable[[], datetime], patience: float
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._patience = patience
        self._ends = StreamEnds(recorder)

    def commit(self, group: Sequence[Batch]) -> None:
        """Settle every batch; only what is no `Exception` comes through, and settles none."""
        try:
            self._commit(group)
        except StoreError as failed:
            for batch in group:
                batch.error = _own(failed)
        except Exception as failed:  # noqa: BLE001 - whose entry it is decides who is told
            if len(group) == 1:
                group[0].error = failed
            else:
                for batch in group:
                    self.commit([batch])

    def _commit(self, group: Sequence[Batch]) -> None:
        patience = Patience(self._recorder.url, self._patience)
        try:
            decision = self._decide(group)
            self._write(group, decision)
        except TryAgainError as again:
            patience.wait(again)
        else:
            return
        while True:
            try:
                self._write(group, None)
            except TryAgainError as again:
                patience.wait(again)
            else:
                return

    def _write(self, group: Sequence[Batch], decided: Decision | None) -> None:
        """Write what is new; what was not decided before is decided inside the transaction."""
        decision = decided
        positions: Sequence[int] = ()

        def plan(tip: Tip | None) -> list[Row]:
            nonlocal decision
            decision = decision or self._decide(group)
            return decision.seal(tip, recorded_at)

        if decided is None or decided.drafts:
            recorded_at = format_instant(self._clock())
            positions = self._recorder.write(plan)
        if decision is not None:
            decision.settle(positions)
            self._ends.keep(decision.ends)

    def _decide(self, group: Sequence[Batch]) -> Decision:
        streams: dict[str, None] = {}
        expected: dict[str, int] = {}
        for batch in group:
            for entry in batch.entries:
                streams[entry.stream] = None
                if batch.expected_version is not None:
                    expected[entry.stream] = batch.expected_version
        return Decision(group, self._ends.take(streams, expected))


def _outcome(entry: Prepared, end: StreamEnd) -> Outcome:
    if entry.stream == QUARANTINE:
        return Outcome.APPENDED if entry.topic == REDRIVEN else Outcome.QUARANTINED
    return Outcome.DIVERGENT if entry.key in end.keys else Outcome.APPENDED


def _own(failed: StoreError) -> StoreError:
    """Return an error for one caller alone: raised in two threads, one would mix tracebacks."""
    if not isinstance(failed, StoreUnavailableError):
        return failed
    own = StoreUnavailableError(failed.store, failed.found)
    own.__cause__ = failed.__cause__
    return own
