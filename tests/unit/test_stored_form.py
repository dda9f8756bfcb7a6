"""The stored form: format 2 byte for byte, for ever, and what a reader makes of damage."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from hashlib import sha256
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from lifecycle.core.event import Arrival, Entry, Event, Redriven, Reviewed, Rules, Unreadable
from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.log.codec import (
    decode,
    decode_event,
    hash_of,
    is_intact,
    link,
    parse_header,
    prepare,
    seal,
    split,
)
from lifecycle.log.contract import CONTROL, QUARANTINE, Record
from lifecycle.log.header import storable

RECORDED = "2026-07-07T12:00:03.000004Z"
NOON = datetime(2026, 7, 7, 12, tzinfo=UTC)
BODY = b'{"id":"xyz","status":"brand_new"}\n\xff'
DIGEST = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
PREVIOUS = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"

EVENT = Event(
    provider="instacart",
    order_id="xyz",
    kind="response",
    name="accepted",
    trigger="created",
    key="response:1:e7:" + DIGEST,
    digest=DIGEST,
    received_at=NOON + timedelta(microseconds=120),
    body=BODY,
    sha256=sha256(BODY).hexdigest(),
    event_id="1201895966044343904",
    attempt=1,
    exchange_id="e7",
    status="cr\u00e9\u00e9",
    occurred_at=NOON,
    http_status=200,
    headers={"content-type": "application/json", "date": "Tue, 07 Jul 2026 12:00:00 GMT"},
    problems=("unrecognized",),
    redriven_from=4,
    client="shop",
    operation="cancel",
    sequence=7,
    part=2,
    links=("parcel-1",),
    replayed=True,
    context=b"till 7",
)
BARE = Event(
    provider="instacart",
    order_id="xyz",
    kind="callback",
    name="created",
    trigger=None,
    key="snapshot:" + DIGEST,
    digest=DIGEST,
    received_at=NOON,
    body=b"",
    sha256=sha256(b"").hexdigest(),
)
ITEM = Unreadable(
    "instacart",
    "not_json",
    "syntax: line 1 column 2",
    b"{]",
    NOON,
    Arrival("callback", b"{]", NOON, None, 1, None, None, {"user-agent": "x"}),
)
FULL_ITEM = Unreadable(
    "instacart",
    "not_json",
    "syntax: line 1 column 2",
    b"{]",
    NOON,
    Arrival("poll", b"{]", NOON, "x\x00z", 2, "e7", 503, {"date": "then"}),
)
LINE = Unreadable("instacart", "bad_line", "two bodies", b"{}", NOON, None, 17)
MARK = Redriven(4, "order:instacart:xyz", "callback:1", NOON)
REVIEW = Reviewed("anomaly:instacart:xyz@3", "ann", "known", NOON)

# What format 2 is. These bytes lie in databases: they are added to, never edited.
STORED_EVENT = (
    b'{"record":"event","v":2,"exchange_id":"e7","http_status":200,'
    b'"headers":{"content-type":"application/json","date":"Tue, 07 Jul 2026 12:00:00 GMT"},'
    b'"client":"shop","operation":"cancel","sequence":7,"part":2,"links":["parcel-1"],'
    b'"replayed":true,'
    b'"sha256":"ab78408f718813d10bf9c06a059e19314b57b05132591de85a1e8eab53dbcfb3","size":35,'
    b'"context_sha256":"4c19903a08e5b6ab8f499ce7e3167ea45dd55fadb089bc5f2975507bc8ea637b",'
    b'"provider":"instacart","order_id":"xyz","kind":"response","name":"accepted",'
    b'"trigger":"created",'
    b'"key":"response:1:e7:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"digest":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"event_id":"1201895966044343904","attempt":1,"status":"cr\xc3\xa9\xc3\xa9",'
    b'"occurred_at":"2026-07-07T12:00:00Z","received_at":"2026-07-07T12:00:00.000120Z",'
    b'"problems":["unrecognized"],"redriven_from":4,'
    b'"recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"0a161999"}\n'
    b'{"id":"xyz","status":"brand_new"}\n'
    b"\xfftill 7"
)
HASH_EVENT = "541c64911855a71dbec791e01575a2fe4b14d2484b886b12af7f9113b6366cbb"

STORED_BARE = (
    b'{"record":"event","v":2,'
    b'"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",'
    b'"provider":"instacart","order_id":"xyz","kind":"callback","name":"created",'
    b'"trigger":null,'
    b'"key":"snapshot:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"digest":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"received_at":"2026-07-07T12:00:00Z","recorded_at":"2026-07-07T12:00:03.000004Z",'
    b'"version":1,"check":"f5804b6a"}\n'
)
HASH_BARE = "44dbaf5df6ecd7967c1e534e37b1d6714f23ea870b216651cdc53ae9b551c92a"

STORED_ITEM = (
    b'{"record":"item","v":2,"headers":{"user-agent":"x"},'
    b'"sha256":"2125223e9996e4c2e393de959aa95e788cfd809a2a85eea6a7bc89aab856a352",'
    b'"provider":"instacart","reason":"not_json","detail":"syntax: line 1 column 2",'
    b'"kind":"callback","received_at":"2026-07-07T12:00:00Z",'
    b'"recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"da969177"}\n'
    b"{]"
)
HASH_ITEM = "af1b45c1353d1a56d816535957d54c2c363ca318f669f140f8d13f28fa67ad68"

STORED_FULL_ITEM = (
    b'{"record":"item","v":2,"exchange_id":"e7","http_status":503,"headers":{"date":"then"},'
    b'"sha256":"2125223e9996e4c2e393de959aa95e788cfd809a2a85eea6a7bc89aab856a352",'
    b'"provider":"instacart","reason":"not_json","detail":"syntax: line 1 column 2",'
    b'"kind":"poll","order_id":"x\\u0000z","attempt":2,"received_at":"2026-07-07T12:00:00Z",'
    b'"recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"4cc10e5e"}\n'
    b"{]"
)
HASH_FULL_ITEM = "3154e64c7abe48216f167f125ed51829755476acaeeb86c53886b5d310f91fd6"

STORED_LINE = (
    b'{"record":"item","v":2,'
    b'"sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
    b'"provider":"instacart","reason":"bad_line","detail":"two bodies","line_number":17,'
    b'"received_at":"2026-07-07T12:00:00Z","recorded_at":"2026-07-07T12:00:03.000004Z",'
    b'"version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"bed31a22"}\n'
    b"{}"
)
HASH_LINE = "c221bb1fb2356ac3cac5035b93c5b3efedc4bd1a3cd1d77f5fe2046dbbb6f6b4"

STORED_MARK = (
    b'{"record":"control","v":2,"kind":"redriven","item":4,"stream":"order:instacart:xyz",'
    b'"key":"callback:1","at":"2026-07-07T12:00:00Z",'
    b'"recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"fa6bec22"}\n'
)
HASH_MARK = "612a518053f9a9f385891260f3e4b5248939bcbe5374acc70cc9da5f4f57d17f"

STORED_REVIEW = (
    b'{"record":"review","v":2,"subject":"anomaly:instacart:xyz@3","by":"ann","why":"known",'
    b'"at":"2026-07-07T12:00:00Z","recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
    b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
    b'"after":["order:instacart:abc",2,'
    b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
    b'"check":"31403bd7"}\n'
)
HASH_REVIEW = "46bb6c8cbf1bebf2b3c8fffd06db0a2d3ae4be808c6f27bcedc983c899c3eb37"

GOLDEN = {
    "event": (EVENT, STORED_EVENT, HASH_EVENT),
    "bare event": (BARE, STORED_BARE, HASH_BARE),
    "item": (ITEM, STORED_ITEM, HASH_ITEM),
    "full item": (FULL_ITEM, STORED_FULL_ITEM, HASH_FULL_ITEM),
    "line": (LINE, STORED_LINE, HASH_LINE),
    "mark": (MARK, STORED_MARK, HASH_MARK),
    "review": (REVIEW, STORED_REVIEW, HASH_REVIEW),
}
golden = pytest.mark.parametrize(("entry", "stored", "header_hash"), GOLDEN.values(), ids=GOLDEN)


def sealed(
    entry: Entry, version: int = 1, previous: str | None = None, after: bytes | None = None
) -> tuple[bytes, str]:
    """Return the stored form of an entry at a place, and the hash of its header."""
    append = prepare(entry)
    append.version = version
    header_hash = seal(append, previous, after, RECORDED)
    return append.state, header_hash


def stored_as(entry: Entry, *, first: bool) -> tuple[bytes, str]:
    if first:
        return sealed(entry)
    after = link(("order:instacart:abc", 2, PREVIOUS))
    return sealed(entry, 3, PREVIOUS, after)


def record(state: bytes) -> Record:
    """Return a record that stands where its header says, if that says anything."""
    place, version = ("order:instacart:xyz", "callback"), 3
    with suppress(StoredFormatError):
        header = parse_header(state.partition(b"\n")[0], "", 0)
        place, version = (header.stored_in, header.topic), header.version
    stream, topic = place
    return Record(stream, version, topic, 9, state)


@golden
def test_format_2_is_written_as_it_always_was(entry, stored, header_hash):
    assert stored_as(entry, first=entry is BARE) == (stored, header_hash)


@golden
def test_format_2_is_read_as_it_always_was(entry, stored, header_hash):
    read = decode(record(stored))

    expected = {"recorded_at": NOON + timedelta(seconds=3, microseconds=4)}
    if isinstance(entry, Event):
        expected |= {"version": 1 if entry is BARE else 3, "position": 9}
    if isinstance(entry, Redriven | Reviewed):
        expected = {}
    assert read == entry._replace(**expected)


@golden
def test_the_header_can_be_checked_with_the_standard_library_alone(entry, stored, header_hash):
    """As the reference says it: an oracle that shares no code with the store."""
    header, _, body = stored.partition(b"\n")
    fields = json.loads(header)
    checked = header[: -len(',"check":"12345678"}')]

    assert b"\n" not in header
    said = fields.get("sha256", sha256(b"").hexdigest())
    assert said == sha256(body[: fields.get("size")]).hexdigest()
    if "size" in fields:
        assert fields["context_sha256"] == sha256(body[fields["size"] :]).hexdigest()
    assert fields["check"] == format(crc32(checked), "08x")
    assert sha256(header).hexdigest() == header_hash == hash_of(header)
    assert split(record(stored)) == (header, body)


def test_an_event_says_where_it_belongs():
    places = [
        (made.stream, made.topic, made.key, made.digest)
        for made in map(prepare, (EVENT, ITEM, MARK))
    ]

    assert places == [
        ("order:instacart:xyz", "response", EVENT.key, EVENT.digest),
        (QUARANTINE, "quarantined", "", ""),
        (CONTROL, "redriven", "redriven:4", ""),
    ]


def test_fields_that_a_later_release_adds_are_ignored():
    state = STORED_BARE.replace(b'"v":2,', b'"v":2,"novelty":{"a":[1]},')

    assert decode_event(record(state)).key == BARE.key


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda s: s.replace(b'"v":2', b'"v":3'), "it has format 3, this release reads 2"),
        (lambda s: s.replace(b'"v":2,', b""), "it has format None, this release reads 2"),
        (lambda s: s.replace(b'"v":2', b'"v":"1"'), "it has format '1', this release reads 2"),
        (lambda s: s.replace(b'"v":2', b'"v":[]'), "it has format []"),
        (
            lambda s: s.replace(b'"v":2', b'"v":"%b"' % (b"x" * 99)),
            "it has format 'xxxxxxxxxxxxxxxxxxx, this release reads 2",
        ),
        (lambda s: s.replace(b'"v":2', b'"v":true'), "it has format True"),
        (lambda s: s.replace(b"\n", b""), "its header has no end"),
        (lambda s: b"", "its header has no end"),
        (lambda s: b"\n", "its header is no JSON"),
        (lambda s: b"[1]\n", "its header is no JSON object"),
        (lambda s: b"\xff" + s, "its header is no JSON"),
        (lambda s: s.replace(b'"name":"created",', b""), "is missing or of a wrong type"),
        (lambda s: s.replace(b'"2026-07-07T12:00:00Z"', b"5"), "is missing or of a wrong type"),
        (lambda s: s.replace(b"2026-07-07T12:00:00Z", b"noon"), "is missing or of a wrong type"),
    ],
)
def test_the_error_for_an_unreadable_record_names_it_and_the_reason(damage, found):
    made = record(damage(STORED_BARE))
    for read in (decode, decode_event):
        with pytest.raises(StoredFormatError) as raised:
            read(made)

        assert f"record {made.version} of 'order:instacart:xyz'" in str(raised.value)
        assert (raised.value.stream, raised.value.version) == (made.stream, made.version)
        assert found in raised.value.found
        assert "xyz" not in raised.value.found


@pytest.mark.parametrize(
    "stored", [STORED_ITEM, STORED_FULL_ITEM, STORED_LINE, STORED_MARK, STORED_REVIEW]
)
def test_a_value_that_is_no_event_is_not_taken_for_one(stored):
    item = record(stored)
    with pytest.raises(StoredFormatError) as raised:
        decode_event(item)

    assert (raised.value.stream, raised.value.version) == (item.stream, item.version)
    assert raised.value.found == "it holds no event"


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"position": 0}, "its position is 0; expected one from 1 to 4611686018427387903"),
        ({"position": -7}, "its position is -7; expected one from 1 to 4611686018427387903"),
        ({"position": 2**62}, "expected one from 1 to 4611686018427387903"),
        ({"version": 0}, "its version is 0; expected 1 or more"),
        ({"version": -(2**63)}, "expected 1 or more"),
        ({"version": "first"}, "its version is no number"),
        ({"version": None}, "its version is no number"),
        ({"version": 2}, "its header was written for version 1 of 'order:instacart:xyz'"),
        ({"version": 2**63 - 1}, "its header was written for version 1 of"),
        ({"stream": "order:instacart:abc"}, "its header was written for version 1 of"),
        ({"stream": "ORDER:instacart:xyz"}, "its header was written for version 1 of"),
        ({"stream": QUARANTINE}, "its header was written for version 1 of"),
        ({"topic": "poll"}, "its topic is not 'callback', which its header calls for"),
        ({"topic": ""}, "its topic is not 'callback', which its header calls for"),
        ({"topic": None}, "its topic is not 'callback', which its header calls for"),
    ],
)
def test_a_record_that_stands_where_it_was_not_written_is_not_read(columns, found):
    misplaced = record(STORED_BARE)._replace(**columns)

    for read in (decode, decode_event):
        with pytest.raises(StoredFormatError) as raised:
            read(misplaced)
        assert found in raised.value.found
    assert parse_header(split(misplaced)[0], "", 0).version == 1


def test_a_stream_is_the_one_of_a_header_only_by_the_name_that_stores_can_hold():
    name = "order:instacart:x\0yz"
    state = STORED_BARE.replace(b'"order_id":"xyz"', b'"order_id":"x\\u0000yz"')
    held = record(state)
    assert held.stream == storable(name) != name
    assert decode_event(held).order_id == "x\0yz"

    with pytest.raises(StoredFormatError):
        decode_event(held._replace(stream=name))


def test_rules_that_are_no_utf_8_are_damage():
    definition = '{"name":"Instacart"}'
    fingerprint = sha256(definition.encode()).hexdigest()
    rules = Rules("instacart", fingerprint, definition, "1.0")
    state, _ = sealed(rules)
    stored = Record(CONTROL, 1, "rules", 1, state)
    assert decode(stored) == rules

    damaged = stored._replace(state=state.replace(b"Instacart", b"\xf7nstacart"))

    with pytest.raises(StoredFormatError) as raised:
        decode(damaged)
    assert raised.value.found == "a field of its header is missing or of a wrong type"


@pytest.mark.parametrize("header", [b"", b'"00000000"}', b',"check":"00000000"'])
def test_a_header_without_a_check_is_not_intact(header):
    assert not is_intact(header)


@pytest.mark.parametrize(
    ("stored", "place"),
    [
        (STORED_EVENT, ("order:instacart:xyz", "response")),
        (STORED_BARE, ("order:instacart:xyz", "callback")),
        (STORED_ITEM, (QUARANTINE, "quarantined")),
        (STORED_MARK, (CONTROL, "redriven")),
        (STORED_REVIEW, (CONTROL, "reviewed")),
    ],
)
def test_a_header_says_where_its_record_belongs(stored, place):
    header = stored.partition(b"\n")[0]

    said = parse_header(header, "", 0)

    assert (said.stored_in, said.topic) == place


@given(st.data())
@settings(deadline=None)
def test_any_changed_byte_of_a_header_shows_in_its_own_check(data):
    header = STORED_EVENT.partition(b"\n")[0]
    at = data.draw(st.integers(0, len(header) - 1))
    changed = bytearray(header)
    changed[at] ^= data.draw(st.integers(1, 255))

    assert is_intact(header)
    assert not is_intact(bytes(changed))


TEXT = st.text(st.characters(codec=None), max_size=20)
TIMES = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - as above
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))]),
)


@given(
    st.builds(
        EVENT._replace,
        order_id=TEXT,
        name=TEXT,
        trigger=st.none() | TEXT,
        event_id=st.none() | TEXT,
        attempt=st.none() | st.integers(1, 10**6),
        status=st.none() | TEXT,
        occurred_at=st.none() | TIMES,
        received_at=TIMES,
        http_status=st.none() | st.integers(100, 599),
        headers=st.dictionaries(TEXT, TEXT, max_size=3),
        problems=st.tuples() | st.tuples(TEXT),
        body=st.binary(max_size=40),
    )
)
def test_whatever_an_event_says_comes_back(event):
    event = event._replace(sha256=sha256(event.body).hexdigest())

    state, _ = sealed(event, 3, PREVIOUS)
    read = decode_event(record(state))

    kept = event._replace(recorded_at=read.recorded_at, version=3, position=9)
    if any("\\u" in text for text in map(repr, structs.astuple(event))):
        kept = read  # a lone surrogate was escaped: only that it could be stored is promised
    assert read == kept
    assert all(time is None or time.tzinfo is UTC for time in (read.received_at, read.occurred_at))


def test_lone_surrogates_are_kept_escaped_and_pairs_as_they_are():
    event = BARE._replace(order_id="a\ud800", status="\U0001f600", headers={"date": "\udfff"})

    prepared = prepare(event)
    state, _ = sealed(event)
    read = decode_event(record(state))

    assert prepared.stream == "order:instacart:a\\ud800"
    assert (read.order_id, read.status) == ("a\\ud800", "\U0001f600")
    assert read.headers == {"date": "\\udfff"}
    assert b'"problems"' not in state


def test_a_stream_s_name_holds_nothing_that_a_store_cannot():
    assert storable("order:x:\x00\ud800\u00e9") == "order:x:\\x00\\ud800\u00e9"


def test_the_body_s_hash_is_computed_and_never_believed():
    state, _ = sealed(BARE._replace(sha256="0" * 64))

    assert decode_event(record(state)).sha256 == sha256(b"").hexdigest()


@pytest.mark.parametrize("wrong", [5, None, "event", {}, (1, 2), structs.asdict(EVENT)])
def test_a_value_that_is_no_entry_is_refused_without_being_quoted(wrong):
    with pytest.raises(InvalidArgumentError, match="the entry cannot be used; expected an Event"):
        prepare(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        EVENT._replace(received_at=datetime(2026, 7, 7)),  # noqa: DTZ001 - that is what is wrong
        EVENT._replace(occurred_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
        EVENT._replace(attempt="1"),
        EVENT._replace(headers={"a": 1}),
        EVENT._replace(headers=[("a", "b")]),
        EVENT._replace(body="text"),
        ITEM._replace(body=bytearray(b"text")),
        ITEM._replace(arrival="callback"),
        MARK._replace(redriven_at="now"),
        REVIEW._replace(reviewed_at="now"),
        REVIEW._replace(by=7),
    ],
)
def test_an_entry_with_a_field_of_a_wrong_type_is_refused_without_being_quoted(wrong):
    with pytest.raises(InvalidArgumentError) as refused:
        prepare(wrong)

    assert refused.value.argument == "the entry"
    expected = "an Event, an Unreadable or a control entry, its times with a zone"
    assert refused.value.expected == expected


class Claiming(bytes):
    """A body that says to be as long as it likes."""

    claimed: int

    def __len__(self) -> int:
        return self.claimed


@pytest.mark.parametrize(("claimed", "is_refused"), [(900_000_000, False), (900_000_001, True)])
def test_a_body_that_no_store_could_hold_is_refused(claimed, is_refused):
    body = Claiming(b"{}")
    body.claimed = claimed
    if is_refused:
        with pytest.raises(InvalidArgumentError):
            prepare(BARE._replace(body=body))
    else:
        assert prepare(BARE._replace(body=body)).body is body


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"http_status": 201}, b',"http_status":201,'),
        ({"headers": {"a": "b", "c": "d"}}, b',"headers":{"a":"b","c":"d"},'),
        ({"problems": ("one", "two")}, b',"problems":["one","two"],'),
        ({"trigger": "created"}, b'"name":"created","key"'),
        ({"attempt": 0}, b',"attempt":0,'),
        ({"redriven_from": 1}, b',"redriven_from":1,'),
        ({"received_at": NOON.astimezone(timezone(timedelta(hours=2)))}, b"2026-07-07T12:00:00Z"),
    ],
)
def test_one_extra_field_is_reported_and_nothing_else(fields, told):
    event = BARE._replace(**fields)

    state, _ = sealed(event)
    read = decode_event(record(state))

    assert told in state
    kept = {"recorded_at": read.recorded_at, "version": 1, "position": 9}
    assert read == event._replace(**kept)
    header = json.loads(state.partition(b"\n")[0])
    assert set(header) - set(json.loads(STORED_BARE)) <= set(fields)


def test_lone_surrogates_are_escaped_wherever_they_stand():
    lone, escaped = "\ud800", "\\ud800"
    arrival = Arrival("callback", b"", NOON, lone, 1, lone, None, {lone: lone})
    item = Unreadable("instacart", lone, lone, b"", NOON, arrival)
    mark = MARK._replace(stream=lone, key=lone)
    event = BARE._replace(order_id="\U0001f600", problems=(lone,), headers={lone: "\U0001f600"})

    read = [decode(record(sealed(entry)[0])) for entry in (item, mark, event)]

    assert (read[0].reason, read[0].detail) == (escaped, escaped)
    assert (read[0].arrival.order_id, read[0].arrival.exchange_id) == (escaped, escaped)
    assert read[0].arrival.headers == {escaped: escaped}
    assert (read[1].stream, read[1].key) == (escaped, escaped)
    assert (read[2].order_id, read[2].problems) == ("\U0001f600", (escaped,))
    assert read[2].headers == {escaped: "\U0001f600"}


@pytest.mark.parametrize(
    ("order_id", "name"), [("a\x00", "a\\x00"), ("\u00e9\x00", "\u00e9\\x00"), ("\u00e9", "\u00e9")]
)
def test_a_stream_is_named_as_a_store_can_hold_it(order_id, name):
    assert prepare(BARE._replace(order_id=order_id)).stream == f"order:instacart:{name}"


def test_an_arrival_without_headers_is_read_back_without():
    item = ITEM._replace(arrival=Arrival("callback", b"{]", NOON))

    state, _ = sealed(item)
    read = decode(record(state))

    assert b'"headers"' not in state
    assert isinstance(read, Unreadable)
    assert read.arrival == item.arrival


class Repeating(tzinfo):
    """A zone in which every hour comes twice: first two hours before UTC's, then one."""

    def utcoffset(self, time: datetime | None) -> timedelta:
        return timedelta(hours=1 if time is not None and time.fold else 2)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)


def test_a_repeated_hour_is_shown_with_its_own_offset():
    first = datetime(2026, 10, 25, 2, 30, tzinfo=Repeating())
    second = first.replace(fold=1)
    assert first == second, "within a zone only what the clock shows is compared"

    headers = [prepare(BARE._replace(received_at=time)).opening for time in (first, second)]

    assert b'"received_at":"2026-10-25T00:30:00Z"' in headers[0]
    assert b'"received_at":"2026-10-25T01:30:00Z"' in headers[1]
