"""The headers of records: control records byte for byte, and where each record belongs."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from msgspec import structs

from lifecycle.core.event import Encrypted, Erased, Reviewed, Rules, Unmasked
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.codec import (
    decode,
    header_and_body,
    is_intact,
    parse_header,
    prepare,
    split,
)
from lifecycle.log.contract import CONTROL, MAX_POSITION, QUARANTINE, Record
from lifecycle.log.header import (
    EncodedEventFields,
    EventFields,
    EventHeader,
    RulesHeader,
    key_of,
    why_misplaced,
    why_out_of_bounds,
)
from tests.contract.entries import event, stream
from tests.unit.test_stored_form import MARK, REVIEW, record, stored_as

NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
DEFINITION = '{"name":"instacart"}'
FINGERPRINT = "c234aee168376d3861d95bd93818c8667b8b3a8f07faf14d16e49f4738303a32"
ORDER = "order:instacart:xyz"
SUBJECT = "anomaly:instacart:xyz@3"
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


@pytest.mark.parametrize(("entry", "key"), [(MARK, "redriven:4"), (REVIEW, f"reviewed:{SUBJECT}")])
def test_a_mark_is_known_by_its_item_and_a_review_by_its_subject(entry, key):
    stored = stored_as(entry, first=True)[0]

    header = header_and_body(record(stored))[0]

    assert prepare(entry).key == key
    assert header.identity == (key, "")


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

    header = header_and_body(placed)[0]
    assert why_misplaced(placed, header) is None
    other_topic = placed._replace(topic="poll")
    found = "its topic is not 'callback', which its header calls for"
    assert why_misplaced(other_topic, header) == found


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


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b'{"v":2.0}', "it has format 2.0, this release reads 2"),
        (b'{"v":2,"record":"\xff"}', "its header is no JSON"),
        (b"[" * 100_000, "its header is no JSON"),
    ],
    ids=["a format that is no integer", "no UTF-8", "too deep"],
)
def test_a_header_that_no_release_wrote_is_refused(header, found):
    damaged = Record(CONTROL, 1, "rules", 1, header + b"\n")

    for read in (decode, header_and_body, lambda record: parse_header(header, CONTROL, 1)):
        with pytest.raises(StoredFormatError) as refused:
            read(damaged)
        assert (refused.value.stream, refused.value.version) == (CONTROL, 1)
        assert refused.value.found == found


def test_a_record_without_the_end_of_a_header_cannot_be_split():
    with pytest.raises(StoredFormatError) as refused:
        split(Record(CONTROL, 3, "rules", 1, b"{}"))

    assert (refused.value.stream, refused.value.version) == (CONTROL, 3)
    assert refused.value.found == "its header has no end"


def test_what_is_known_of_an_event_is_one_struct_whether_it_is_made_by_name_or_by_position():
    by_name, by_position = EventFields, EncodedEventFields

    for each in ("frozen", "gc", "omit_defaults", "tag", "tag_field"):
        expected = getattr(by_name.__struct_config__, each)
        assert getattr(by_position.__struct_config__, each) == expected
    names = [[field.name for field in structs.fields(each)] for each in (by_name, by_position)]
    assert names[0] == names[1]


def test_an_entry_carries_the_links_that_its_event_tells():
    linked = prepare(event("a", links=("p1", "p2")))

    assert linked.links == (("instacart", "p1", "a"), ("instacart", "p2", "a"))
    assert prepare(event("a")).links == ()
