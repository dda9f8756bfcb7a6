"""Signed notes and checkpoints: written as C2SP specifies, and refused when anything is other."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.signed_note import Note, PrivateKey, PublicKey, Signature, read_signatures
from lifecycle.errors import InvalidArgumentError

SEED = bytes(range(32))
NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
HEAD = TreeHead(24, sha256(b"x").digest())

# The example of Go's own package `golang.org/x/mod/sumdb/note`: key, text and signature.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


@pytest.fixture
def key() -> PrivateKey:
    return PrivateKey("example.com/orders", SEED)


def test_a_note_and_a_key_of_another_library_are_read_and_verified():
    key, note = PublicKey.parse(GO_KEY), Note.parse(GO_NOTE)

    assert key.has_signed(note)
    assert str(note) == GO_NOTE
    assert str(key) == GO_KEY
    assert not key.has_signed(note._replace(text=GO_TEXT.replace("don't", "do")))


def test_a_note_verifies_and_whatever_is_changed_in_it_shows(key):
    note = key.sign("a\nb\n")

    assert key.public.has_signed(Note.parse(str(note)))
    (signature,) = note.signatures
    for changed in (
        note._replace(text="a\nc\n"),
        note._replace(signatures=(signature._replace(name="example.com/other"),)),
        note._replace(signatures=(signature._replace(key_id=b"abcd"),)),
        note._replace(signatures=(signature._replace(made=bytes(64)),)),
        note._replace(signatures=(signature._replace(made=b"short"),)),
        note._replace(signatures=()),
    ):
        assert not key.public.has_signed(changed)


def test_a_private_key_is_read_as_it_was_written_and_shows_no_secret(key):
    again = PrivateKey.parse(f"{key.written()}\n")

    assert again.public == key.public
    assert base64.b64encode(SEED).decode() not in repr(key)
    assert PublicKey.parse(str(key.public)) == key.public


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b+c",
        "a+00000000+AQ==",
        f"other+{GO_KEY.partition('+')[2]}",
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("+AR", "+AB"),
    ],
)
def test_what_is_no_key_is_refused(text):
    with pytest.raises(InvalidArgumentError):
        PublicKey.parse(text)
    with pytest.raises(InvalidArgumentError):
        PrivateKey.parse(text)


@pytest.mark.parametrize("text", ["", "a\n", "a\n\n", "a\n\nb\n", "a\n\n— x\n", "a\n\n— x AAAA\n"])
def test_what_is_no_note_is_refused(text):
    with pytest.raises(InvalidArgumentError):
        Note.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n"])
def test_a_key_needs_a_name_that_a_line_can_hold(name):
    with pytest.raises(InvalidArgumentError):
        PrivateKey(name, SEED)


def test_a_witness_signs_the_same_text_with_the_time(key):
    note = key.sign("a\n")
    witness = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = PublicKey("witness.example", 4, witness.public_key().public_bytes_raw())
    made = witness.sign(b"cosignature/v1\ntime 1700000000\na\n")
    line = Signature(public.name, public.key_id, (1700000000).to_bytes(8, "big") + made)
    seen = Note.parse(str(note.with_signatures([line, line])))

    assert len(seen.signatures) == 2
    assert public.has_signed(seen)
    assert key.public.has_signed(seen)
    later = (1700000001).to_bytes(8, "big") + made
    assert not public.has_signed(note.with_signatures([line._replace(made=later)]))
    assert read_signatures(f"{line}not a line\n") == ()


def test_a_checkpoint_is_three_lines_the_time_and_where_subscriptions_are():
    checkpoint = Checkpoint(HEAD, "example.com/orders", NOON, {"b": 2, "a": 1})
    root = base64.b64encode(HEAD.root).decode()

    assert checkpoint.text == (
        f'example.com/orders\n24\n{root}\ntaken-at 2026-07-07T12:00:00Z\nfeeds {{"a":1,"b":2}}\n'
    )
    assert Checkpoint.parse(checkpoint.text) == checkpoint


def test_a_checkpoint_of_others_is_read_without_what_only_ours_say():
    root = base64.b64encode(HEAD.root).decode()

    told = Checkpoint.parse(f"example.com/log\n24\n{root}\nsomething else\nfeeds [1]\n")

    assert told == Checkpoint(HEAD, "example.com/log")


def test_a_checkpoint_is_read_from_a_note_or_as_verify_prints_it(key):
    checkpoint = Checkpoint(HEAD, key.public.name)

    assert Checkpoint.read(str(key.sign(checkpoint.text))) == checkpoint
    assert Checkpoint.read(f"{HEAD}\n") == Checkpoint(HEAD)


@pytest.mark.parametrize(
    "text", ["", "a\n", "a\n1\n", "a\nx\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n"]
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(InvalidArgumentError):
        Checkpoint.parse(text)
