"""Deciding what is new, and committing it: optimistic, and safe under any race.

    group ─→ decide against the streams' ends ─→ seal ─→ write ─→ settle
                ▲                                          │ another writer was first
                └────────── read back ─────────────────────┘

Nothing is acknowledged before it is durable. The unique key on (stream, version) shows
every race; then the ends are read back and all is decided again, while all other writers
are kept out: nobody loses twice. Where the reply to a commit was lost, what was written is
looked for first: if it is there, just as it was written, it was committed, and its callers
are told what they would have been told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from lifecycle.core.instant import format_instant
from lifecycle.errors import (
    StoredFormatError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)
from lifecycle.log.codec import Prepared, link, seal
from lifecycle.log.contract import QUARANTINE, Appended, Outcome
from lifecycle.log.pending_append import Batch
from lifecycle.log.recorder import InDoubtError, Recorder, Row, Tip, TryAgainError
from lifecycle.log.retry_policy import Patience
from lifecycle.log.stream_tails import Ends, Place, StreamEnd, StreamEnds

LOG: Final = logging.getLogger("lifecycle.log")
"""Says what was stored and where, never whose it is nor what it says."""

_Draft = tuple[Prepared, StreamEnd, int]
"""One record to be: what, at the end of which stream, with which version."""

_Answer = tuple[Outcome, str, Place]
"""What one entry will be told."""

_Doubt = tuple["Decision", Sequence[Row]]
"""What was decided and is to be written: in doubt where the reply to its commit is lost."""

# Every entry comes past these: looking a member up by its name costs as much as a hash.
_APPENDED: Final = Outcome.APPENDED
_DUPLICATE: Final = Outcome.DUPLICATE
_DIVERGENT: Final = Outcome.DIVERGENT
_QUARANTINED: Final = Outcome.QUARANTINED

# And through these: a named tuple's own constructor takes twice as long.
_new: Final = tuple.__new__


class Decision:
    """What a group of batches comes to, given where the streams end."""

    def __init__(self, group: Sequence[Batch], ends: Ends) -> None:
        self.ends = ends
        self._is_any_damaged = any(isinstance(end, StoredFormatError) for end in ends.values())
        self.drafts: list[_Draft] = []
        self._odd: list[tuple[Outcome, int]] = []
        self._answers = [(batch, self._decide(batch)) for batch in group]

    def seal(self, tip: Tip | None, recorded_at: str) -> list[Row]:
        """Return the records to insert after `tip`, chained to what is stored."""
        rows = []
        after = tip.link if tip is not None else None
        for entry, end, version in self.drafts:
            stream, topic = entry[:2]
            state, previous = seal(entry, version, end.previous, after, recorded_at)
            end.previous = previous
            if tip is not None:
                after = link(stream, version, previous)
            rows.append(_new(Row, (stream, version, topic, state)))
        return rows

    def settle(self, positions: Sequence[int]) -> None:
        """Tell every batch what became of it, now that all of it is durable."""
        for (entry, end, version), position in zip(self.drafts, positions, strict=True):
            if entry.stream != QUARANTINE:
                end.put(entry.key, entry.digest, (version, position))
        for batch, answer in self._answers:
            if isinstance(answer, StoreError):
                batch.fail(answer)
                continue
            batch.settle(
                [
                    _new(
                        Appended,
                        (outcome, stream, version, at if at > 0 else positions[-1 - at]),
                    )
                    for outcome, stream, (version, at) in answer
                ]
            )
        self._log(positions)

    def _log(self, positions: Sequence[int]) -> None:
        for outcome, number in self._odd:
            LOG.warning("%s: stored at position %d", outcome.value, positions[number])
        if LOG.isEnabledFor(logging.DEBUG):
            entries = sum(len(batch.entries) for batch, _ in self._answers)
            LOG.debug("committed %d new of %d entries", len(positions), entries)

    def _decide(self, batch: Batch) -> list[_Answer] | StoreError:
        refusal = self._refusal(batch)
        return refusal or [self._place(entry) for entry in batch.entries]

    def _refusal(self, batch: Batch) -> StoreError | None:
        if batch.expected_version is None and not self._is_any_damaged:
            return None
        for entry in batch.entries:
            end = self.ends[entry.stream]
            if isinstance(end, StoredFormatError):
                return StoredFormatError(end.stream, end.version, end.found)
            expected = batch.expected_version
            if expected is None or expected == end.version or end.place(entry.key, entry.digest):
                continue
            return VersionConflictError(entry.stream, end.version, expected)
        return None

    def _place(self, entry: Prepared) -> _Answer:
        stream, _, key, digest, _, _ = entry
        end = self.ends[stream]
        if isinstance(end, StoredFormatError):
            raise end
        stored = end.place(key, digest)
        if stored is not None:
            return _DUPLICATE, stream, stored
        outcome = _outcome(entry, end)
        if outcome is not _APPENDED:
            self._odd.append((outcome, len(self.drafts)))
        end.version = version = end.version + 1
        self.drafts.append((entry, end, version))
        place = (version, -len(self.drafts))
        if stream != QUARANTINE:
            end.put(key, digest, place)
        return outcome, stream, place


class Committer:
    """Commits groups of batches, one group at a time; not safe for threads by itself."""

    def __init__(self, recorder: Recorder, clock: Callable[[], datetime], patience: float) -> None:
        self._recorder = recorder
        self._clock = clock
        self._patience = patience
        self._ends = StreamEnds(recorder)

    def commit(self, group: Sequence[Batch]) -> None:
        """Settle every batch; only what is no `Exception` comes through, and settles none."""
        try:
            self._commit(group)
        except StoreError as failed:
            LOG.error("not committed: %s", failed)  # noqa: TRY400 - every caller gets the traceback
            for batch in group:
                batch.fail(_own(failed))
        except Exception as failed:  # noqa: BLE001 - whose entry it is decides who is told
            if len(group) == 1:
                group[0].fail(failed)
            else:
                for batch in group:
                    self.commit([batch])

    def _commit(self, group: Sequence[Batch]) -> None:
        patience = Patience(self._recorder.url, self._patience)
        doubts: list[_Doubt] = []
        first = True
        while True:
            try:
                return self._write(group, self._decide(group) if first else None, doubts)
            except TryAgainError as again:
                LOG.info("committing again: %s", again.found)
                patience.wait(again)
            first = False

    def _write(
        self, group: Sequence[Batch], decided: Decision | None, doubts: list[_Doubt]
    ) -> None:
        """Write what is new; what was not decided before is decided while others are kept out."""
        if decided is not None and not decided.drafts:
            self._recorder.confirm()
            return self._settle(decided, ())
        recorded_at = format_instant(self._clock())
        planned: list[_Doubt] = []

        def plan(tip: Tip | None) -> Sequence[Row]:
            if any(self._was_written(doubt) for doubt in doubts):
                return ()
            decision = decided or self._decide(group)
            rows = decision.seal(tip, recorded_at)
            planned.append((decision, rows))
            return rows

        try:
            positions = self._recorder.write(plan, alone=decided is None)
        except InDoubtError:
            doubts += planned
            raise
        for decision, _ in planned:
            self._settle(decision, positions)
        return None

    def _was_written(self, doubt: _Doubt) -> bool:
        """Settle what was decided if all that was written is there, just as it was written."""
        decision, rows = doubt
        positions = []
        for row in rows:
            found = self._recorder.read(row.stream, row.version - 1, row.version)
            if not found or found[0].state != row.state:
                return False
            positions.append(found[0].position)
        self._settle(decision, positions)
        return True

    def _settle(self, decision: Decision, positions: Sequence[int]) -> None:
        decision.settle(positions)
        self._ends.keep(decision.ends)

    def _decide(self, group: Sequence[Batch]) -> Decision:
        streams = dict.fromkeys([entry.stream for batch in group for entry in batch.entries])
        expected = {
            entry.stream: batch.expected_version
            for batch in group
            if batch.expected_version is not None
            for entry in batch.entries
        }
        return Decision(group, self._ends.take(streams, expected))


def _outcome(entry: Prepared, end: StreamEnd) -> Outcome:
    if entry.stream == QUARANTINE:
        return _QUARANTINED
    return _DIVERGENT if entry.key in end else _APPENDED


def _own(failed: StoreError) -> StoreError:
    """Return an error for one caller alone: raised in two threads, one would mix tracebacks."""
    if not isinstance(failed, StoreUnavailableError):
        return failed
    own = StoreUnavailableError(failed.store, failed.found)
    own.__cause__ = failed.__cause__
    return own
