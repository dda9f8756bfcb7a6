"""What `replay` tells of changed records, word for word: every difference, no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from lifecycle.audit.replay import Replay, replay
from lifecycle.audit.stream_check import Chain, Links, rederived
from lifecycle.core.event import Arrival
from lifecycle.log.codec import decode_event
from lifecycle.log.contract import QUARANTINE, Record
from lifecycle.providers.instacart import Instacart
from tests.replays import PROVIDERS, Differing, Otherwise, Shown, log_of, recorded
from tests.scenario.command_line import callback, request, response, story
from tests.tampered import header_hash, resealed

WRONG_FIELD = "a field of its header is missing or of a wrong type"
A, B = "order:instacart:a", "order:instacart:b"
BEGUN = datetime(2022, 6, 4, 10, tzinfo=UTC)
KEY = "callback:fulfillment.brand_new:a-brand_new-9"
UNRELATED = {"kind": "callback", "body_text": "<html>", "received_at": "2022-06-04T10:00:00Z"}


BROKEN = ("", "after", None, "run: lifecycle verify", None, None)
"""The records do not name each other in one row, and nobody knows which is wrong."""


def differences(records: Sequence[Record], providers: Any = PROVIDERS) -> list[Differing]:
    """Return all that a replay of records finds, each as a plain tuple."""
    found = replay(log_of(records), providers)
    assert found.found == len(found.differences)
    assert found.ok is (not found.found)
    return [tuple(difference) for difference in found.differences]


@pytest.fixture
def records() -> list[Record]:
    """One order: created, accepted, confirmed. No other record vouches for the last."""
    return recorded(*story("a"))


Change = Callable[[bytes], bytes]


def last_changed(records: list[Record], change: Change) -> list[Record]:
    return [*records[:-1], records[-1]._replace(state=change(records[-1].state))]


def reseal(**fields: object) -> Change:
    return lambda state: resealed(state, **fields)


def without(field: str) -> Change:
    """Return a change that takes a field out of a header, its own check made right again."""

    def change(state: bytes) -> bytes:
        header, _, body = state.partition(b"\n")
        fields = json.loads(header)
        del fields[field]
        return resealed(json.dumps(fields).encode() + b"\n" + body)

    return change


# One record


@pytest.mark.parametrize(
    ("change", "field", "stored", "found"),
    [
        (reseal(key="k"), "key", "k", KEY),
        (reseal(name="delivered", trigger="brand_new"), "name", "delivered", "brand_new"),
        (reseal(trigger="delivered"), "trigger", "delivered", "brand_new"),
        (reseal(trigger=None), "trigger", None, "brand_new"),
        (reseal(event_id="e"), "event_id", "e", "a-brand_new-9"),
        (without("event_id"), "event_id", None, "a-brand_new-9"),
        (reseal(attempt=2), "attempt", 2, None),
        (reseal(status="brand_new"), "status", "brand_new", "fulfillment.brand_new"),
        (reseal(problems=["odd"]), "problems", ("odd",), ()),
        (
            reseal(occurred_at="2021-06-04T10:00:09Z"),
            "occurred_at",
            "2021-06-04T10:00:09+00:00",
            "2022-06-04T10:00:09+00:00",
        ),
        (without("occurred_at"), "occurred_at", None, "2022-06-04T10:00:09+00:00"),
    ],
)
def test_a_field_that_does_not_match_the_body_is_reported(records, change, field, stored, found):
    assert differences(last_changed(records, change)) == [(A, field, stored, found, 3, 3)]


def test_a_digest_that_does_not_match_the_body_is_reported(records):
    digest = json.loads(records[2].state.partition(b"\n")[0])["digest"]

    found = differences(last_changed(records, reseal(digest="d")))

    assert found == [(A, "digest", "d", digest, 3, 3)]


def test_every_field_that_the_body_does_not_bear_out_is_reported_in_order(records):
    forged: dict[str, Any] = {
        "key": "k",
        "digest": "d",
        "name": "delivered",
        "trigger": "canceled",
        "event_id": "e",
        "attempt": 2,
        "exchange_id": "x",
        "status": "s",
        "occurred_at": "2022-06-04T10:00:00+00:00",
        "http_status": 201,
        "problems": ("bad_time",),
    }
    right = {
        "key": KEY,
        "digest": json.loads(records[2].state.partition(b"\n")[0])["digest"],
        "name": "brand_new",
        "trigger": "brand_new",
        "event_id": "a-brand_new-9",
        "attempt": None,
        "exchange_id": None,
        "status": "fulfillment.brand_new",
        "occurred_at": "2022-06-04T10:00:09+00:00",
        "http_status": None,
        "problems": (),
    }

    told = differences(last_changed(records, reseal(**forged)), PROVIDERS)

    assert told[: len(right)] == [(A, name, forged[name], right[name], 3, 3) for name in right]


def test_what_a_provider_reads_otherwise_today_is_told():
    records = recorded(request("a"), response("a"), callback(order_id="a"))
    now = {"name": "delivered", "event_id": "e", "status": "s"}

    told = differences(records, {"instacart": Otherwise(fields=now)})
    of_another = differences(records, {"instacart": Otherwise(fields={"order_id": "b"})})

    assert {one[1] for one in told} >= {"key", "name", "trigger", "event_id", "status"}
    assert of_another[0] == (A, "reason", None, "order_mismatch", 3, 3)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda state: b"x" + state, "its header is no JSON"),
        (lambda state: b"[]\n", "its header is no JSON object"),
        (lambda state: b'{"v":3}\n', "it has format 3, this release reads 2"),
        (lambda state: b'{"v":2}\n', WRONG_FIELD),
        (lambda state: state.replace(b"brand_new", b"brand_now", 1), "its header was changed"),
        (reseal(received_at=7), WRONG_FIELD),
        (reseal(received_at="noon"), WRONG_FIELD),
        (without("received_at"), WRONG_FIELD),
        (reseal(headers=7), WRONG_FIELD),
        (reseal(problems=5), WRONG_FIELD),
        (without("name"), WRONG_FIELD),
        (without("key"), WRONG_FIELD),
        (without("digest"), WRONG_FIELD),
        (reseal(after=["s", 1]), WRONG_FIELD),
        (reseal(after=["s", 1, 5]), WRONG_FIELD),
        (reseal(after=["s", 1, "0" * 64, 1]), WRONG_FIELD),
        (reseal(after="abc"), WRONG_FIELD),
        (reseal(occurred_at="noon"), WRONG_FIELD),
        (reseal(occurred_at=7), WRONG_FIELD),
        (reseal(occurred_at="2022-06-04T10:00:09"), WRONG_FIELD),
        (reseal(received_at="2022-06-04T10:00:09"), WRONG_FIELD),
        (lambda state: state.partition(b"\n")[0], "its header has no end"),
    ],
)
def test_an_invalid_header_is_reported_and_its_event_is_left_out(records, change, found):
    told = differences(last_changed(records, change))

    assert told == [(A, "header", None, found, 3, 3), BROKEN]


def test_a_changed_body_is_reported_with_every_field_that_differs(records):
    header, _, body = records[2].state.partition(b"\n")
    changed = body.replace(b"brand_new", b"delivered")

    told = differences(last_changed(records, lambda _: header + b"\n" + changed))

    was, now = sha256(body).hexdigest(), sha256(changed).hexdigest()
    assert told[0] == (A, "body", was, now, 3, 3)
    assert [one[1] for one in told[1:]] == [
        "key",
        "digest",
        "name",
        "trigger",
        "event_id",
        "status",
    ]
    assert (A, "name", "brand_new", "delivered", 3, 3) in told


def test_a_body_that_can_no_longer_be_recognized_is_reported(records):
    told = differences(last_changed(records, lambda _: resealed_body(records[2].state, b"<html>")))

    assert told == [(A, "reason", None, "not_json", 3, 3)]


def resealed_body(state: bytes, body: bytes) -> bytes:
    """Return a record with another body, and the hash of that in its header."""
    header = resealed(state, sha256=sha256(body).hexdigest()).partition(b"\n")[0]
    return header + b"\n" + body


def test_a_position_of_another_record_is_reported(records):
    place = [A, "callback", 3]
    for change, stored in (
        (reseal(version=4), [A, "callback", 4]),
        (reseal(provider="other"), ["order:other:a", "callback", 3]),
    ):
        told = differences(last_changed(records, change))
        assert told == [(A, "place", stored, place, 3, 3)]


def test_a_kind_or_an_order_of_another_record_is_reported_first(records):
    place = [A, "callback", 3]
    for change, stored in (
        (reseal(kind="poll"), [A, "poll", 3]),
        (reseal(order_id="b"), [B, "callback", 3]),
    ):
        told = differences(last_changed(records, change))
        assert told[0] == (A, "place", stored, place, 3, 3)


def test_a_broken_chain_is_reported(records):
    was = json.loads(records[2].state.partition(b"\n")[0])["previous"]

    assert differences(last_changed(records, reseal(previous="0" * 64))) == [
        (A, "previous", "0" * 64, was, 3, 3)
    ]
    assert differences(last_changed(records, without("previous"))) == [
        (A, "previous", None, was, 3, 3)
    ]


def test_a_missing_version_is_reported_and_the_chain_is_not_checked(records):
    other = recorded(request("b"))
    assert differences([records[0], records[2], *other]) == [
        (A, "version", 2, 3, 3, 2),
    ]


def test_a_header_that_cannot_be_read_still_stands_in_its_chain(records):
    broken = [records[0], records[1]._replace(state=b"broken"), records[2]]

    told = differences(broken)

    after = json.loads(records[2].state.partition(b"\n")[0])["previous"]
    assert told == [
        (A, "header", None, "its header is no JSON", 2, 2),
        (A, "previous", after, sha256(b"broken").hexdigest(), 3, 3),
        BROKEN,
    ]


@dataclass
class Handed:
    """A log that hands out records just as they are, whatever is in their columns."""

    records: list[Record]
    views: Any = None
    cipher: None = None
    gapless: bool = True
    partitions: Sequence[Any] = ()

    def last_position(self) -> int:
        return len(self.records)

    def streams(self, **_: str) -> Iterator[str]:
        return iter(dict.fromkeys(record.stream for record in self.records))

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        return {name: [one for one in self.records if one.stream == name] for name in streams}

    def walk(self, stream: str) -> Iterator[Record]:
        return iter([one for one in self.records if one.stream == stream])


@pytest.mark.parametrize("views", [False, True])
def test_records_whose_version_is_no_number_are_reported_and_left_out(views):
    shown = Shown(*story("a"), *story("b"))
    records = list(shown.log.scan())
    records[1] = records[1]._replace(version="second")
    records[2] = records[2]._replace(version="third")
    log: Any = Handed(records, shown.log.views if views else None)

    found = replay(log, PROVIDERS)

    told = [tuple(one) for one in found.differences]
    assert told[:2] == [
        (A, "version", None, "second", "second", 2),
        (A, "version", None, "third", "third", 3),
    ]
    assert told[-2] == ("", "positions", 6, 4, None, None)
    assert found.compared == (2 if views else 0)


@pytest.mark.parametrize("views", [False, True])
def test_an_order_without_any_version_has_no_view(views):
    shown = Shown(*story("a"))
    records = [one._replace(version=f"v{one.version}") for one in shown.log.scan()]
    log: Any = Handed(records, shown.log.views if views else None)

    told = [tuple(one) for one in replay(log, PROVIDERS).differences]

    no_event = "expected events of one order, found no event at all; fold each order by itself"
    assert told == [
        *((A, "version", None, f"v{n}", f"v{n}", n) for n in (1, 2, 3)),
        (A, "view", None, no_event, None, None),
        *([(A, "order", "brand_new", None, None, None)] if views else []),
        ("", "positions", 3, 0, None, None),
    ]


# Orders that cannot be derived


def test_an_order_of_which_nothing_can_be_read_has_no_view(records):
    told = differences([records[0]._replace(state=b"broken")])

    assert told == [
        (A, "header", None, "its header is no JSON", 1, 1),
        (
            A,
            "view",
            None,
            "expected events of one order, found no event at all; fold each order by itself",
            None,
            None,
        ),
        BROKEN,
    ]


class Tripping(Instacart):
    """A provider that trips over every callback."""

    def read(self, arrival: Any, body: Any) -> Any:
        if arrival.kind == "callback":
            raise ZeroDivisionError
        return super().read(arrival, body)


def test_a_provider_error_is_reported_with_the_record(records):
    told = differences(records, {"instacart": Tripping()})

    assert told == [(A, "event", None, "the provider's code raised ZeroDivisionError", 3, 3)]


def test_records_of_an_unknown_provider_are_checked(records):
    provider = (A, "provider", "instacart", "it is not known here", None, None)

    assert differences(records, {}) == [provider]
    assert differences(last_changed(records, lambda state: state + b"x"), {})[0][:2] == (A, "body")
    assert differences(last_changed(records, reseal(received_at=7)), {}) == [
        (A, "header", None, WRONG_FIELD, 3, 3),
        provider,
        BROKEN,
    ]
    assert differences(last_changed(records, lambda _: b"broken"), {}) == [
        (A, "header", None, "its header is no JSON", 3, 3),
        provider,
        BROKEN,
    ]


def test_a_stream_of_an_unknown_kind_is_reported_and_is_no_order():
    record = recorded(request("a"))[0]._replace(stream="stray")

    found = replay(log_of([record]), PROVIDERS)

    assert [tuple(one) for one in found.differences] == [
        ("stray", "place", [A, "request", 1], ["stray", "request", 1], 1, 1),
        ("stray", "provider", "", "it is not known here", None, None),
    ]
    assert (found.orders, found.records) == (0, 1)


# What a provider is given

ALL_KINDS = (
    {**request("a", attempt=2), "exchange_id": "e1"},
    {**response("a", attempt=2), "exchange_id": "e1"},
    {**response("a"), "kind": "poll", "exchange_id": "e2", "headers": {"date": "then"}},
    callback(order_id="a"),
    {**response("a", 3, attempt=3), "http_status": None, "body": None, "exchange_id": "e3"},
)


def test_a_provider_receives_an_arrival_verbatim():
    records = recorded(*ALL_KINDS)
    given: list[Arrival] = []

    class Noting(Otherwise):
        def read(self, arrival: Arrival, body: Any) -> Any:
            given.append(arrival)
            return super().read(arrival, body)

    assert differences(records, {"instacart": Noting()}) == []
    events = [decode_event(record) for record in records]
    assert [(one.exchange_id, one.attempt) for one in events[:3]] == [
        ("e1", 2),
        ("e1", 2),
        ("e2", None),
    ]
    assert given == [
        Arrival(
            one.kind,
            one.body,
            one.received_at,
            one.order_id,
            one.attempt or 1,
            one.exchange_id,
            one.http_status,
            one.headers,
        )
        for one in events
    ]
    assert [len(one.headers) for one in given] == [0, 0, 1, 0, 0]


def test_a_recognized_event_has_its_record_s_position():
    records = recorded(request("b"), *ALL_KINDS)[1:]
    told: list[Any] = []

    events = rederived(PROVIDERS["instacart"], records, Chain(A, Links(6), told.append))

    assert told == []
    assert events == [
        decode_event(record)._replace(details=event.details, faults=event.faults, fate=event.fate)
        for record, event in zip(records, events, strict=True)
    ]
    assert [(event.version, event.position) for event in events] == [
        (n, n + 1) for n in range(1, 6)
    ]


# The quarantine


def test_every_record_of_the_quarantine_is_checked_however_many_there_are():
    records = recorded(*[{**UNRELATED, "body_text": f"<{n}>"} for n in range(1001)])
    assert replay(log_of(records), PROVIDERS) == Replay(1001, 0, 0, 0, True, (), 0)

    changed = [
        record._replace(state=record.state + b"x")
        if record.version in {1, 500, 501, 1001}
        else record
        for record in records
    ]

    told = differences(changed)
    assert [(one[0], one[1], one[4], one[5]) for one in told] == [
        (QUARANTINE, "body", n, n) for n in (1, 500, 501, 1001)
    ]


def test_the_quarantine_is_read_in_pieces(monkeypatch):
    log = log_of(recorded(*[UNRELATED] * 501))
    read, sizes = log.recorder.page_of_stream, []

    def noting(stream: str, version: int, position: int) -> list[Record]:
        page = read(stream, version, position)
        if stream == QUARANTINE:
            sizes.append(len(page))
        return page

    monkeypatch.setattr(log.recorder, "page_of_stream", noting)

    assert replay(log, PROVIDERS).records == 501
    assert sizes == [500, 1, 0]


# The order of the whole log


def link_of(record: Record) -> list[object]:
    return [record.stream, record.version, header_hash(record.state)]


def test_a_log_without_links_cannot_detect_missing_records():
    records = recorded(request("a"), request("b"), request("c"))
    second = [records[0], records[1]._replace(state=without("after")(records[1].state)), records[2]]
    third = second[2]._replace(state=resealed(second[2].state, after=link_of(second[1])))

    found = replay(log_of([*second[:2], third]), PROVIDERS)

    assert (found.ok, found.linked) == (True, None)


HASHES = [sha256(bytes([n])).hexdigest() for n in range(6)]


def links(last: int, *told: tuple[int, str, Any]) -> Links:
    links = Links(last)
    for one in told:
        links.add(*one)
    return links


def after(position: int) -> list[object]:
    return ["s", 1, HASHES[position]]


@pytest.mark.parametrize(
    ("told", "hold"),
    [
        ((), True),
        (((1, HASHES[1], None),), False),
        (((1, HASHES[1], None), (2, HASHES[2], after(1))), True),
        (((2, HASHES[2], after(1)), (1, HASHES[1], None)), True),
        (((1, HASHES[1], None), (2, HASHES[2], after(2))), False),
        (((1, HASHES[1], None), (2, HASHES[2], after(1)), (3, HASHES[3], after(9 % 6))), True),
        (((1, HASHES[1], None), (2, HASHES[2], ["s", 1, "no hash"])), False),
        (((1, HASHES[1], None), (2, HASHES[2], None)), None),
        (((1, HASHES[1], after(0)), (2, HASHES[2], after(1))), False),
    ],
)
def test_links_hold_where_every_record_names_the_one_before_it(told, hold):
    found = links(2, *told)

    assert found.hold is hold
    assert found.records == sum(position <= 2 for position, *_ in told)


def test_links_of_two_parts_add_up():
    whole, part = links(3, (1, HASHES[1], None)), links(3, (3, HASHES[3], after(2)))
    assert (whole.hold, part.hold) == (False, False)

    whole.take(part)
    assert (whole.records, whole.unlinked, whole.hold) == (2, 1, False)
    whole.take(links(3, (2, HASHES[2], after(1))))

    assert (whole.records, whole.unlinked, whole.hold) == (3, 1, True)
    whole.take(links(3, (3, HASHES[3], None)))
    assert (whole.unlinked, whole.hold) == (2, None)
