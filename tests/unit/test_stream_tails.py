"""Stream tails: what each takes in and refuses, what it answers, and how many are remembered."""

from __future__ import annotations

import pytest

from lifecycle.core.event import Entry, Redriven
from lifecycle.errors import StoredFormatError
from lifecycle.log.codec import hash_of, prepare, seal
from lifecycle.log.contract import (
    CONTROL,
    MAX_POSITION,
    QUARANTINE,
    Outcome,
    Record,
    StreamPosition,
)
from lifecycle.log.store_port import Head
from lifecycle.log.stream_tails import ControlTail, QuarantineTail, StreamTail, StreamTails
from tests.contract.entries import NOON, event, stream, unreadable
from tests.troubled_recorder import TroubledRecorder, commit, committer, insert

APPENDED, DUPLICATE, DIVERGENT = Outcome.APPENDED, Outcome.DUPLICATE, Outcome.DIVERGENT
LAST_VERSION = 2**63 - 1
ELSEWHERE = "its header was written for another place"
NO_NEXT = "no version can follow its own"


def head(entry: Entry, version: int = 1) -> Head:
    """Return the head of an entry that was stored at a version, at the position of that number."""
    append = prepare(entry)
    append.version = version
    seal(append, None, None, "2026-07-07T12:00:00Z")
    return Head(append.stream, version, version, append.state.partition(b"\n")[0])


def mark(number: int = 1) -> Redriven:
    return Redriven(number, stream(), "callback:1", NOON)


def outcomes(tail: StreamTail, *contents: tuple[str, str]) -> list[tuple[Outcome, int]]:
    """Return what a tail answers for some contents, each a key and a digest."""
    answers = [tail.place(*content) for content in contents]
    return [(outcome, place.version) for outcome, place in answers]


# The tail of an order


def test_a_tail_stands_where_the_last_record_that_it_took_in_stands():
    tail = StreamTail()
    last = head(event(number=2), 2)

    tail.add(head(event(number=1)))
    tail.add(last)

    assert (tail.version, tail.previous, tail.size) == (2, hash_of(last.header), 2)


@pytest.mark.parametrize("position", [1, MAX_POSITION])
def test_the_first_and_the_last_position_of_a_log_are_taken_in(position):
    tail, stored = StreamTail(), event()

    tail.add(head(stored)._replace(position=position))

    place = tail.find(stored.key, stored.digest)
    assert place is not None
    assert place.position == position


@pytest.mark.parametrize("position", [-1, 0, MAX_POSITION + 1])
def test_a_record_at_a_position_that_no_log_gives_is_refused(position):
    tail = StreamTail()

    with pytest.raises(StoredFormatError) as refused:
        tail.add(head(event())._replace(position=position))

    expected = f"its position is {position}; expected one from 1 to {MAX_POSITION}"
    assert (refused.value.stream, refused.value.version) == (stream(), 1)
    assert refused.value.found == expected
    assert (tail.version, tail.size) == (0, 0)


@pytest.mark.parametrize(
    ("version", "found"),
    [
        (1, "its version is 1; expected 2"),
        (3, "its version is 3; expected 2"),
        (0, "its version is 0; expected 1 or more"),
        ("2", "its version is no number"),
    ],
)
def test_a_record_that_is_not_the_next_of_its_stream_is_refused(version, found):
    tail = StreamTail()
    tail.add(head(event(number=1)))

    with pytest.raises(StoredFormatError) as refused:
        tail.add(head(event(number=2), 2)._replace(version=version))

    assert refused.value.found == found


@pytest.mark.parametrize(
    "misplaced",
    [
        head(event("another"))._replace(stream=stream()),
        head(event(), 2)._replace(version=1),
        head(unreadable())._replace(stream=stream()),
    ],
    ids=["of another order", "of another version", "of the quarantine"],
)
def test_a_header_that_was_written_for_another_place_is_refused(misplaced):
    tail = StreamTail()

    with pytest.raises(StoredFormatError) as refused:
        tail.add(misplaced)

    assert (refused.value.stream, refused.value.version) == (stream(), 1)
    assert refused.value.found == ELSEWHERE
    assert (tail.version, tail.previous, tail.size) == (0, None, 0)


def test_contents_of_one_key_are_divergent_once_and_duplicates_after_that():
    tail = StreamTail()

    answers = outcomes(tail, *[("k", digest) for digest in "abcabc"], ("other", "a"))

    assert answers == [
        (APPENDED, 1),
        (DIVERGENT, 2),
        (DIVERGENT, 3),
        (DUPLICATE, 1),
        (DUPLICATE, 2),
        (DUPLICATE, 3),
        (APPENDED, 4),
    ]
    assert (tail.version, tail.size) == (4, 4)


def test_a_content_that_was_read_back_twice_stands_where_the_first_stands_and_counts_once():
    tail = StreamTail()

    for version in (1, 2):
        tail.add(head(event(), version))

    place = tail.find("callback:1", event().digest)
    assert place is not None
    assert (place.version, tail.version, tail.size) == (1, 2, 1)


# The tail of the quarantine


def test_every_quarantined_item_is_a_new_one_and_none_is_remembered():
    tail = QuarantineTail()
    last = head(unreadable(), 7)

    tail.add(last)

    assert (tail.version, tail.previous) == (7, hash_of(last.header))
    quarantined = Outcome.QUARANTINED
    assert outcomes(tail, ("", ""), ("", "")) == [(quarantined, 8), (quarantined, 9)]
    assert tail.size == 0


@pytest.mark.parametrize("tail", [QuarantineTail(), ControlTail()])
def test_the_last_version_but_one_has_a_next(tail):
    tail.add(Head(QUARANTINE, LAST_VERSION - 1, 5, b"{}"))

    (answer,) = outcomes(tail, ("", ""))
    assert answer[1] == LAST_VERSION


@pytest.mark.parametrize("version", [LAST_VERSION, LAST_VERSION + 1])
def test_after_the_last_version_the_quarantine_takes_no_more(version):
    with pytest.raises(StoredFormatError) as refused:
        QuarantineTail().add(head(unreadable())._replace(version=version))

    assert (refused.value.stream, refused.value.version) == (QUARANTINE, version)
    assert refused.value.found == NO_NEXT


# The tail of the control stream


def test_of_the_rules_of_a_provider_the_last_count():
    tail = ControlTail()

    answers = outcomes(tail, *[("rules:a", fingerprint) for fingerprint in "xxyyx"])

    assert [answer[0] for answer in answers] == [APPENDED, DUPLICATE, APPENDED, DUPLICATE, APPENDED]
    assert (tail.version, tail.size) == (3, 1)


def test_the_rules_of_one_provider_do_not_count_for_another():
    tail = ControlTail()

    answers = outcomes(tail, ("rules:a", "x"), ("rules:b", "y"), ("rules:a", "x"))

    assert answers == [(APPENDED, 1), (APPENDED, 2), (DUPLICATE, 1)]


def test_rules_are_read_back_as_they_were_recorded():
    tail = ControlTail()

    for version, fingerprint in enumerate("xyx", 1):
        tail.put("rules:a", fingerprint, StreamPosition(version, version))

    assert tail.size == 1
    assert outcomes(tail, ("rules:a", "x"), ("rules:a", "y")) == [(DUPLICATE, 3), (APPENDED, 1)]


def test_whatever_is_no_rule_stays_known_beside_another_content_of_its_key():
    placed, read = ControlTail(), ControlTail()

    answers = outcomes(placed, *[("redriven:1", digest) for digest in "xyx"])
    for version, digest in enumerate("xyx", 1):
        read.put("redriven:1", digest, StreamPosition(version, version))

    assert answers == [(APPENDED, 1), (DIVERGENT, 2), (DUPLICATE, 1)]
    assert outcomes(read, ("redriven:1", "x"), ("redriven:1", "y")) == [
        (DUPLICATE, 1),
        (DUPLICATE, 2),
    ]
    assert placed.size == read.size == 2


@pytest.mark.parametrize(
    "damaged",
    [
        Head(CONTROL, 2, 2, b"damaged"),
        Head(CONTROL, 5, 2, b"damaged"),
        head(mark(9), 2)._replace(position=0),
        head(event(), 2)._replace(stream=CONTROL),
    ],
    ids=["no header", "after a gap", "at no position", "of an order"],
)
def test_a_damaged_control_record_is_passed_over(damaged):
    tail = ControlTail()
    tail.add(head(mark()))

    tail.add(damaged)

    assert (tail.version, tail.previous) == (damaged.version, hash_of(damaged.header))
    answers = outcomes(tail, ("redriven:1", ""), ("redriven:9", ""))
    assert answers == [(DUPLICATE, 1), (APPENDED, damaged.version + 1)]


@pytest.mark.parametrize("version", [LAST_VERSION, LAST_VERSION + 1, "2", 2.5])
def test_a_damaged_control_record_that_no_version_can_follow_is_refused(version):
    tail = ControlTail()
    tail.add(head(mark()))

    with pytest.raises(StoredFormatError) as refused:
        tail.add(Head(CONTROL, version, 2, b"damaged"))

    assert refused.value.version == version
    assert tail.version == 1


# The cache


def holding(**contents: int) -> TroubledRecorder:
    """Return a store that holds so many contents of each of some orders."""
    recorder = TroubledRecorder()
    writer = committer(recorder)
    for order_id, count in contents.items():
        commit(writer, [event(order_id, number) for number in range(count)])
    recorder.asked.clear()
    return recorder


def used(tails: StreamTails, *order_ids: str) -> None:
    """Take the tails of some orders one after the other, and keep them."""
    for order_id in order_ids:
        tails.keep(tails.take([stream(order_id)], {}))


@pytest.mark.parametrize(("kept", "read_again"), [(4, []), (3, [[stream("a")]])])
def test_as_many_contents_as_are_kept_are_not_read_again(kept, read_again):
    recorder = holding(a=3, b=1)
    tails = StreamTails(recorder, kept)
    used(tails, "a", "b")
    recorder.asked.clear()

    used(tails, "b", "a")

    assert recorder.asked == read_again


@pytest.mark.parametrize(("kept", "read_again"), [(4, []), (3, [[stream("b")]])])
def test_new_contents_count_as_those_that_were_read_back(kept, read_again):
    recorder = holding(b=1)
    tails = StreamTails(recorder, kept)
    used(tails, "b")
    taken = tails.take([stream("a")], {})
    for content in [("k", "x"), ("k", "y"), ("l", "x")]:
        tail = taken[stream("a")]
        assert isinstance(tail, StreamTail)
        tail.place(*content)
    tails.keep(taken)
    recorder.asked.clear()

    used(tails, "a", "b")

    assert recorder.asked == read_again


def test_the_least_recently_used_tail_is_dropped_first():
    recorder = holding(a=1, b=1, c=1)
    tails = StreamTails(recorder, 2)
    used(tails, "a", "b", "a", "c")
    recorder.asked.clear()

    used(tails, "a", "c", "b")

    assert recorder.asked == [[stream("b")]]


def test_the_tail_that_was_used_last_is_kept_however_long_it_is():
    recorder = holding(a=9)
    tails = StreamTails(recorder, 2)
    used(tails, "a")
    recorder.asked.clear()

    used(tails, "a")

    assert recorder.asked == []


def test_rules_that_change_all_the_time_crowd_out_no_order():
    recorder = holding(a=1)
    tails = StreamTails(recorder, 2)
    used(tails, "a")
    for number in range(9):
        taken = tails.take([CONTROL], {})
        control = taken[CONTROL]
        assert isinstance(control, ControlTail)
        control.place("rules:a", str(number))
        tails.keep(taken)
    recorder.asked.clear()

    used(tails, "a")

    assert recorder.asked == []


def test_a_tail_that_was_taken_and_not_kept_is_read_back():
    recorder = holding(a=1)
    tails = StreamTails(recorder)
    used(tails, "a")
    tails.take([stream("a")], {})
    recorder.asked.clear()

    used(tails, "a")

    assert recorder.asked == [[stream("a")]]


def test_the_streams_that_cannot_be_read_are_told_apart_from_those_that_can():
    recorder = TroubledRecorder()
    commit(committer(recorder), [event("sound")])
    insert(recorder, Record(stream("a"), 1, "callback", 0, b"damaged\n"))
    insert(recorder, Record(CONTROL, LAST_VERSION, "redriven", 0, b"damaged\n"))
    insert(recorder, Record(QUARANTINE, LAST_VERSION, "quarantined", 0, b"damaged\n"))
    names = [stream("a"), CONTROL, QUARANTINE, stream("sound"), stream("new")]

    taken = StreamTails(recorder).take(names, {})

    found = [each.found for each in taken.values() if isinstance(each, StoredFormatError)]
    assert taken.keys() == set(names)
    assert found == [
        "its header is no JSON",
        "its version is 9223372036854775807; expected 1",
        NO_NEXT,
    ]
    whole = {name: tail.version for name, tail in taken.items() if isinstance(tail, StreamTail)}
    assert whole == {stream("sound"): 1, stream("new"): 0}
