"""The bodies of records: read by their provider, let go, encrypted, and erased."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from lifecycle.core.event import NOTHING, Entry, Event, Unreadable
from lifecycle.core.provider import Reading
from lifecycle.core.recognizer import Recognizer
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import (
    decode,
    decode_event,
    decode_events,
    header_and_body,
    prepare,
    prepare_for_encryption,
    seal,
)
from lifecycle.log.contract import Record
from lifecycle.log.header import ItemHeader, sections
from lifecycle.log.key_store import key_id_of
from tests.contract.entries import event, stream, unreadable
from tests.contract.keys import OwnKeys
from tests.unit.test_provider_port import Errands
from tests.unit.test_stored_form import LINE, MARK, Claiming, record, stored_as

# Bodies and contexts


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (event(body=b"[1]"), (b"[1]", None)),
        (event(body=b"[1]", context=b"till 7"), (b"[1]", b"till 7")),
        (event(body=b"", context=b"till 7"), (b"", b"till 7")),
        (event(body=b"[1]", context=b""), (b"[1]", b"")),
        (unreadable(b"["), (b"[", None)),
        (MARK, (b"", None)),
    ],
)
def test_the_context_follows_the_body(entry, parts):
    state = stored_as(entry, first=True)[0]

    header, stored = header_and_body(record(state))

    assert sections(header, stored) == parts


def test_the_context_of_an_item_follows_its_body():
    item = unreadable(b"[")
    assert item.arrival is not None
    item = item._replace(arrival=item.arrival._replace(body=b"[", context=b"till 7"))

    state = stored_as(item, first=True)[0]
    read = decode(record(state))

    assert json.loads(state.partition(b"\n")[0])["context_sha256"] == sha256(b"till 7").hexdigest()
    assert isinstance(read, Unreadable)
    assert read.arrival is not None
    assert (read.body, read.arrival.context) == (b"[", b"till 7")


# Encrypted


def cipher_of(keys: OwnKeys) -> Cipher:
    return Cipher(keys, lambda seen: ([], seen))


def encrypted(entry: Entry, keys: OwnKeys) -> tuple[Record, dict[str, Any]]:
    """Return the record of an entry that was encrypted, and its header."""
    append = prepare_for_encryption(entry)
    append.version = 1
    cipher = cipher_of(keys)
    cipher.make([append.key_id] if append.key_id else ())
    seal(append, None, None, "2026-07-07T12:00:03Z", cipher)
    header = json.loads(append.state.partition(b"\n")[0])
    return Record(append.stream, 1, append.topic, 1, append.state), header


@pytest.mark.parametrize("context", [None, b"till 7"])
def test_the_header_of_an_encrypted_event_names_its_key_and_the_hash_of_what_is_stored(context):
    keys, new = OwnKeys(), event(body=b'"secret"', context=context)

    stored, header = encrypted(new, keys)

    body = stored.state.partition(b"\n")[2]
    assert b"secret" not in stored.state
    assert b"till 7" not in stored.state
    assert header["key_id"] == key_id_of(stream())
    assert header["stored_sha256"] == sha256(body).hexdigest()
    assert header["sha256"] == new.sha256
    assert "context_sha256" not in header
    read = decode(stored, cipher_of(keys))
    assert isinstance(read, Event)
    assert (read.body, read.context) == (new.body, context)


def test_every_encrypted_item_has_a_key_of_its_own_and_knows_that_of_its_order():
    item = unreadable()
    assert item.arrival is not None
    about_an_order = item._replace(arrival=item.arrival._replace(order_id="xyz"))

    first, second = prepare_for_encryption(item), prepare_for_encryption(about_an_order)

    assert first.key_id != second.key_id
    assert (first.order_key_id, second.order_key_id) == ("", key_id_of(stream("xyz")))
    keys = OwnKeys()
    stored, header = encrypted(item, keys)
    assert isinstance(header_and_body(stored)[0], ItemHeader)
    read = decode(stored, cipher_of(keys))
    assert isinstance(read, Unreadable)
    assert (read.body, header["key_id"] in keys.keys) == (item.body, True)


def test_a_control_entry_is_never_encrypted():
    keys = OwnKeys()

    stored, header = encrypted(MARK, keys)

    assert "key_id" not in header
    assert decode(stored) == MARK
    assert keys.keys == {}


def test_a_line_that_is_no_arrival_is_encrypted_as_well():
    keys = OwnKeys()

    stored, _ = encrypted(LINE, keys)

    assert LINE.body not in stored.state
    read = decode(stored, cipher_of(keys))
    assert isinstance(read, Unreadable)
    assert read.body == LINE.body


def test_what_is_left_of_an_erased_event_and_an_erased_item_is_what_their_headers_say():
    keys = OwnKeys()
    stored = [
        encrypted(event(body=b'"secret"', context=b"till 7"), keys)[0],
        encrypted(unreadable(b"secret"), keys)[0],
    ]
    keys.destroy([*keys.keys])

    erased, item = [decode(each, cipher_of(keys)) for each in stored]

    assert isinstance(erased, Event)
    assert (erased.body, erased.context, erased.erased) == (b"", None, True)
    assert (erased.key, erased.status) == ("callback:1", "brand_new")
    assert isinstance(item, Unreadable)
    assert (item.reason, item.body) == ("erased", b"")


# Read by their provider


class Telling(Errands):
    """Reads one event from a body, and tells what the body says of its order."""

    def read(self, arrival: Any, body: Any) -> Any:
        return Reading("taken", order_id="xyz", status="taken", event_id="1", details=body)


READERS = {"instacart": Recognizer(Telling())}
BODY = b'{"said":"so"}'


def test_an_event_is_given_what_its_provider_reads_in_its_body_and_the_body_is_let_go():
    stored = record(stored_as(event(body=BODY, context=b"till 7"), first=True)[0])

    (read,) = decode_events([stored], readers=READERS)
    (with_body,) = decode_events([stored], readers=READERS, with_bodies=True)

    assert (read.details, read.body, read.context) == ({"said": "so"}, b"", None)
    assert (with_body.details, with_body.body, with_body.context) == ({"said": "so"}, BODY, None)
    assert (read.sha256, read.erased) == (sha256(BODY).hexdigest(), False)


def test_without_readers_a_body_is_kept_and_nothing_is_read_in_it():
    stored = record(stored_as(event(body=BODY, context=b"till 7"), first=True)[0])

    read = decode_event(stored)

    assert (read.body, read.context, read.details) == (BODY, b"till 7", NOTHING)


def test_an_event_of_a_provider_that_is_not_known_is_refused():
    stored = record(stored_as(event(body=BODY), first=True)[0])

    with pytest.raises(StoredFormatError) as refused:
        decode_events([stored], readers={"other": READERS["instacart"]})

    assert (refused.value.stream, refused.value.version) == (stream(), 1)
    assert refused.value.found == "the provider that it names is not known here"


def test_nothing_is_read_of_an_erased_event():
    keys = OwnKeys()
    stored, _ = encrypted(event(body=BODY), keys)
    (before,) = decode_events([stored], cipher_of(keys), READERS)
    keys.destroy([*keys.keys])

    (after,) = decode_events([stored], cipher_of(keys), READERS, with_bodies=True)

    assert (before.details, before.erased) == ({"said": "so"}, False)
    assert (after.details, after.body, after.erased) == (NOTHING, b"", True)


# What is too large, or no bytes


@pytest.mark.parametrize("entry", [event(), unreadable()])
@pytest.mark.parametrize("body", [bytearray(b"{}"), memoryview(b"{}"), "{}", None])
def test_a_body_that_is_no_bytes_is_refused(entry, body):
    with pytest.raises(InvalidArgumentError):
        prepare(entry._replace(body=body))


@pytest.mark.parametrize(("claimed", "is_refused"), [(900_000_000, False), (900_000_001, True)])
def test_an_item_that_no_store_could_hold_is_refused(claimed, is_refused):
    body = Claiming(b"{}")
    body.claimed = claimed
    if is_refused:
        with pytest.raises(InvalidArgumentError):
            prepare(unreadable(body))
    else:
        assert prepare(unreadable(body)).body is body
