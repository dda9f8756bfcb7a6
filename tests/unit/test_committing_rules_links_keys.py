"""What a commit holds beside the events: the rules before the first, their links, their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lifecycle.core.event import Redriven
from lifecycle.errors import KeyStoreError, UnknownKeyError
from lifecycle.log.append_queue import ThreadBatch
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import decode, prepare, prepare_for_encryption
from lifecycle.log.contract import CONTROL, QUARANTINE, DeclaredRules, Outcome, Record
from lifecycle.log.key_store import key_id_of
from lifecycle.log.writer import Writer
from lifecycle.providers.instacart.definition import LAST_MILE
from tests.contract.entries import NOON, event, stream, unreadable
from tests.contract.keys import OwnKeys
from tests.troubled_recorder import (
    Block,
    TroubledRecorder,
    busy,
    commit,
    committer,
    failed,
    headers,
    insert,
    is_sound,
    lost,
)

APPENDED, DUPLICATE, DIVERGENT = Outcome.APPENDED, Outcome.DUPLICATE, Outcome.DIVERGENT


def streams(recorder: TroubledRecorder) -> list[str]:
    return [record.stream for record in recorder.records()]


# Rules


def ruled(recorder: TroubledRecorder) -> Writer:
    """Return a writer of a process that has declared the rules of one provider."""
    writer = committer(recorder)
    writer.rules.declare({"instacart": DeclaredRules(LAST_MILE, "a test")})
    return writer


def test_rules_are_recorded_before_the_first_event_of_their_provider_in_its_transaction():
    recorder = TroubledRecorder()

    told = commit(ruled(recorder), [event("a", 1)])

    assert told == [[(APPENDED, 1, 2)]]
    assert streams(recorder) == [CONTROL, stream("a")]
    assert headers(recorder)[0]["fingerprint"] == LAST_MILE.fingerprint
    assert len(recorder.exclusive) == 1
    assert is_sound(recorder)


def test_rules_are_recorded_with_their_first_event_only():
    recorder = TroubledRecorder()
    writer = ruled(recorder)

    commit(writer, [event("a", 1)])
    commit(writer, [event("b", 1)])

    assert streams(recorder) == [CONTROL, stream("a"), stream("b")]


def test_events_of_other_providers_and_unreadable_ones_record_no_rules():
    recorder = TroubledRecorder()
    writer = ruled(recorder)

    commit(writer, [event("z", provider="other"), unreadable()])
    assert streams(recorder) == ["order:other:z", QUARANTINE]

    commit(writer, [event("a", 1)])
    assert streams(recorder)[2:] == [CONTROL, stream("a")]


def test_one_event_of_a_provider_among_others_is_enough_to_record_its_rules():
    recorder = TroubledRecorder()

    told = commit(ruled(recorder), [event("z", provider="other")], [unreadable(), event("a", 1)])

    assert told == [[(APPENDED, 1, 2)], [(Outcome.QUARANTINED, 1, 3), (APPENDED, 1, 4)]]
    assert streams(recorder) == [CONTROL, "order:other:z", QUARANTINE, stream("a")]


@pytest.mark.parametrize("trouble", [busy, failed, lost])
def test_rules_are_recorded_once_though_the_store_was_busy_or_the_reply_was_lost(trouble):
    recorder = TroubledRecorder(trouble)

    told = commit(ruled(recorder), [event("a", 1)])

    assert told == [[(APPENDED, 1, 2)]]
    assert streams(recorder) == [CONTROL, stream("a")]


def test_rules_that_cannot_be_recorded_keep_no_event_out(caplog):
    recorder = TroubledRecorder()
    insert(recorder, Record(CONTROL, 2**63 - 1, "redriven", 0, b"damaged\n"))

    told = commit(ruled(recorder), [event("a", 1)])

    assert told == [[(APPENDED, 1, 2)]]
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("rules are not recorded: ")


# Links


def test_the_links_of_new_events_are_stored_with_them():
    recorder = TroubledRecorder()
    writer = committer(recorder)

    commit(
        writer,
        [event("a", 1, links=("p1", "p2")), event("b", 1)],
        [event("b", 2, links=("p3",)), event("b", 2, b"[1]", links=("p1",))],
    )

    found = [recorder.links.orders("instacart", link) for link in ("p1", "p2", "p3", "p4")]
    assert found == [["a", "b"], ["a"], ["b"], []]


def test_a_duplicate_stores_no_links():
    recorder = TroubledRecorder()
    writer = committer(recorder)
    commit(writer, [event("a", 1)])

    commit(writer, [event("a", 1, links=("p1",)), event("a", 2)])

    assert recorder.links.orders("instacart", "p1") == []


@pytest.mark.parametrize("trouble", [busy, failed])
def test_the_links_of_an_event_that_was_not_written_are_stored_with_the_next_attempt(trouble):
    recorder = TroubledRecorder(trouble)

    commit(committer(recorder), [event("a", 1, links=("p1",))])

    assert recorder.links.orders("instacart", "p1") == ["a"]


# Keys


class NotingKeys(OwnKeys):
    """A key store that notes which keys it was asked to make."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def make(self, key_ids: Sequence[str]) -> Any:
        self.made += key_ids
        return super().make(key_ids)


KEY_OF_A = key_id_of(stream("a"))
MARK = Redriven(1, stream(), "callback:1", NOON)


def encrypting(recorder: TroubledRecorder, keys: OwnKeys) -> Writer:
    """Return the writer of a process that has just opened the log with these keys."""
    writer = committer(recorder)
    writer.cipher = Cipher(keys, lambda seen: ([], seen))
    return writer


def commit_encrypted(writer: Writer, *groups: Any) -> list[Any]:
    return commit(writer, *groups, prepared=prepare_for_encryption)


def decrypted(recorder: TroubledRecorder, keys: OwnKeys) -> list[bytes]:
    """Return the bodies in the log, read with these keys."""
    cipher = Cipher(keys, lambda seen: ([], seen))
    return [decode(record, cipher).body for record in recorder.records()]


def test_a_key_is_made_for_the_first_event_of_an_order_and_for_a_quarantined_item():
    recorder, keys = TroubledRecorder(), NotingKeys()
    writer = encrypting(recorder, keys)

    commit_encrypted(writer, [event("a", 1), unreadable(), MARK, event("a", 2)])
    commit_encrypted(encrypting(recorder, keys), [event("a", 3), unreadable()])

    first, item, another = keys.made
    assert first == KEY_OF_A
    assert len({first, item, another}) == 3
    used = {header["key_id"] for header in headers(recorder) if "key_id" in header}
    assert used == {*keys.made}


def test_a_body_that_was_stored_after_a_race_can_be_read():
    recorder, keys = TroubledRecorder(busy), OwnKeys()

    told = commit_encrypted(encrypting(recorder, keys), [event("a", 1, b'"secret"')])

    assert told == [[(APPENDED, 1, 1)]]
    assert b"secret" not in recorder.records()[0].state
    assert decrypted(recorder, keys) == [b'"secret"']


def test_a_commit_that_is_encrypted_reads_no_order_twice():
    recorder = TroubledRecorder()

    commit_encrypted(encrypting(recorder, OwnKeys()), [event("a", 1), event("b", 1)])

    assert recorder.asked == [[stream("a"), stream("b")]]


def test_an_order_whose_key_is_lost_gets_no_other_and_harms_no_other_order():
    recorder, keys = TroubledRecorder(), NotingKeys()
    commit_encrypted(encrypting(recorder, keys), [event("a", 1), event("c", 1)])
    del keys.keys[KEY_OF_A]
    keys.made.clear()

    refused, stored = commit_encrypted(
        encrypting(recorder, keys), [event("a", 2)], [event("b", 1), event("c", 2)]
    )

    assert isinstance(refused, UnknownKeyError)
    assert (refused.stream, refused.version, refused.key_id) == (stream("a"), 2, KEY_OF_A)
    assert stored == [(APPENDED, 1, 3), (APPENDED, 2, 4)]
    assert {*keys.made} == {key_id_of(stream("b"))}


def test_a_key_store_that_fails_is_an_error_of_every_batch_and_nothing_is_stored():
    class Failing(OwnKeys):
        def make(self, key_ids: Sequence[str]) -> Any:
            raise OSError

    recorder = TroubledRecorder()

    told = commit_encrypted(encrypting(recorder, Failing()), [event("a")], [event("b")])

    assert [type(error) for error in told] == [KeyStoreError] * 2
    assert recorder.records() == []


def test_of_two_that_begin_a_log_one_with_keys_and_one_without_the_second_is_refused():
    recorder = TroubledRecorder()
    other = encrypting(recorder, OwnKeys())

    def overtaken(block: Block) -> Block:
        commit_encrypted(other, [event("a")])
        return block

    recorder.troubles.append(overtaken)

    (refused,) = commit(committer(recorder), [event("b")])

    assert isinstance(refused, KeyStoreError)
    assert streams(recorder) == [stream("a")]


def test_of_two_that_begin_a_plain_log_the_second_commits_again():
    recorder = TroubledRecorder()

    def overtaken(block: Block) -> Block:
        commit(committer(recorder), [event("a")])
        return block

    recorder.troubles.append(overtaken)

    assert commit(committer(recorder), [event("b")]) == [[(APPENDED, 1, 2)]]
    assert recorder.exclusive == [True, True, True]


# What is let go


def test_an_answer_holds_nothing_of_what_was_stored():
    new = event("a", 1, context=b"till 7")
    batch = ThreadBatch([prepare(new), prepare(new)])

    committer(TroubledRecorder()).commit([batch])

    done = batch.appends[0]
    assert (done.outcome, done.opening, done.body, done.state) == (APPENDED, b"", b"", b"")
    assert done.context is None
