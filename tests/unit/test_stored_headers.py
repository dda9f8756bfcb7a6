"""The headers of records: control records byte for byte, encrypted ones, and where each belongs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from lifecycle.core.event import Encrypted, Erased, Event, Reviewed, Rules, Unmasked, Unreadable
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import (
    decode,
    header_and_body,
    is_intact,
    prepare,
    prepare_for_encryption,
    seal,
)
from lifecycle.log.contract import CONTROL, MAX_POSITION, QUARANTINE, Record
from lifecycle.log.header import (
    EventHeader,
    ItemHeader,
    RulesHeader,
    key_of,
    sections,
    why_misplaced,
    why_out_of_bounds,
)
from lifecycle.log.key_store import key_id_of
from tests.contract.entries import event, stream, unreadable
from tests.contract.keys import OwnKeys
from tests.unit.test_stored_form import record, stored_as

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
DEFINITION = '{"name":"instacart"}'
FINGERPRINT = "c234aee168376d3861d95bd93818c8667b8b3a8f07faf14d16e49f4738303a32"
ORDER = "order:instacart:xyz"
KEY_ID, ITEM_KEY_ID = "0" * 32, "1" * 32

# Format 2 as well: these bytes lie in databases, and are never edited.
PLACE = (
    b'"recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
)
RULES = Rules(
    "instacart",
    FINGERPRINT,
    DEFINITION,
    "order-lifecycle 1.0",
    "shop-parts 2.1",
    '{"type":"object"}',
)
GOLDEN = {
    "the erasure of an order": (
        Erased(ORDER, KEY_ID, "ann", "asked for", NOON),
        b'{"record":"erasure","v":2,"stream":"order:instacart:xyz",'
        b'"key_id":"00000000000000000000000000000000","by":"ann","why":"asked for",'
        b'"at":"2026-07-07T12:00:00Z",' + PLACE + b'"check":"ac28a6a0"}\n',
        "erased",
        "erased:order:instacart:xyz",
    ),
    "the erasure of an item": (
        Erased(QUARANTINE, ITEM_KEY_ID, "ann", "asked for", NOON, 7),
        b'{"record":"erasure","v":2,"stream":"quarantine","item":7,'
        b'"key_id":"11111111111111111111111111111111","by":"ann","why":"asked for",'
        b'"at":"2026-07-07T12:00:00Z",' + PLACE + b'"check":"dd6bd8b2"}\n',
        "erased",
        "erased:7",
    ),
    "rules": (
        RULES,
        b'{"record":"rules","v":2,"provider":"instacart",'
        b'"fingerprint":"c234aee168376d3861d95bd93818c8667b8b3a8f07faf14d16e49f4738303a32",'
        b'"release":"order-lifecycle 1.0","origin":"shop-parts 2.1",'
        b'"definition":{"name":"instacart"},"details":{"type":"object"},'
        + PLACE
        + b'"check":"e67586da"}\n',
        "rules",
        "rules:instacart",
    ),
    "rules of a provider without details": (
        RULES._replace(origin=None, details=None),
        b'{"record":"rules","v":2,"provider":"instacart",'
        b'"fingerprint":"c234aee168376d3861d95bd93818c8667b8b3a8f07faf14d16e49f4738303a32",'
        b'"release":"order-lifecycle 1.0","definition":{"name":"instacart"},"details":null,'
        + PLACE
        + b'"check":"8622705c"}\n',
        "rules",
        "rules:instacart",
    ),
    "the move from a plain log": (
        Encrypted("lifecycle 9 abababab", NOON),
        b'{"record":"encryption","v":2,"checkpoint":"lifecycle 9 abababab",'
        b'"at":"2026-07-07T12:00:00Z",' + PLACE + b'"check":"0534fc1a"}\n',
        "encrypted",
        "encrypted:lifecycle 9 abababab",
    ),
    "the unmasking of an order": (
        Unmasked(ORDER, "ann", NOON),
        b'{"record":"unmasking","v":2,"stream":"order:instacart:xyz","by":"ann",'
        b'"at":"2026-07-07T12:00:00Z",' + PLACE + b'"check":"919ed22a"}\n',
        "unmasked",
        "unmasked:order:instacart:xyz@2026-07-07T12:00:00Z:ann",
    ),
    "the unmasking of an item": (
        Unmasked(QUARANTINE, "ann", NOON, 7),
        b'{"record":"unmasking","v":2,"stream":"quarantine","item":7,"by":"ann",'
        b'"at":"2026-07-07T12:00:00Z",' + PLACE + b'"check":"fda80770"}\n',
        "unmasked",
        "unmasked:7@2026-07-07T12:00:00Z:ann",
    ),
}


@pytest.mark.parametrize(("entry", "stored", "topic", "key"), GOLDEN.values(), ids=GOLDEN)
def test_a_control_record_is_written_and_read_as_it_always_was(entry, stored, topic, key):
    prepared = prepare(entry)

    assert stored_as(entry, first=False)[0] == stored
    assert (prepared.stream, prepared.topic, prepared.key) == (CONTROL, topic, key)
    read = record(stored)
    assert decode(read) == entry
    assert is_intact(stored.partition(b"\n")[0])
    header, body = header_and_body(read)
    assert (header.stored_in, header.topic, body) == (CONTROL, topic, b"")
    assert header.identity == (key, prepared.digest)


def test_rules_are_told_apart_by_their_fingerprint_and_other_control_records_by_their_key():
    digests = [prepare(entry).digest for entry, *_ in GOLDEN.values()]

    assert digests == ["", "", FINGERPRINT, FINGERPRINT, "", "", ""]


def test_what_is_no_control_record_has_no_key_of_one():
    header: Any = header_and_body(record(stored_as(event(), first=True)[0]))[0]

    with pytest.raises(TypeError):
        key_of(header)


@pytest.mark.parametrize(
    "wrong",
    [
        RULES._replace(fingerprint="0" * 64),
        RULES._replace(definition="{", fingerprint=sha256(b"{").hexdigest()),
        RULES._replace(details="{"),
        Encrypted("9", "now"),  # type: ignore[arg-type]
        Unmasked(ORDER, "ann", NOON.replace(tzinfo=None)),
        Erased(ORDER, KEY_ID, "ann", "asked for", NOON, "7"),  # type: ignore[arg-type]
        Reviewed("subject", None, "why", NOON),  # type: ignore[arg-type]
    ],
)
def test_a_control_entry_that_holds_what_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidArgumentError):
        prepare(wrong)


def test_rules_are_sound_while_their_definition_has_its_fingerprint():
    stored = stored_as(RULES, first=True)[0]
    altered = stored.replace(b'"name":"instacart"', b'"name":"instacard"')

    headers = [header_and_body(record(state))[0] for state in (stored, altered)]

    assert [isinstance(each, RulesHeader) and each.is_sound for each in headers] == [True, False]


# Where a record belongs


@pytest.mark.parametrize(
    ("version", "position", "found"),
    [
        (1, 1, None),
        (2**63 - 1, MAX_POSITION, None),
        (0, 1, "its version is 0; expected 1 or more"),
        (True, 1, "its version is no number"),
        ("1", 1, "its version is no number"),
        (1, 0, f"its position is 0; expected one from 1 to {MAX_POSITION}"),
        (1, MAX_POSITION + 1, f"its position is {MAX_POSITION + 1}; expected one from 1 to"),
        (1, None, "its position is None; expected one from 1 to"),
        (1, 1.0, "its position is 1.0; expected one from 1 to"),
    ],
)
def test_versions_and_positions_have_bounds(version, position, found):
    state = stored_as(event(), first=True)[0]
    header = header_and_body(record(state))[0]
    placed = Record(stream(), version, "callback", position, state)

    told = why_out_of_bounds(version, position)

    assert (told or "").startswith(found or "")
    assert (told is None) is (found is None)
    if found is not None:
        assert why_misplaced(placed, header) == told


@pytest.mark.parametrize("position", [1, MAX_POSITION])
def test_a_record_at_the_first_or_the_last_position_is_where_it_belongs(position):
    state = stored_as(event(), first=True)[0]
    placed = Record(stream(), 1, "callback", position, state)

    assert why_misplaced(placed, header_and_body(placed)[0]) is None


@pytest.mark.parametrize(
    ("order_id", "name"),
    [
        ("a\x00", "order:instacart:a\\x00"),
        ("a\n", "order:instacart:a\n"),
        ("\u00e9", "order:instacart:\u00e9"),
        ("\u00e9\x00", "order:instacart:\u00e9\\x00"),
    ],
)
def test_an_event_is_found_again_in_the_stream_that_a_store_could_hold(order_id, name):
    prepared = prepare(event(order_id))
    state = stored_as(event(order_id), first=True)[0]

    header, _ = header_and_body(Record(name, 1, "callback", 1, state))

    assert (prepared.stream, header.stored_in) == (name, name)


@pytest.mark.parametrize(
    ("trigger", "triggered"), [("brand_new", "brand_new"), ("created", "created"), (None, None)]
)
def test_a_header_says_what_an_event_triggered(trigger, triggered):
    state = stored_as(event(trigger=trigger), first=True)[0]

    header = header_and_body(record(state))[0]

    assert isinstance(header, EventHeader)
    assert (header.name, header.triggered) == ("brand_new", triggered)


# Bodies and contexts


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (event(body=b"[1]"), (b"[1]", None)),
        (event(body=b"[1]", context=b"till 7"), (b"[1]", b"till 7")),
        (event(body=b"", context=b"till 7"), (b"", b"till 7")),
        (event(body=b"[1]", context=b""), (b"[1]", b"")),
        (unreadable(b"["), (b"[", None)),
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

    read = decode(record(stored_as(item, first=True)[0]))

    assert isinstance(read, Unreadable)
    assert read.arrival is not None
    assert (read.body, read.arrival.context) == (b"[", b"till 7")


# Encrypted


def encrypted(entry: Event | Unreadable, keys: OwnKeys) -> tuple[Record, dict[str, Any]]:
    """Return the record of an entry that was encrypted, and its header."""
    append = prepare_for_encryption(entry)
    append.version = 1
    cipher = Cipher(keys, lambda seen: ([], seen))
    cipher.make([append.key_id])
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
    read = decode(stored, Cipher(keys, lambda seen: ([], seen)))
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
    read = decode(stored, Cipher(keys, lambda seen: ([], seen)))
    assert isinstance(read, Unreadable)
    assert (read.body, header["key_id"] in keys.keys) == (item.body, True)


def test_a_control_entry_is_never_encrypted():
    assert prepare_for_encryption(RULES).key_id == ""
