"""Whoever changes what a held checkpoint saw is found, on either store, also with Python alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lifecycle.audit.checkpoint import Checkpoint, Contradiction, is_continued, take
from lifecycle.audit.signed_note import Note
from lifecycle.audit.tree import LogTree
from lifecycle.audit.verify import verify
from lifecycle.log.feed_store import Delivery
from lifecycle.log.stores.memory.log import MemoryLog
from lifecycle.log.stores.postgres.log import PostgresLog
from lifecycle.log.stores.sqlite.log import SQLiteLog
from tests.contract.entries import event
from tests.insider import (
    KEY,
    RECORDS,
    RawPostgres,
    RawSQLite,
    Scene,
    back_date,
    forge_a_mark,
    move_a_feed,
    rehashed,
    scene,
    tamper,
)

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 8))]


@pytest.fixture(params=["sqlite", "postgres"])
def make(request, tmp_path) -> Iterator[object]:
    """Make a scene from a seed."""
    opened = []

    def sqlite(seed: int) -> Scene:
        path = tmp_path / f"{seed}.db"
        opened.append(SQLiteLog(path))
        return scene(opened[-1], RawSQLite(path), seed)

    def postgres(seed: int) -> Scene:
        url = server.new_url()
        opened.append(PostgresLog(url))
        return scene(opened[-1], RawPostgres(raw, url), seed)

    if request.param == "sqlite":
        yield sqlite
    else:
        server = request.getfixturevalue("postgres")
        with server.connect() as raw:
            yield postgres
    for log in opened:
        log.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_log_that_nobody_touched_raises_no_alarm(make, seed):
    seen = make(seed)

    told = seen.verified()

    assert (told.ok, told.notes, seen.standalone()) == (True, (), None)


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_change_of_records_is_found(make, kind, seed):
    seen = make(seed)

    tamper(seen, kind)

    assert not seen.verified().ok
    assert seen.standalone() is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_forged_mark_is_named(make, seed):
    seen = make(seed)

    forge_a_mark(seen)

    (finding,) = seen.verified().findings
    assert (finding.stream, finding.position) == ("control", seen.log.last_position())
    assert "was re-driven" in finding.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_a_subscription_that_was_moved_is_named(make, seed):
    seen = make(seed)

    move_a_feed(seen)

    (finding,) = seen.verified().findings
    assert "subscription 'notify' says it is at" in finding.sentence


@pytest.mark.parametrize("due_at", [None, datetime(2026, 7, 7, tzinfo=UTC)])
def test_a_letter_about_no_event_is_named_whether_dead_or_to_be_handed_over_again(make, due_at):
    seen = make(1)
    seen.log.feeds.begin("mail", 0)
    end = seen.log.last_position()
    assert seen.log.feeds.enqueue(0, Delivery("mail", end, "nobody", "why", 1, due_at))

    (finding,) = seen.verified().findings

    assert finding.position == end
    assert "subscription 'mail' holds a delivery of no event" in finding.sentence


@pytest.mark.parametrize("seed", SEEDS)
def test_a_record_that_claims_to_be_older_than_the_checkpoint_is_noted_and_no_failure(make, seed):
    seen = make(seed)

    back_date(seen)

    told = seen.verified()
    (note,) = told.notes
    assert told.ok
    assert note.position == seen.log.last_position()
    assert note.sentence.startswith("it claims to be over 5 minutes older than a checkpoint")


def test_the_first_record_that_was_rewritten_is_named_by_the_tree(make):
    seen = make(1)
    records = seen.raw.read()
    records[2] = records[2]._replace(state=records[2].state + b" ")
    seen.raw.write(rehashed(records))

    first = seen.verified().findings[0]

    assert (first.position, first.stream) == (records[2].position, records[2].stream)
    assert "the tree beside the log" in first.sentence


def test_a_hash_above_the_leaves_that_is_another_is_told():
    log = MemoryLog()
    log.append_many([event("o0", number) for number in range(600)])
    tree = LogTree(log)
    tree.follow()
    assert verify(log).ok
    above = log.tree.last(1)

    log.tree.extend(600, [log.tree.last(0), above._replace(hashes=bytes(32) + above.hashes[32:])])

    (finding,) = verify(log).findings
    assert finding.sentence.startswith("the hashes above the leaves of the tree")


def test_an_insider_with_database_and_key_still_contradicts_what_a_witness_fetched(make):
    seen = make(1)
    records = seen.raw.read()
    records[2] = records[2]._replace(state=records[2].state + b" ")
    seen.raw.write(rehashed(records))
    seen.raw.forget_the_tree()

    signed = take(seen.log, KEY, lambda: datetime.now(UTC))

    assert isinstance(signed, Note), "the insider has the key"
    assert KEY.public.has_signed(signed)
    assert verify(seen.log).ok, "inside of the database nothing shows it"
    assert not seen.verified().ok
    assert seen.standalone() is not None
    new, old = Checkpoint.parse(signed.text), seen.checkpoint
    proof = LogTree(seen.log).consistency(old.head.size, new.head.size)
    assert not is_continued(old, new, proof), "no witness that saw the old one signs the new one"


def test_a_checkpoint_is_only_signed_if_it_goes_on_from_the_last_one(make):
    seen = make(2)
    old = seen.checkpoint
    note = take(seen.log, KEY, lambda: datetime.now(UTC))
    assert isinstance(note, Note)
    new, tree = Checkpoint.parse(note.text), LogTree(seen.log)
    other = Checkpoint(old.head._replace(root=bytes(32)), old.origin)

    refused = take(seen.log, KEY, lambda: datetime.now(UTC), [other])

    assert is_continued(old, new, tree.consistency(old.head.size, new.head.size))
    assert refused == Contradiction(other, new.head)
