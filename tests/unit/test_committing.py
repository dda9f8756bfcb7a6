"""How a group of batches is committed: races, lost replies, refusals, and what is told of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest

from lifecycle.core.event import Redriven
from lifecycle.errors import (
    StoreClosedError,
    StoredFormatError,
    StoreUnavailableError,
    VersionConflictError,
)
from lifecycle.log.append_queue import ThreadBatch
from lifecycle.log.codec import prepare
from lifecycle.log.contract import CONTROL, QUARANTINE, Outcome, Record
from lifecycle.log.link_store import OrderLink
from lifecycle.log.store_port import InDoubtError, Row, Transaction, TryAgainError
from lifecycle.log.writer import Writer
from tests.contract.entries import NOON, event, stream, unreadable
from tests.tampered import header_hash, resealed
from tests.troubled_recorder import (
    LOST,
    Block,
    Refusing,
    TroubledRecorder,
    busy,
    commit,
    committer,
    committer_later,
    failed,
    first_only,
    headers,
    insert,
    is_sound,
    lost,
    never_asked,
)

APPENDED, DUPLICATE, DIVERGENT = Outcome.APPENDED, Outcome.DUPLICATE, Outcome.DIVERGENT
WRONG_FIELD = "a field of its header is missing or of a wrong type"


# Races


def test_the_loser_of_a_race_decides_again_under_the_lock():
    recorder = TroubledRecorder()
    one, other = committer(recorder), committer(recorder)
    commit(one, [event(number=1)])
    commit(other, [event(number=2), event(number=3, body=b"[1]")])
    recorder.exclusive.clear()

    told = commit(one, [event(number=2), event(number=4), event(number=3)])

    assert told == [[(DUPLICATE, 2, 2), (APPENDED, 4, 4), (DIVERGENT, 5, 5)]]
    assert recorder.exclusive == [False, True]
    assert is_sound(recorder)


def test_an_event_that_a_rival_stored_meanwhile_is_a_duplicate():
    recorder = TroubledRecorder()
    one, other = committer(recorder), committer(recorder)
    commit(one, [event(number=1)])
    commit(other, [event(number=2)])

    assert commit(one, [event(number=2)]) == [[(DUPLICATE, 2, 2)]]
    assert len(recorder.records()) == 2


def test_what_is_decided_under_the_lock_knows_what_was_stored_just_before_it():
    recorder = TroubledRecorder()
    rival = committer(recorder)

    def overtaken(block: Block) -> Block:
        commit(rival, [event(number=1)])
        return block

    recorder.troubles += [busy, overtaken]

    assert commit(committer_later(recorder), [event(number=2)]) == [[(APPENDED, 2, 2)]]
    assert recorder.exclusive == [False, True, True], "the rival wrote alone, as the first"


def test_a_store_that_is_busy_is_asked_alone_from_the_second_time_on(caplog):
    caplog.set_level(logging.INFO, "lifecycle.log")
    recorder = TroubledRecorder(busy, busy)

    assert commit(committer_later(recorder), [event()]) == [[(APPENDED, 1, 1)]]
    assert recorder.exclusive == [False, True, True]
    assert caplog.messages == ["committing again: it is busy"] * 2
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_the_first_body_of_a_log_is_stored_alone_and_the_next_is_not():
    recorder = TroubledRecorder()
    one, other = committer(recorder), committer(recorder)
    commit(one, [event()])
    commit(one, [event("b")])
    commit(other, [event("c")])
    assert recorder.exclusive == [True, False, False]


def test_a_store_that_stays_busy_is_an_error_of_each_caller_s_own(caplog):
    recorder = TroubledRecorder(*[busy] * 1000)

    told = commit(committer(recorder, 0), [event("a")], [event("b")])

    assert [(error.store, error.found) for error in told] == [("memory:", "it is busy")] * 2
    assert told[0] is not told[1]
    assert isinstance(told[0].__cause__, TryAgainError)
    assert told[1].__cause__ is told[0].__cause__
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            "not committed: store 'memory:' cannot be used: it is busy; mend it and try again",
        )
    ]


def test_a_store_that_was_closed_says_so_to_every_caller():
    recorder = TroubledRecorder()
    recorder.close()

    told = commit(committer(recorder), [event("a")], [event("b")])

    assert [type(error) for error in told] == [StoreClosedError] * 2


# Lost replies


@pytest.mark.parametrize("losses", [1, 2, 5])
def test_a_written_event_with_a_lost_reply_gets_its_real_receipt(losses):
    recorder = TroubledRecorder(*[lost] * losses)
    sent = [event("a", 1), event("b", 1), event("a", 2, b"[1]"), event("a", 2), unreadable()]

    told = commit(committer_later(recorder), sent[:2], sent[2:])

    assert told == [
        [(APPENDED, 1, 1), (APPENDED, 1, 2)],
        [(APPENDED, 2, 3), (DIVERGENT, 3, 4), (Outcome.QUARANTINED, 1, 5)],
    ]
    assert len(recorder.records()) == 5
    assert recorder.exclusive == [False, *[True] * losses]
    assert is_sound(recorder)


@pytest.mark.parametrize("trouble", [failed, never_asked])
@pytest.mark.parametrize("times", [1, 3])
def test_an_event_that_was_not_written_is_decided_again(trouble, times):
    recorder = TroubledRecorder(*[trouble] * times)

    told = commit(committer(recorder), [event("a", 1), unreadable()])

    assert told == [[(APPENDED, 1, 1), (Outcome.QUARANTINED, 1, 2)]]
    assert is_sound(recorder)


def test_the_written_one_of_several_uncertain_commits_is_found():
    recorder = TroubledRecorder(failed, lost)

    assert commit(committer(recorder), [unreadable(), event()]) == [
        [(Outcome.QUARANTINED, 1, 1), (APPENDED, 1, 2)]
    ]
    assert len(recorder.records()) == 2


def test_a_commit_that_shows_only_after_it_was_decided_again_is_found():
    recorder, late = TroubledRecorder(), []

    class KeptBack(Refusing):
        def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
            late.extend(Record(row.stream, row.version, row.topic, 0, row.state) for row in rows)
            return super().insert(rows, links)

    @contextmanager
    def kept_back(block: Block) -> Iterator[Transaction]:
        with block as transaction:
            yield KeptBack(transaction, 0)
        raise InDoubtError(LOST)

    def landed(block: Block) -> Block:
        insert(recorder, *late)
        return block

    recorder.troubles += [kept_back, failed, landed]

    assert commit(committer(recorder), [event("a", 1), unreadable()]) == [
        [(APPENDED, 1, 1), (Outcome.QUARANTINED, 1, 2)]
    ]
    assert [record.state for record in recorder.records()] == [record.state for record in late]


def test_each_attempt_is_logged_with_what_made_it_necessary(caplog):
    caplog.set_level(logging.INFO, "lifecycle.log")

    commit(committer(TroubledRecorder(busy, failed)), [event()])

    assert caplog.messages == [f"committing again: {found}" for found in ("it is busy", LOST)]


def test_a_record_that_was_only_half_written_is_not_counted():
    recorder = TroubledRecorder(first_only)

    told = commit(committer(recorder), [event("a", 1), event("a", 2)])

    assert told == [[(DUPLICATE, 1, 1), (APPENDED, 2, 2)]]
    assert is_sound(recorder)


def test_a_record_of_another_writer_is_not_mistaken_for_ones_own():
    recorder = TroubledRecorder()
    one, other = committer(recorder), committer(recorder)
    commit(other, [event("other")])

    def overtaken(block: Block) -> Block:
        commit(other, [unreadable(), event("a", 1)])
        return failed(block)

    recorder.troubles.append(overtaken)

    told = commit(one, [unreadable(), event("a", 2)])

    assert told == [[(Outcome.QUARANTINED, 2, 4), (APPENDED, 2, 5)]]
    assert is_sound(recorder)


def test_after_a_lost_reply_all_goes_on_as_if_it_had_come():
    recorder = TroubledRecorder(lost)
    commits = committer(recorder)
    commit(commits, [event(number=1)])
    recorder.asked.clear()

    told = commit(commits, [event(number=1), event(number=2)])

    assert told == [[(DUPLICATE, 1, 1), (APPENDED, 2, 2)]]
    assert recorder.asked == [], "what it wrote is remembered"


# What is decided


def test_a_stored_event_needs_no_write_and_no_clock():
    times: list[datetime] = [NOON]
    recorder = TroubledRecorder()
    commits = Writer(recorder, times.pop, 5)
    commit(commits, [event()])
    recorder.exclusive.clear()

    assert commit(commits, [event()], [event()]) == [[(DUPLICATE, 1, 1)]] * 2
    assert recorder.exclusive == []


def test_a_duplicate_is_told_only_where_the_store_is_still_there():
    class Removed(TroubledRecorder):
        def confirm(self) -> None:
            raise StoreUnavailableError(self.url, "it was removed")

    recorder = Removed()
    commits = committer(recorder)
    commit(commits, [event()])

    (error,) = commit(commits, [event()])

    assert isinstance(error, StoreUnavailableError)
    assert error.found == "it was removed"


def test_an_order_is_remembered_after_a_duplicate():
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event(number=1)])
    commit(commits, [event(number=1)])
    recorder.asked.clear()

    assert commit(commits, [event(number=2)]) == [[(APPENDED, 2, 2)]]
    assert recorder.asked == []


def test_a_cached_order_is_not_read_again():
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event("a", 1), event("b", 1)])
    assert recorder.asked == [[stream("a"), stream("b")]]
    commit(commits, [event("a", 2), unreadable()])
    assert recorder.asked[1:] == [[QUARANTINE]]

    commit(commits, [event("a", 3), event("b", 1), event("c", 1), unreadable()])

    assert recorder.asked[2:] == [[stream("c")]]


def test_a_store_is_asked_about_256_orders_at_once():
    recorder = TroubledRecorder()

    commit(committer(recorder), [event(str(n)) for n in range(600)])

    assert [len(streams) for streams in recorder.asked] == [256, 256, 88]
    assert recorder.asked[2][-1] == stream("599")


def test_duplicates_within_one_group_stand_where_the_first_copy_stands():
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event("z")])

    told = commit(
        commits,
        [event("a", 1), event("a", 1, b"[]"), event("a", 1)],
        [event("a", 1, b"[]"), event("a", 1, b"[2]"), event("a", 1)],
    )

    assert told == [
        [(APPENDED, 1, 2), (DIVERGENT, 2, 3), (DUPLICATE, 1, 2)],
        [(DUPLICATE, 2, 3), (DIVERGENT, 3, 4), (DUPLICATE, 1, 2)],
    ]
    assert commit(commits, [event("a", 1, b"[2]"), event("a", 1)]) == [
        [(DUPLICATE, 3, 4), (DUPLICATE, 1, 2)]
    ]
    assert is_sound(recorder)


@pytest.mark.parametrize("order", ["a", "b"])
def test_an_unexpected_version_is_an_error_of_its_own_batch(order):
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event("a", 1), event("b", 1)])

    batches = [
        ThreadBatch([prepare(event(order, 2))], 0),
        ThreadBatch([prepare(event(order, 1))], 0),
        ThreadBatch([prepare(event(order, 3))], 1),
        ThreadBatch([prepare(event(order, 4))], 1),
        ThreadBatch([prepare(event(order, 5))]),
    ]
    commits.commit(batches)

    assert isinstance(batches[0].error, VersionConflictError)
    found = batches[0].error
    assert (found.stream, found.found, found.expected) == (stream(order), 1, 0)
    assert [done.outcome for done in batches[1].appends] == [DUPLICATE]
    assert [done.version for done in batches[2].appends] == [2]
    assert isinstance(batches[3].error, VersionConflictError)
    assert batches[3].error.found == 2
    assert [done.version for done in batches[4].appends] == [3]


def test_an_expectation_covers_every_entry_of_its_batch():
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event("a", 1)])

    (refused,) = commit(commits, [event("a", 1), event("a", 2)], expected=0)

    assert isinstance(refused, VersionConflictError)
    assert len(recorder.records()) == 1


def test_an_expectation_that_memory_does_not_meet_is_looked_up():
    recorder = TroubledRecorder()
    one, other = committer(recorder), committer(recorder)
    commit(one, [event(number=1)])
    commit(other, [event(number=2)])
    recorder.exclusive.clear()

    assert commit(one, [event(number=3)], expected=2) == [[(APPENDED, 3, 3)]]
    assert recorder.exclusive == [False], "it was not caught by the unique key"


# Records that cannot be read


def damaged(header: bytes) -> TroubledRecorder:
    """Return a store with a sound order, and one whose second record has this header."""
    recorder = TroubledRecorder()
    commit(committer(recorder), [event("sound", 1), event("a", 1)])
    insert(recorder, Record(stream("a"), 2, "callback", 0, header + b"\n"))
    insert(recorder, Record(stream("a"), 3, "callback", 0, b"as bad\n"))
    return recorder


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"damaged", "its header is no JSON"),
        (b'{"v":2,"key":"k"}', WRONG_FIELD),
        (b'{"v":2,"record":"event","digest":"d"}', WRONG_FIELD),
        (b'{"v":2,"record":"event","key":5,"digest":"d"}', WRONG_FIELD),
    ],
)
def test_an_order_whose_record_cannot_be_read_takes_no_more_and_harms_no_other(header, found):
    commits = committer(damaged(header))

    first, second, third = commit(commits, [event("a", 9)], [event("sound", 2)], [event("a", 1)])

    assert second == [(APPENDED, 2, 5)]
    for refused in (first, third):
        assert isinstance(refused, StoredFormatError)
        assert (refused.stream, refused.version, refused.found) == (stream("a"), 2, found)
    assert first is not third


def test_a_batch_with_one_entry_for_a_damaged_order_is_refused_whole():
    recorder = damaged(b"damaged")

    (refused,) = commit(committer(recorder), [event("sound", 2), event("a", 9)])

    assert isinstance(refused, StoredFormatError)
    assert len(recorder.records()) == 4


def test_a_content_that_lies_there_twice_is_a_duplicate_of_the_first():
    recorder = TroubledRecorder()
    commit(committer(recorder), [event("a", 1), event("a", 2)])
    state = recorder.records()[0].state
    again = resealed(state, version=3)
    insert(recorder, Record(stream("a"), 3, "callback", 0, again))

    told = commit(committer(recorder), [event("a", 1), event("a", 2), event("a", 3)])

    assert told == [[(DUPLICATE, 1, 1), (DUPLICATE, 2, 2), (APPENDED, 4, 4)]]


def test_divergent_contents_are_read_back_as_they_were_written():
    recorder = TroubledRecorder()
    bodies = [b"[1]", b"[2]", b"[3]"]
    commit(committer(recorder), [event("a", 1, body) for body in bodies])

    told = commit(committer(recorder), [event("a", 1, body) for body in [*bodies[::-1], b"[4]"]])

    assert told == [[(DUPLICATE, 3, 3), (DUPLICATE, 2, 2), (DUPLICATE, 1, 1), (DIVERGENT, 4, 4)]]


def test_the_quarantine_is_never_read_whole_and_goes_on_where_it_stood():
    recorder = TroubledRecorder()
    commit(committer(recorder), [unreadable(), unreadable()])
    commits = committer(recorder)

    told = commit(commits, [unreadable()], [Redriven(1, stream(), "callback:1", NOON)])

    assert told == [[(Outcome.QUARANTINED, 3, 3)], [(APPENDED, 1, 4)]]
    assert commit(commits, [unreadable()]) == [[(Outcome.QUARANTINED, 4, 5)]]
    asked = [[QUARANTINE], [CONTROL], [QUARANTINE]]
    assert recorder.asked == asked, "one record, and by each writer once"
    assert is_sound(recorder)


def test_a_writer_that_remembers_nothing_knows_which_items_were_redriven():
    recorder = TroubledRecorder()
    marks = [Redriven(number, stream(), "callback:1", NOON) for number in range(1, 301)]
    commit(committer(recorder), marks)

    told = commit(committer(recorder), marks)

    assert {outcome for outcome, _, _ in told[0]} == {DUPLICATE}
    assert recorder.last_position() == 300


# One caller's trouble


def test_the_entries_of_a_failed_group_are_retried_one_by_one():
    times: list[datetime | None] = [None, NOON, None, NOON]
    recorder = TroubledRecorder()
    commits = Writer(recorder, lambda: times.pop(0), 5)

    first, second, third = commit(commits, [event("a")], [event("b")], [event("c")])

    assert first == [(APPENDED, 1, 1)]
    assert isinstance(second, AttributeError)
    assert third == [(APPENDED, 1, 2)]


def test_an_interrupt_propagates_and_settles_no_entry():
    def interrupted(_: Block) -> Block:
        raise KeyboardInterrupt

    recorder = TroubledRecorder(interrupted)
    batch = ThreadBatch([prepare(event())])

    with pytest.raises(KeyboardInterrupt):
        committer(recorder).commit([batch])

    assert not batch.settled


@pytest.mark.parametrize("answer", [(1,), (1, 2, 3), ()])
def test_a_store_that_miscounts_acknowledges_nothing(answer):
    class Miscounting(Refusing):
        def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
            del links
            super().insert(rows)
            return answer

    @contextmanager
    def miscounting(block: Block) -> Iterator[Transaction]:
        with block as transaction:
            yield Miscounting(transaction, 2)

    (error,) = commit(committer(TroubledRecorder(miscounting)), [event("a"), event("b")])

    assert isinstance(error, ValueError)


def test_a_store_that_miscounts_takes_no_body_from_what_is_tried_again():
    class Forgetful(Refusing):
        def insert(self, rows: Sequence[Row], links: Sequence[OrderLink] = ()) -> Sequence[int]:
            super().insert(rows, links)
            return (1,)

    @contextmanager
    def forgetful(block: Block) -> Iterator[Transaction]:
        with block as transaction:
            yield Forgetful(transaction, 0)

    recorder = TroubledRecorder(forgetful)

    told = commit(committer(recorder), [event("a", body=b"[1]")], [event("b", body=b"[2]")])

    assert told == [[(APPENDED, 1, 1)], [(APPENDED, 1, 2)]]
    assert [record.state.partition(b"\n")[2] for record in recorder.records()] == [b"[1]", b"[2]"]
    assert is_sound(recorder)


# What is written


def test_a_store_that_cannot_know_its_tip_links_no_records():
    @contextmanager
    def without_tip(block: Block) -> Iterator[Transaction]:
        with block as transaction:
            transaction.tip = None
            yield transaction

    recorder = TroubledRecorder(without_tip)
    commit(committer(recorder), [event("a", 1), event("a", 2)])

    assert ["after" in header for header in headers(recorder)] == [False, False]
    assert ["previous" in header for header in headers(recorder)] == [False, True]


def test_every_record_names_the_one_before_it_whatever_commit_wrote_that():
    recorder = TroubledRecorder()
    commits = committer(recorder)
    commit(commits, [event("a", 1), event("b", 1)])
    commit(commits, [unreadable(), event("a", 2)])
    commit(committer(recorder), [event("a", 3)])

    records = recorder.records()

    named = [header["after"] for header in headers(recorder)[1:]]
    assert named == [[one.stream, one.version, header_hash(one.state)] for one in records[:-1]]
    assert "after" not in headers(recorder)[0]
    chain = [header_hash(one.state) for one in records if one.stream == stream("a")]
    own = [header.get("previous") for header in headers(recorder) if header.get("order_id") == "a"]
    assert own == [None, *chain[:-1]]


def test_the_records_of_one_commit_have_one_time():
    recorder = TroubledRecorder()
    commit(committer(recorder), [event("a", 1), event("a", 2)])

    times = {header["recorded_at"] for header in headers(recorder)}

    assert times == {"2026-07-07T12:00:00.000001Z"}


def test_an_answer_tells_when_its_record_was_stored_and_a_duplicate_s_does_not():
    batch = ThreadBatch([prepare(event("a", 1)), prepare(event("a", 1))])
    committer(TroubledRecorder()).commit([batch])

    first, again = batch.appends
    assert (first.recorded_at, again.recorded_at) == (NOON + timedelta(microseconds=1), None)


# What is said of it


def test_log_lines_have_outcome_and_position_and_no_order_id(caplog):
    caplog.set_level(logging.DEBUG, "lifecycle.log")
    commits = committer(TroubledRecorder())
    commit(
        commits,
        [event("a", 1), event("a", 1), event("a", 1, b"[]")],
        [unreadable(), Redriven(1, stream(), "callback:1", NOON)],
    )
    commit(commits, [event("a", 1)])

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "divergent: stored at position 2"),
        ("WARNING", "quarantined: stored at position 3"),
        ("DEBUG", "committed 4 new of 5 entries"),
        ("DEBUG", "committed 0 new of 1 entries"),
    ]
