"""What `verify` says of a changed log, word for word: every finding, and no other."""

from __future__ import annotations

from hashlib import sha256

import pytest

from lifecycle.audit.difference import Finding
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.verify import verify
from lifecycle.core.event import Redriven
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import CONTROL, QUARANTINE
from lifecycle.log.stores.memory.log import MemoryLog
from tests.contract.entries import NOON, TickingClock, event, stream, unreadable
from tests.tampered import Shelf, header_hash, resealed

A, B = stream("a"), stream("b")
CHANGED = "its body was changed"
HEADER = "its header is not the one that the next record in the log saw"
MISSING = "a field of its header is missing or of a wrong type"
REWRITTEN = "the records up to here are not those that the checkpoint that was given saw"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(clock=TickingClock())


@pytest.fixture
def shelf(log) -> Shelf:
    """Two orders, one after the other in turn, and two records of the quarantine."""
    log.append_many([event("ab"[n % 2], n, redriven_from=1 if n == 2 else None) for n in range(6)])
    log.append_many([unreadable(), Redriven(1, A, "callback:2", NOON)])
    return Shelf(list(log.scan()))


def findings(shelf: Shelf, checkpoint: TreeHead | None = None) -> list[tuple[object, ...]]:
    """Return every finding as a plain tuple, all of them counted and kept."""
    told = verify(shelf, checkpoints=[checkpoint] if checkpoint else [])
    assert told.found == len(told.findings)
    assert told.ok is (not told.findings)
    return [tuple(finding) for finding in told.findings]


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def link(shelf: Shelf, position: int) -> list[object]:
    """Return how the next record names the one at a position."""
    record = shelf[position]
    return [record.stream, record.version, header_hash(record.state)]


def test_a_sound_log_is_counted_and_has_a_checkpoint(shelf):
    told = verify(shelf)

    assert (told.ok, told.findings, told.found) == (True, (), 0)
    assert (told.records, told.orders, told.checkpoint.size) == (8, 2, 8)
    leaves = [sha256(b"\0" + record.state.partition(b"\n")[0]) for record in shelf.records]
    one, two, three, four, *others = [leaf.digest() for leaf in leaves]
    halves = [node(node(one, two), node(three, four))]
    halves.append(node(node(*others[:2]), node(*others[2:])))
    assert told.checkpoint.root == node(*halves)


def test_records_appended_meanwhile_are_not_checked(log, shelf, monkeypatch):
    read = log.scan

    def scan(**limits: int):
        log.append(event("late", 9))
        return read(**limits)

    monkeypatch.setattr(log, "scan", scan)

    assert verify(log).records == 8


# One record


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state + b"x", CHANGED),
        (lambda state: resealed(state, sha256=None), CHANGED),
        (lambda state: state.replace(b"brand_new", b"brand_now", 1), "its header was changed"),
        (lambda state: b"\xff" + state, "its header is no JSON"),
        (lambda state: b"[]\n", "its header is no JSON object"),
        (lambda state: b'{"v":2}\n', MISSING),
        (lambda state: b'{"v":2,"provider":"instacart","order_id":"a"}\n', MISSING),
        (lambda state: resealed(state, v=3), "it has format 3, this release reads 2"),
        (
            lambda state: resealed(state, received_at="noon"),
            "a field of its header is missing or of a wrong type",
        ),
        (
            lambda state: resealed(state, version=7),
            f"its header was written for version 7 of '{A}'",
        ),
        (
            lambda state: resealed(state, order_id="c"),
            "its header was written for version 2 of 'order:instacart:c'",
        ),
        (
            lambda state: resealed(state, kind="poll"),
            "its topic is not 'poll', which its header calls for",
        ),
        (lambda state: resealed(state, after="nothing"), MISSING),
        (lambda state: resealed(state, after=5), MISSING),
        (lambda state: resealed(state, after=[A]), MISSING),
        (lambda state: resealed(state, after=[A, "2", "hash"]), MISSING),
        (lambda state: resealed(state, after=[2, 2, "hash"]), MISSING),
        (lambda state: resealed(state, after=["x", 5]), MISSING),
        (lambda state: resealed(state, name="delivered"), HEADER),
        (lambda state: resealed(state, previous="0" * 64), "the chain of its stream breaks here"),
    ],
)
def test_a_changed_record_is_one_finding(shelf, change, sentence):
    shelf.change(3, state=change(shelf[3].state))

    assert findings(shelf) == [(A, 2, 3, sentence)]


def test_a_record_whose_version_is_no_number_is_one_finding_and_one_is_missing(shelf):
    shelf.change(3, version="second")

    assert findings(shelf) == [
        (A, "second", 3, "its version is no number"),
        (B, 2, 4, f"it was not written where it stands, but after version 2 of '{A}'"),
        (A, 2, None, "it is gone: versions 2 to 2 are missing before version 3"),
    ]


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ({"topic": "poll"}, "its topic is not 'callback', which its header calls for"),
        ({"stream": B}, f"its header was written for version 2 of '{A}'"),
        ({"version": 3}, f"its header was written for version 2 of '{A}'"),
    ],
)
def test_a_changed_column_is_named(shelf, column, found):
    shelf.change(3, **column)

    assert findings(shelf)[0] == (shelf[3].stream, shelf[3].version, 3, found)


# Where it stands


@pytest.mark.parametrize(
    ("after", "where"),
    [
        (["x", 5, "hash"], "after version 5 of 'x'"),
        ([A, 1, "hash"], f"after version 1 of '{A}'"),
        ([A, 3, "hash"], f"after version 3 of '{A}'"),
    ],
)
def test_a_record_that_names_another_before_it_was_not_written_there(shelf, after, where):
    shelf.reseal(4, after=after)

    assert findings(shelf) == [
        (B, 2, 4, f"it was not written where it stands, but {where}"),
    ]


def test_the_first_record_that_names_one_before_it_was_not_written_there(shelf):
    shelf.reseal(1, after=["x", 5, "hash"])

    assert findings(shelf) == [
        (A, 1, 1, "it was not written where it stands, but after version 5 of 'x'"),
    ]


@pytest.mark.parametrize("position", [1, 4, 8])
def test_a_record_that_names_none_may_come_from_a_store_that_cannot_know(shelf, position):
    shelf.reseal(position, after=None)
    for record in shelf.records[position:]:
        shelf.reseal(record.position, after=link(shelf, record.position - 1))
    for record in shelf.records:
        chain = [r for r in shelf.records if r.stream == record.stream]
        if record.version > 1:
            shelf.reseal(record.position, previous=header_hash(chain[record.version - 2].state))
        if record.position > position:
            shelf.reseal(record.position, after=link(shelf, record.position - 1))

    assert findings(shelf) == []


def test_the_record_that_was_put_between_two_is_named(shelf):
    for position in range(8, 3, -1):
        shelf.move(position, position + 1)
    state = resealed(event_state("c"), after=link(shelf, 3))
    shelf.records.insert(3, shelf[3]._replace(stream=stream("c"), version=1, position=4))
    shelf.change(4, state=state)

    assert findings(shelf) == [
        (stream("c"), 1, 4, "it was put between two records that follow each other"),
    ]


def event_state(order_id: str) -> bytes:
    other = MemoryLog(clock=TickingClock())
    other.append(event(order_id))
    return next(other.scan()).state


def test_two_swapped_records_are_both_named(shelf):
    shelf.move(1, 9)
    shelf.move(2, 1)
    shelf.move(9, 2)

    assert findings(shelf) == [
        (B, 1, 1, f"it was not written where it stands, but after version 1 of '{A}'"),
        (A, 1, 2, "it was put between two records that follow each other"),
    ]


def test_a_record_that_was_moved_is_named(shelf):
    shelf.move(8, 10)

    assert findings(shelf) == [
        (CONTROL, 1, 10, "its position was changed; it was written at 8"),
    ]


# What is gone


def test_a_missing_record_is_named_by_the_record_after_it(shelf):
    shelf.remove(3)

    assert findings(shelf) == [(A, 2, 3, "it is gone: position 3 holds nothing")]


def test_the_first_one_that_is_gone_is_named_by_the_record_after_it(shelf):
    shelf.remove(1)

    assert findings(shelf) == [(A, 1, 1, "it is gone: position 1 holds nothing")]


def test_the_last_of_several_missing_records_is_named_and_the_versions_without_a_link(shelf):
    shelf.remove(3, 4)

    assert findings(shelf) == [
        (B, 2, 4, "it is gone, the last of several: positions 3 to 4 hold nothing"),
        (A, 2, None, "it is gone: versions 2 to 2 are missing before version 3"),
    ]


def test_one_of_several_missing_versions_is_named(shelf):
    shelf.remove(1, 2, 3)

    assert findings(shelf) == [
        (A, 2, 3, "it is gone, the last of several: positions 1 to 3 hold nothing"),
        (B, 1, None, "it is gone: versions 1 to 1 are missing before version 2"),
        (A, 1, None, "it is gone: versions 1 to 2 are missing before version 3"),
    ]


def test_a_named_record_is_not_reported_missing_again(shelf):
    shelf.remove(1, 3)

    assert findings(shelf) == [
        (A, 1, 1, "it is gone: position 1 holds nothing"),
        (A, 2, 3, "it is gone: position 3 holds nothing"),
    ]


def test_a_missing_record_that_cannot_be_known_is_not_named(shelf):
    shelf.remove(3)
    shelf.reseal(4, after=None)

    assert findings(shelf) == [
        (None, None, 3, "it is gone: position 3 holds nothing"),
        (B, 2, 4, HEADER),
        (A, 2, None, "it is gone: versions 2 to 2 are missing before version 3"),
    ]


def test_a_record_reported_missing_that_comes_later_hides_no_other(shelf):
    shelf.remove(3)
    shelf.reseal(4, after=[A, 3, "hash"])

    assert findings(shelf) == [
        (A, 3, 3, "it is gone: position 3 holds nothing"),
        (B, 2, 4, HEADER),
        (A, 2, None, "it is gone: versions 2 to 2 are missing before version 3"),
    ]


# Where positions have gaps


@pytest.fixture
def unlinked(shelf) -> Shelf:
    """As a store writes them that cannot know what stands before a record."""
    shelf.gapless = False
    return shelf


def test_without_links_the_stream_s_chain_names_the_record_before(unlinked):
    unlinked.reseal(3, name="delivered")

    assert findings(unlinked) == [(A, 2, 3, "the chain of its stream breaks here")]


def test_without_links_a_changed_record_is_one_finding(unlinked):
    unlinked.change(3, state=unlinked[3].state.replace(b"brand_new", b"brand_now", 1))

    assert findings(unlinked) == [(A, 2, 3, "its header was changed")]


def test_without_links_a_missing_record_shows_in_its_stream(unlinked):
    unlinked.remove(1, 3, 4)

    assert findings(unlinked) == [
        (A, 1, None, "it is gone: versions 1 to 2 are missing before version 3"),
        (B, 2, None, "it is gone: versions 2 to 2 are missing before version 3"),
    ]


def test_without_links_a_record_that_comes_too_late_is_named(unlinked):
    unlinked.move(3, 9)
    unlinked.move(1, 3)
    unlinked.move(9, 1)

    assert findings(unlinked)[:2] == [
        (A, 1, None, "it is gone: versions 1 to 1 are missing before version 2"),
        (A, 1, 3, "its version comes too late; expected 3"),
    ]


def test_a_first_record_that_names_one_of_its_stream_before_it_is_named(unlinked):
    unlinked.reseal(7, previous="0" * 64)
    unlinked.remove(8)

    sentence = "it is the first of its stream, but names one before it"
    assert findings(unlinked) == [(QUARANTINE, 1, 7, sentence)]


# Under a checkpoint


def test_a_cut_end_is_named(shelf):
    checkpoint = verify(shelf).checkpoint
    shelf.remove(7, 8)

    assert findings(shelf, checkpoint) == [
        (None, None, 7, "the log ends after 6 records, but the checkpoint that was given saw 8"),
    ]


def test_an_empty_log_ends_at_the_start(shelf):
    checkpoint = verify(shelf).checkpoint

    assert findings(Shelf([]), checkpoint) == [
        (None, None, 1, "the log ends after 0 records, but the checkpoint that was given saw 8"),
    ]


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_rewritten_log_is_detected_whatever_its_length(shelf, log, later):
    checkpoint = verify(shelf).checkpoint
    other = MemoryLog(clock=TickingClock())
    other.append_many([event("z", n) for n in range(8 + later)])

    assert findings(Shelf(list(other.scan())), checkpoint) == [(None, None, 8, REWRITTEN)]


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_log_that_only_grew_holds_its_checkpoint(shelf, log, later):
    checkpoint = verify(shelf).checkpoint
    log.append_many([event("z", n) for n in range(later)])

    told = verify(log, checkpoints=[checkpoint])

    assert (told.ok, told.checkpoint.size) == (True, 8 + later)
    assert (told.checkpoint == checkpoint) is (later == 0)


@pytest.mark.parametrize(
    ("text", "position"),
    [("0:", 0), ("7:", 7), ("9" * 19 + ":", int("9" * 19)), (" 7:", 7), ("\n7:", 7)],
)
def test_a_checkpoint_is_read_as_it_was_written(text, position):
    digest = "0123456789abcdef" * 4

    assert TreeHead.parse(f"{text}{digest}\n") == (position, bytes.fromhex(digest))
    assert str(TreeHead(position, bytes.fromhex(digest))) == f"{position}:{digest}"


@pytest.mark.parametrize(
    "text", ["9" * 20 + ":" + "a" * 64, "7:" + "a" * 63, "7:" + "a" * 65, "7" + "a" * 64]
)
def test_a_malformed_checkpoint_is_refused(text):
    with pytest.raises(InvalidArgumentError) as refused:
        TreeHead.parse(text)

    assert refused.value.argument == "checkpoint"
    assert refused.value.expected == "a size, a colon and 64 hex digits"


# Very many


@pytest.mark.parametrize("changed", [100, 101, 150])
def test_the_first_hundred_findings_are_kept_and_all_are_counted(log, changed):
    log.append_many([event(str(n), n) for n in range(changed)])
    shelf = Shelf([record._replace(state=record.state + b"x") for record in log.scan()])

    told = verify(shelf)

    assert (told.found, told.ok, told.records) == (changed, False, changed)
    assert told.findings == tuple(Finding(stream(str(n)), 1, n + 1, CHANGED) for n in range(100))
