"""Decides what is new and commits it by any recorder: optimistic, and safe under any race.

    group ─→ decide against the stream tails ─→ seal ─→ insert ─→ settle
                ▲                                         │ another writer was first
                └────────── read back ────────────────────┘

Nothing is acknowledged before it is durable. The unique key on (stream, version) detects
concurrent appends. The loser rereads the stream tails and decides again under an exclusive
write lock, so it cannot lose again; a store without such a lock commits each stream by itself
after a few tries. If the reply to a commit was lost, the retry first reads back what it meant
to write. If all of it is stored byte for byte, it was committed, and the callers get the
original results.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import Final

from lifecycle.core.instant import format_instant
from lifecycle.errors import (
    StoredFormatError,
    StoreError,
    StoreUnavailableError,
    UnknownKeyError,
    VersionConflictError,
)
from lifecycle.log.append_queue import Batch
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import link, seal
from lifecycle.log.contract import ORDERS, QUARANTINE, Append, Outcome
from lifecycle.log.encryption_check import EncryptionCheck
from lifecycle.log.link_store import OrderLink
from lifecycle.log.retry_policy import RetryPolicy
from lifecycle.log.store_port import InDoubtError, Recorder, Tip, TryAgainError
from lifecycle.log.stream_tails import StreamTail, StreamTails, Tails
from lifecycle.log.unrecorded_rules import UnrecordedRules

LOG: Final = logging.getLogger("lifecycle.log")
"""Logs what was stored and where; never order ids or content."""

MOST_LOST: Final = 4
"""From this retry on, a store without a write lock commits each stream by itself."""

_APPENDED: Final = Outcome.APPENDED
_DUPLICATE: Final = Outcome.DUPLICATE
_EMPTY: Final = Tip(0, None)


class AppendPlan:
    """What to insert (`new`) and what to answer for a group of batches, given the stream tails."""

    __slots__ = ("_answers", "_tails_of_new", "is_sealed", "links", "new", "tails")

    def __init__(self, group: Sequence[Batch], known: StreamTails) -> None:
        streams = dict.fromkeys([append.stream for batch in group for append in batch.appends])
        expected = {
            append.stream: batch.expected_version
            for batch in group
            if batch.expected_version is not None
            for append in batch.appends
        }
        self.tails: Tails = known.take(streams, expected)
        self.new: list[Append] = []
        self.links: list[OrderLink] = []
        self.is_sealed: bool = False
        self._tails_of_new: list[StreamTail] = []
        self._answers: list[tuple[Batch, list[Append], StoreError | None]] = []
        is_any_damaged = StoredFormatError in map(type, self.tails.values())
        for batch in group:
            is_checked = batch.expected_version is not None or is_any_damaged
            refusal = self._refusal(batch) if is_checked else None
            self._answers.append((batch, batch.appends, refusal))
            for append in batch.appends if refusal is None else ():
                tail = self.tails[append.stream]
                if isinstance(tail, StoredFormatError):
                    raise tail
                append.outcome, append.place = tail.place(append.key, append.digest)
                append.version = append.place.version
                if append.outcome is not _DUPLICATE:
                    self.new.append(append)
                    self._tails_of_new.append(tail)
                    self.links += append.links

    def seal(
        self, tip: Tip | None, recorded_at: datetime, printed: str, cipher: Cipher | None
    ) -> None:
        """Encode the new entries, and chain them to the log that ends at `tip`."""
        self.is_sealed = True
        after = None if tip is None else tip.link
        for append, tail in zip(self.new, self._tails_of_new, strict=True):
            append.recorded_at = recorded_at
            tail.previous = seal(append, tail.previous, after, printed, cipher)
            if tip is not None:
                after = link((append.stream, append.version, tail.previous))

    def settle(self, positions: Sequence[int]) -> None:
        """Settle every batch. Call only once all entries are durable."""
        if len(positions) != len(self.new):
            raise ValueError
        for append, position in zip(self.new, positions, strict=True):
            append.place.position = position
            # Whoever keeps the answer needs none of these any more.
            append.body = append.opening = append.state = b""
            append.context = None
            if append.outcome is not _APPENDED:
                LOG.warning("%s: stored at position %d", append.outcome.value, position)
        for batch, appends, refusal in self._answers:
            batch.appends = appends
            batch.settle(refusal)
        if LOG.isEnabledFor(logging.DEBUG):
            entries = sum(len(appends) for _, appends, _ in self._answers)
            LOG.debug("committed %d new of %d entries", len(positions), entries)

    def _refusal(self, batch: Batch) -> StoreError | None:
        for append in batch.appends:
            tail = self.tails[append.stream]
            if isinstance(tail, StoredFormatError):
                return StoredFormatError(tail.stream, tail.version, tail.found)
            expected = batch.expected_version
            if expected is None or expected == tail.version:
                continue
            if tail.find(append.key, append.digest) is None:
                return VersionConflictError(append.stream, tail.version, expected)
        return None


class Writer:
    """Commits groups of batches, one at a time. Not thread-safe: callers serialize."""

    def __init__(
        self, recorder: Recorder, clock: Callable[[], datetime], retry_timeout: float
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._retry_timeout = retry_timeout
        self._tails = StreamTails(recorder)
        self.encryption: EncryptionCheck = EncryptionCheck(recorder)
        self.cipher: Cipher | None = None
        self.rules: UnrecordedRules = UnrecordedRules()

    def commit(self, group: Sequence[Batch]) -> None:
        """Settle every batch. Propagates no `Exception`; interrupted, some may stay unsettled."""
        doubts: list[AppendPlan] = []
        try:
            whole = group
            if (streams := self.rules.streams) and any(
                append.stream.startswith(streams) for batch in group for append in batch.appends
            ):
                whole = [*self.rules.batches_before(group), *group]
            try:
                self._write(whole, doubts, exclusive=False)
            except TryAgainError as again:
                self._commit_again(whole, doubts, again)
        except Exception as failed:  # noqa: BLE001 - one by one: only the bad batch fails
            if isinstance(failed, StoreError) and not isinstance(failed, UnknownKeyError):
                LOG.error("not committed: %s", failed)  # noqa: TRY400 - every caller gets the traceback
                for batch in group:
                    batch.settle(_own(failed))
            elif len(group) == 1:
                group[0].settle(failed)
            else:
                for batch in group:
                    self.commit([batch])

    def _commit_again(
        self, group: Sequence[Batch], doubts: list[AppendPlan], failed: TryAgainError
    ) -> None:
        """Commit under the write lock what was not committed, as often as there is time for."""
        retries = RetryPolicy(self._recorder.url, self._retry_timeout)
        for tries in count(1):
            LOG.info("committing again: %s", failed.found)
            if tries >= MOST_LOST and not doubts and self._recorder.has_races:
                named = {append.stream for batch in group for append in batch.appends}
                if len(named) > 1:
                    return self._commit_apart(group)
            retries.wait(failed)
            for batch in group:  # what was decided may be in doubt: it stays as it is
                batch.appends = [append.renewed() for append in batch.appends]
            try:
                return self._write(group, doubts, exclusive=True)
            except TryAgainError as again:
                failed = again
        return None

    def _commit_apart(self, group: Sequence[Batch]) -> None:
        """Commit each stream by itself, those about no order last.

        So a lost race for one order does not repeat the others. A mark that an item was re-driven
        is recorded once its events are.
        """
        for batch in group:
            done: dict[int, Append] = {}
            streams = dict.fromkeys(append.stream for append in batch.appends)
            for stream in sorted(streams, key=lambda name: not name.startswith(ORDERS)):
                places = [n for n, each in enumerate(batch.appends) if each.stream == stream]
                part = Batch([batch.appends[n].renewed() for n in places], batch.expected_version)
                self.commit([part])
                if part.error is not None:
                    batch.settle(part.error)
                    break
                done |= zip(places, part.appends, strict=True)
            else:
                batch.appends = [done[n] for n in range(len(batch.appends))]
                batch.settle()

    def _write(self, group: Sequence[Batch], doubts: list[AppendPlan], *, exclusive: bool) -> None:
        """Insert the new entries. If `exclusive`, decide under the write lock.

        Missing keys are made durable first: without its key a record could not be read. The lost
        key of a known order is never replaced.
        """
        plan = None if exclusive else AppendPlan(group, self._tails)
        if plan is not None and not plan.new:
            self._recorder.confirm()
            plan.settle(())
            return self._tails.keep(plan.tails)
        check = self.encryption
        is_first = not (check.has_passed or check.passes(group, self.cipher))
        if self.cipher is not None:
            self.cipher.make(_new_key_ids((plan or AppendPlan(group, self._tails)).new))
        recorded_at = self._clock()
        printed = format_instant(recorded_at)
        try:
            with self._recorder.writing(exclusive=exclusive or is_first) as transaction:
                if is_first and transaction.tip != _EMPTY:
                    check.confirm_first()
                for doubt in doubts:
                    if (positions := self._find(doubt)) is not None:
                        plan = doubt
                        break
                else:
                    plan = plan or AppendPlan(group, self._tails)
                    plan.seal(transaction.tip, recorded_at, printed, self.cipher)
                    positions = transaction.insert(plan.new, plan.links)
        except InDoubtError:
            if plan is not None and plan.is_sealed and plan not in doubts:
                doubts.append(plan)
            raise
        plan.settle(positions)
        return self._tails.keep(plan.tails)

    def _find(self, doubt: AppendPlan) -> Sequence[int] | None:
        """Return the positions of a write in doubt; None unless every entry is stored as sealed."""
        positions = []
        for append in doubt.new:
            found = self._recorder.read(append.stream, append.version - 1, append.version)
            if not found or found[0].state != append.state:
                return None
            positions.append(found[0].position)
        return positions


def _new_key_ids(appends: Iterable[Append]) -> dict[str, None]:
    """Return the ids of the keys to make: of orders that begin, and of quarantined items."""
    return dict.fromkeys(
        append.key_id
        for append in appends
        if append.key_id and (append.version == 1 or append.stream == QUARANTINE)
    )


def _own(failed: StoreError) -> StoreError:
    """Copy a `StoreUnavailableError`, so that threads share no traceback; others as they are."""
    if not isinstance(failed, StoreUnavailableError):
        return failed
    own = type(failed)(failed.store, failed.found)
    own.__cause__ = failed.__cause__
    return own
