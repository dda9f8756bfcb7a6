"""Commits that lose race after race, to a store that keeps no writer out: made stream by stream."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.core.event import Redriven
from lifecycle.errors import VersionConflictError
from lifecycle.log.append_queue import ThreadBatch
from lifecycle.log.codec import prepare
from lifecycle.log.contract import CONTROL, QUARANTINE, Outcome
from lifecycle.log.store_port import Row, TryAgainError
from tests.contract.entries import NOON, event, stream, unreadable
from tests.troubled_recorder import (
    Block,
    Trouble,
    TroubledRecorder,
    commit,
    committer,
    committer_later,
    failed,
    never_asked,
)

APPENDED, DUPLICATE, DIVERGENT = Outcome.APPENDED, Outcome.DUPLICATE, Outcome.DIVERGENT
A, B = [stream("a")], [stream("b")]


class RacingRecorder(TroubledRecorder):
    """A store in memory where commits of so many streams or more lose their race, a few times.

    It notes the streams of each commit.
    """

    has_races = True

    def __init__(self, *troubles: Trouble, losses: int = 1000, streams: int = 2) -> None:
        super().__init__(*troubles)
        self.commits: list[list[str]] = []
        self._losses, self._streams = losses, streams

    def insert(self, rows: Sequence[Row]) -> Sequence[int]:
        streams = sorted({row.stream for row in rows})
        self.commits.append(streams)
        if self._losses and len(streams) >= self._streams:
            self._losses -= 1
            raise TryAgainError("other writers were always first")
        return super().insert(rows)


def test_a_commit_that_loses_race_after_race_is_made_stream_by_stream_control_records_last():
    recorder = RacingRecorder()
    sent = [
        event("a", 1),
        Redriven(1, stream("a"), "callback:1", NOON),
        unreadable(),
        event("b", 1),
        event("a", 1),
        event("a", 1, body=b"[]"),
    ]

    (told,) = commit(committer(recorder), sent)

    assert [(outcome, version) for outcome, version, _ in told] == [
        (APPENDED, 1),
        (APPENDED, 1),
        (Outcome.QUARANTINED, 1),
        (APPENDED, 1),
        (DUPLICATE, 1),
        (DIVERGENT, 2),
    ]
    stored = [(record.stream, record.version) for record in recorder.records()]
    assert stored[:3] == [(stream("a"), 1), (stream("a"), 2), (stream("b"), 1)]
    assert set(stored[3:]) == {(CONTROL, 1), (QUARANTINE, 1)}


def test_control_a_store_that_keeps_writers_out_is_asked_for_one_commit_again_and_again():
    recorder = RacingRecorder(losses=6)
    recorder.has_races = False

    told = commit(committer_later(recorder), [event("a", 1), event("b", 1)])

    assert told == [[(APPENDED, 1, 1), (APPENDED, 1, 2)]]
    assert recorder.commits == [A + B] * 7


def test_after_four_lost_races_each_stream_is_committed_by_itself():
    recorder = RacingRecorder()

    told = commit(committer_later(recorder), [event("b", 1), event("a", 1), event("b", 2)])

    assert told == [[(APPENDED, 1, 1), (APPENDED, 1, 3), (APPENDED, 2, 2)]]
    assert recorder.commits == [*[A + B] * 4, B, A]


def test_all_batches_of_a_group_are_committed_apart():
    recorder = RacingRecorder()

    told = commit(committer_later(recorder), [event("a", 1)], [event("b", 1), event("a", 1)])

    assert told == [[(APPENDED, 1, 1)], [(APPENDED, 1, 2), (DUPLICATE, 1, 1)]]
    assert recorder.commits == [*[A + B] * 4, A, B]


def test_entries_of_one_stream_are_never_committed_apart():
    recorder = RacingRecorder(losses=6, streams=1)

    told = commit(committer_later(recorder), [event("a", 1), event("a", 2)])

    assert told == [[(APPENDED, 1, 1), (APPENDED, 2, 2)]]
    assert recorder.commits == [A] * 7
    assert recorder.exclusive == [False, *[True] * 6], "it never began anew"


def test_a_commit_that_may_be_stored_already_is_never_made_apart():
    recorder = RacingRecorder(failed, losses=6)

    told = commit(committer_later(recorder), [event("a", 1), event("b", 1)])

    assert told == [[(APPENDED, 1, 1), (APPENDED, 1, 2)]]
    assert recorder.commits == [[], *[A + B] * 7]


def test_a_connection_lost_before_anything_was_inserted_leaves_no_doubt():
    recorder = RacingRecorder(never_asked)

    told = commit(committer_later(recorder), [event("a", 1), event("b", 1)])

    assert told == [[(APPENDED, 1, 1), (APPENDED, 1, 2)]]
    assert recorder.commits == [*[A + B] * 3, A, B]


def test_an_order_that_moved_on_meanwhile_refuses_the_rest_of_its_batch_and_no_other_batch():
    recorder = RacingRecorder()
    rival = committer(recorder)
    commit(rival, [event("a", 1)])
    commit(rival, [event("b", 1)])
    recorder.commits.clear()

    def well(block: Block) -> Block:
        return block

    def overtaken(block: Block) -> Block:
        commit(rival, [event("a", 2)])
        return block

    recorder.troubles += [*[well] * 4, overtaken]
    refused = ThreadBatch([prepare(event("a", 3)), prepare(event("b", 3))], 1)
    other = ThreadBatch([prepare(event("c", 1))])

    committer_later(recorder).commit([refused, other])

    error = refused.error
    assert isinstance(error, VersionConflictError)
    assert (error.stream, error.found, error.expected) == (stream("a"), 2, 1)
    assert [each.stream for each in recorder.records()] == [*A, *B, *A, stream("c")]
    assert [(each.version, each.position) for each in other.appends] == [(1, 4)]
