"""What `replay` tells of changed records and views, word for word: every difference, no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from lifecycle import connect
from lifecycle.audit.comparing import differing
from lifecycle.audit.rederiving import Chain, Links, rederived
from lifecycle.audit.replay import Replay, replay
from lifecycle.connect import known_providers
from lifecycle.event import Arrival
from lifecycle.fold import fold
from lifecycle.log import QUARANTINE, Record
from lifecycle.stored import decode_event
from lifecycle.stores.memory import MemoryLog
from lifecycle.view_store import Generation, Phase, StoredView
from tests.scenario.command_line import callback, request, response, story
from tests.tampered import header_hash, resealed

PROVIDERS = known_providers()
A, B = "order:instacart:a", "order:instacart:b"
BEGUN = datetime(2022, 6, 4, 10, tzinfo=UTC)
REJECTION = {"error": {"message": "no such store", "code": 1001}, "meta": {"key": "store"}}
UNRELATED = {"kind": "callback", "body_text": "<html>", "received_at": "2022-06-04T10:00:00Z"}

Differing = tuple[Any, ...]

BROKEN = ("", "after", None, "run: lifecycle verify", None, None)
"""The records do not name each other in one row, and nobody knows which is wrong."""


def recorded(*recordings: dict[str, Any]) -> list[Record]:
    """Return the records of a log of some recordings."""
    with connect("memory:") as orders:
        orders.record_many(recordings)
        return list(orders.log.scan())


def log_of(records: Sequence[Record]) -> MemoryLog:
    """Return a log of records just as they are, at positions from 1 on."""
    log = MemoryLog()
    log.restore(records)
    return log


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
        (reseal(key="k"), "key", "k", "callback:a-brand_new-9"),
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
        (reseal(occurred_at="noon"), "occurred_at", "noon", "2022-06-04T10:00:09+00:00"),
        (reseal(occurred_at=7), "occurred_at", 7, "2022-06-04T10:00:09+00:00"),
        (without("occurred_at"), "occurred_at", None, "2022-06-04T10:00:09+00:00"),
    ],
)
def test_a_field_that_the_body_does_not_bear_out_is_told(records, change, field, stored, found):
    assert differences(last_changed(records, change)) == [(A, field, stored, found, 3, 3)]


def test_a_digest_that_the_body_does_not_bear_out_is_told(records):
    digest = json.loads(records[2].state.partition(b"\n")[0])["digest"]

    found = differences(last_changed(records, reseal(digest="d")))

    assert found == [(A, "digest", "d", digest, 3, 3)]


@dataclass(frozen=True)
class Otherwise:
    """A provider that recognizes callbacks otherwise than it did."""

    fields: dict[str, Any]
    name: str = "instacart"
    definition: object = PROVIDERS["instacart"].definition
    kept_headers: frozenset[str] = frozenset()
    recall = staticmethod(PROVIDERS["instacart"].recall)

    def recognize(self, arrival: Any) -> Any:
        event = PROVIDERS["instacart"].recognize(arrival)
        return event._replace(**self.fields) if arrival.kind == "callback" else event


def test_every_field_that_is_recognized_otherwise_is_told_in_turn(records):
    now: dict[str, Any] = {
        "key": "k",
        "digest": "d",
        "name": "delivered",
        "trigger": "canceled",
        "event_id": "e",
        "attempt": 2,
        "exchange_id": "x",
        "status": "s",
        "occurred_at": BEGUN,
        "http_status": 201,
        "order_id": "a",
        "problems": ("odd",),
    }
    was = {
        "key": "callback:a-brand_new-9",
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

    told = differences(records, {"instacart": Otherwise(now)})

    found = now | {"occurred_at": "2022-06-04T10:00:00+00:00"}
    assert told[: len(was)] == [(A, name, was[name], found[name], 3, 3) for name in was]
    assert differences(records, {"instacart": Otherwise({"order_id": "b"})})[0] == (
        A,
        "order_id",
        "a",
        "b",
        3,
        3,
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda state: b"x" + state, "its header is no JSON"),
        (lambda state: b"[]\n", "its header is no JSON object"),
        (lambda state: b'{"v":2}\n', "it has format 2, this release reads 1"),
        (lambda state: b'{"v":1}\n', "a field of it is missing"),
        (lambda state: state.replace(b"brand_new", b"brand_now", 1), "it was changed"),
        (reseal(received_at=7), "a field of it is missing or of a wrong type"),
        (reseal(received_at="noon"), "a field of it is missing or of a wrong type"),
        (without("received_at"), "a field of it is missing or of a wrong type"),
        (reseal(headers=7), "a field of it is missing or of a wrong type"),
        (reseal(problems=5), "a field of it is missing or of a wrong type"),
        (without("name"), "a field of it is missing or of a wrong type"),
        (without("key"), "a field of it is missing or of a wrong type"),
        (without("digest"), "a field of it is missing or of a wrong type"),
    ],
)
def test_a_header_that_cannot_be_trusted_is_told_and_its_event_left_out(records, change, found):
    told = differences(last_changed(records, change))

    is_read = "wrong type" in found
    assert told == [(A, "header", None, found, 3, 3), *([] if is_read else [BROKEN])]


def test_a_body_that_was_changed_is_told_with_all_that_it_says_otherwise(records):
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


def test_a_body_that_says_nothing_any_more_is_told(records):
    told = differences(last_changed(records, lambda _: resealed_body(records[2].state, b"<html>")))

    assert told == [(A, "reason", None, "not_json", 3, 3)]


def resealed_body(state: bytes, body: bytes) -> bytes:
    """Return a record with another body, and the hash of that in its header."""
    header = resealed(state, sha256=sha256(body).hexdigest()).partition(b"\n")[0]
    return header + b"\n" + body


def test_a_place_that_is_not_the_record_s_own_is_told(records):
    place = [A, "callback", 3]
    for change, stored in (
        (reseal(version=4), [A, "callback", 4]),
        (reseal(provider="other"), ["order:other:a", "callback", 3]),
    ):
        told = differences(last_changed(records, change))
        assert told == [(A, "place", stored, place, 3, 3)]


def test_a_kind_or_an_order_that_is_not_the_record_s_own_is_told_first(records):
    place = [A, "callback", 3]
    for change, stored in (
        (reseal(kind="poll"), [A, "poll", 3]),
        (reseal(order_id="b"), [B, "callback", 3]),
    ):
        told = differences(last_changed(records, change))
        assert told[0] == (A, "place", stored, place, 3, 3)


def test_a_chain_that_breaks_is_told(records):
    was = json.loads(records[2].state.partition(b"\n")[0])["previous"]

    assert differences(last_changed(records, reseal(previous="0" * 64))) == [
        (A, "previous", "0" * 64, was, 3, 3)
    ]
    assert differences(last_changed(records, without("previous"))) == [
        (A, "previous", None, was, 3, 3)
    ]


def test_a_version_that_is_missing_is_told_and_the_chain_is_not_asked(records):
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
    gapless: bool = True

    def last_position(self) -> int:
        return len(self.records)

    def streams(self, **_: str) -> Iterator[str]:
        return iter(dict.fromkeys(record.stream for record in self.records))

    def read_many(self, streams: Sequence[str]) -> dict[str, list[Record]]:
        return {name: [one for one in self.records if one.stream == name] for name in streams}


@pytest.mark.parametrize("views", [False, True])
def test_records_whose_version_is_no_number_are_told_and_left_out(views):
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


def test_a_time_without_a_zone_has_no_view(records):
    told = differences(last_changed(records, reseal(received_at="2022-06-04T10:00:09")))

    assert told == [(A, "view", None, "unexpected TypeError", None, None)]


@dataclass(frozen=True)
class Tripping:
    """A provider that trips over every callback."""

    name: str = "instacart"
    definition: object = PROVIDERS["instacart"].definition
    kept_headers: frozenset[str] = frozenset()
    recall = staticmethod(PROVIDERS["instacart"].recall)

    def recognize(self, arrival: Any) -> Any:
        if arrival.kind == "callback":
            raise ZeroDivisionError
        return PROVIDERS["instacart"].recognize(arrival)


def test_a_provider_that_trips_over_a_record_is_told_with_the_record(records):
    told = differences(records, {"instacart": Tripping()})

    assert told == [(A, "event", None, "unexpected ZeroDivisionError", 3, 3)]


def test_records_of_a_provider_that_is_not_known_are_checked_all_the_same(records):
    provider = (A, "provider", "instacart", "it is not known here", None, None)

    assert differences(records, {}) == [provider]
    assert differences(last_changed(records, lambda state: state + b"x"), {})[0][:2] == (A, "body")
    assert differences(last_changed(records, reseal(received_at=7)), {}) == [
        (A, "header", None, "a field of its header is missing or of a wrong type", 3, 3),
        provider,
    ]
    assert differences(last_changed(records, lambda _: b"broken"), {}) == [
        (A, "header", None, "its header is no JSON", 3, 3),
        provider,
        BROKEN,
    ]


def test_a_stream_of_no_known_kind_is_told_and_is_no_order():
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


def test_a_provider_is_given_all_that_came_as_it_came():
    records = recorded(*ALL_KINDS)
    given: list[Arrival] = []

    class Noting(Otherwise):
        def recognize(self, arrival: Arrival) -> Any:
            given.append(arrival)
            return super().recognize(arrival)

    assert differences(records, {"instacart": Noting({})}) == []
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


def test_what_is_recognized_has_its_record_s_place():
    records = recorded(request("b"), *ALL_KINDS)[1:]
    told: list[Any] = []

    events = rederived(PROVIDERS["instacart"], records, Chain(A, Links(6), told.append))

    assert told == []
    assert events == [
        decode_event(record)._replace(
            recorded_at=None, details=event.details, faults=event.faults, fate=event.fate
        )
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
    read, spans = log.read, []

    def noting(stream: str, **limits: int) -> list[Record]:
        spans.append(limits)
        return read(stream, **limits)

    monkeypatch.setattr(log, "read", noting)

    assert replay(log, PROVIDERS).records == 501
    assert spans == [
        {"after": 0, "until": 500},
        {"after": 500, "until": 1000},
        {"after": 501, "until": 1001},
    ]


# The order of the whole log


def link_of(record: Record) -> list[object]:
    return [record.stream, record.version, header_hash(record.state)]


def test_a_log_whose_records_name_none_cannot_tell():
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
        (((1, HASHES[1], None), (2, HASHES[2], ["s", 1])), None),
        (((1, HASHES[1], None), (2, HASHES[2], ["s", 1, 5])), None),
        (((1, HASHES[1], None), (2, HASHES[2], ["s", 1, HASHES[1], 1])), None),
        (((1, HASHES[1], None), (2, HASHES[2], "abc")), None),
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


# Stored views


class Shown:
    """A log with views, of which some are changed behind everybody's back."""

    def __init__(self, *recordings: dict[str, Any]) -> None:
        self.orders = connect("memory:")
        self.orders.record_many(recordings)
        self.orders.views.rebuild()
        self.log: Any = self.orders.log

    @property
    def generation(self) -> Generation:
        return self.log.views.generations("instacart")[-1]

    def view(self, order_id: str) -> StoredView:
        found = self.log.views.between(self.generation, "", None)
        return next(view for view in found if view.order_id == order_id)

    def change(self, order_id: str, **columns: Any) -> None:
        changed = self.view(order_id)._replace(**columns)
        self.log.views._kept[self.generation.number].views[order_id] = changed

    def rewrite(self, order_id: str, **fields: Any) -> None:
        """Change fields of a view's body."""
        body = json.loads(self.view(order_id).body)
        self.change(order_id, body=json.dumps(body | fields).encode())

    def forget(self, order_id: str) -> None:
        del self.log.views._kept[self.generation.number].views[order_id]

    def replay(self, providers: Any = PROVIDERS) -> Replay:
        return replay(self.log, providers)

    def differences(self, providers: Any = PROVIDERS) -> list[Differing]:
        return [tuple(difference) for difference in self.replay(providers).differences]


REJECTED = {**response("rejected"), "http_status": 422, "body": REJECTION}
EVERYTHING = (
    *story("a"),
    *story("b"),
    callback("at_store", "odd", 20),
    callback("never_heard_of", "odd", 21),
    request("rejected"),
    REJECTED,
)

WITH_MILESTONE = ("brand_new", "acknowledged_for_delivery", "staged")


@pytest.fixture
def shown() -> Iterator[Shown]:
    shown = Shown(*EVERYTHING)
    yield shown
    shown.orders.close()


def test_views_that_are_as_they_were_are_counted(shown):
    assert shown.replay() == Replay(10, 4, 4, 0, True, (), 0)


def test_views_that_are_as_they_were_are_not_written_out_to_be_compared(monkeypatch):
    """That would take four times as long."""
    shown = Shown(
        *EVERYTHING, *(callback(name, "done", n) for n, name in enumerate(WITH_MILESTONE))
    )
    done = json.loads(shown.view("done").body)
    assert (len(done["path"]), len(done["milestones"])) == (2, 1)
    monkeypatch.delattr("lifecycle.audit.comparing.as_json")

    assert shown.replay() == Replay(13, 5, 5, 0, True, (), 0)
    definition, records = PROVIDERS["instacart"].definition, shown.log.read(A)
    view = fold(definition, rederived(PROVIDERS["instacart"], records, Chain(A, Links(0), print)))
    assert view.digest == shown.view("a").digest
    told = differing(definition, shown.view("a"), view, records[-1].position, of_another=False)
    assert list(told) == []


@pytest.mark.parametrize("order_id", ["a", "odd", "rejected"])
def test_a_column_that_differs_is_told(shown, order_id):
    view = shown.view(order_id)
    changed = {
        "status": "s",
        "terminal": not view.terminal,
        "awaiting": "nobody knows",
        "waiting_since": 1,
        "anomalies": 9,
        "first_received_at": 2,
        "last_received_at": 3,
        "position": 99,
        "digest": "d",
    }
    shown.change(order_id, **changed)

    stream = f"order:instacart:{order_id}"
    assert shown.differences() == [
        (stream, f"column {name}", changed[name], getattr(view, name), None, None)
        for name in changed
    ]


@pytest.mark.parametrize("novelty", [None, 1, {"x": 1}, [{"code": 1, "detail": 2}], []])
def test_a_word_more_is_told_whatever_it_holds(shown, novelty):
    shown.rewrite("a", novelty=novelty)

    assert shown.differences() == [(A, "novelty", novelty, None, None, None)]


@pytest.mark.parametrize("body", [b"x", b"[]", b"5", b"\xff"])
def test_a_body_that_is_no_object_is_told_alone(shown, body):
    shown.change("a", body=body, status="s")

    assert shown.differences() == [
        (A, "body", None, "what is stored is no JSON object", None, None)
    ]


def test_words_of_a_body_that_differ_are_told_by_the_names_that_show_prints(shown):
    told = json.loads(shown.view("a").body)
    details = told["details"] | {"novel": 1}
    gone = next(iter(told["details"]))
    was = details.pop(gone)
    arrival = told["arrival"] | {"version": 9}
    shown.rewrite("a", status="s", details=details, arrival=arrival, path=[], novelty=None)

    assert sorted(shown.differences()) == sorted(
        [
            (A, "status", "s", "brand_new", None, None),
            (A, "path", [], told["path"], None, None),
            (A, "arrival.version", 9, 3, None, None),
            (A, f"details.{gone}", None, was, None, None),
            (A, "details.novel", 1, None, None, None),
            (A, "novelty", None, None, None, None),
        ]
    )


def test_words_that_differ_in_kind_are_told_as_they_are(shown):
    told = json.loads(shown.view("odd").body)
    assert told["anomalies"]
    for fields in ({"details": 5}, {"arrival": 5}, {"anomalies": 5}, {"path": 5}):
        [(name, value)] = fields.items()
        before = shown.view("odd")
        shown.rewrite("odd", **fields)
        found = shown.differences()
        assert ("order:instacart:odd", name, value) in {one[:3] for one in found if one[2] == 5}
        shown.change("odd", body=before.body)


def test_texts_for_people_do_not_count(shown):
    anomalies = json.loads(shown.view("odd").body)["anomalies"]
    shown.rewrite("odd", anomalies=[{**each, "detail": "otherwise"} for each in anomalies])
    assert shown.differences() == []

    shown.rewrite("odd", anomalies=[{**each, "code": "otherwise"} for each in anomalies])
    ((stream, field, stored, found, *_),) = shown.differences()
    assert (stream, field) == ("order:instacart:odd", "anomalies")
    assert [each["code"] for each in stored] == ["otherwise"] * len(anomalies)
    assert all("detail" not in each for each in (*stored, *found))

    shown.rewrite("odd", anomalies=[*anomalies, "text"])
    ((_, field, stored, *_),) = shown.differences()
    assert (field, stored[-1]) == ("anomalies", "text")


def test_a_time_written_otherwise_is_the_same_time_but_not_the_same_word(shown):
    path = json.loads(shown.view("a").body)["path"]
    path[-1]["at"] = path[-1]["at"].replace("Z", "+00:00")
    shown.rewrite("a", path=path)

    assert [one[:2] for one in shown.differences()] == [(A, "path")]


def test_a_view_that_is_not_there_is_told_with_how_much_there_is(shown):
    shown.forget("a")

    found = shown.replay()

    assert [tuple(one) for one in found.differences] == [(A, "view", None, 3, None, None)]
    assert (found.compared, found.behind) == (3, 1)


def test_a_view_that_took_in_nothing_is_told_and_not_compared(shown):
    shown.change("a", version=0)

    found = shown.replay()

    assert [tuple(one) for one in found.differences] == [(A, "view", 0, 3, None, None)]
    assert (found.compared, found.behind) == (3, 1)


def test_a_view_that_lacks_the_last_record_that_was_taken_in_is_told(shown):
    assert shown.generation.position == 10
    shown.change("rejected", version=1)

    assert shown.differences()[0] == ("order:instacart:rejected", "view", 1, 2, None, None)


@pytest.mark.parametrize("version", [1, 2])
def test_a_view_that_took_in_too_little_is_told_and_compared_with_that(shown, version):
    shown.change("a", version=version)

    found = [tuple(one) for one in shown.replay().differences]

    assert found[0] == (A, "view", version, 3, None, None)
    assert shown.replay().compared == 4
    assert "status" in {one[1] for one in found}


def test_a_view_of_no_order_is_told(shown):
    views = shown.log.views._kept[shown.generation.number].views
    for order_id in ("!", "aa", "zzz"):
        views[order_id] = views["a"]._replace(order_id=order_id)

    assert shown.differences() == [
        (f"order:instacart:{order_id}", "order", "brand_new", None, None, None)
        for order_id in ("!", "aa", "zzz")
    ]


def test_views_that_are_behind_are_no_difference(shown):
    shown.orders.record_many([callback("canceled", "a", 60), callback("brand_new", "new")])

    assert shown.replay() == Replay(12, 5, 4, 2, True, (), 0)


def test_an_order_that_has_a_view_and_cannot_be_folded_is_told(shown):
    changed = [
        record._replace(state=b"broken") if record.stream == A else record
        for record in shown.log.scan()
    ]
    log: Any = log_of(changed)
    log.views = shown.log.views

    found = replay(log, PROVIDERS)

    no_event = "expected events of one order, found no event at all; fold each order by itself"
    assert (A, "view", "brand_new", no_event, None, None) in map(tuple, found.differences)
    assert (found.compared, found.behind) == (3, 0)


def test_under_another_definition_its_name_and_the_columns_do_not_count(shown):
    definition = replace(PROVIDERS["instacart"].definition, main_line=("requested",))
    other = replace(Otherwise({}), definition=definition)

    shown.change("a", digest="d", terminal=True, position=99)
    shown.rewrite("b", digest="d", definition="d", novelty=1)

    odd = "order:instacart:odd"
    missing = ["requested", "brand_new", "acknowledged_for_delivery"]
    assert shown.differences({"instacart": other}) == [
        (A, "awaiting", ["acknowledged_for_delivery"], ["delivered"], None, None),
        (B, "awaiting", ["acknowledged_for_delivery"], ["delivered"], None, None),
        (B, "novelty", 1, None, None, None),
        (odd, "awaiting", ["bags_verified"], ["delivered"], None, None),
        (odd, "missing", missing, ["requested"], None, None),
    ]


def test_a_digest_that_was_changed_in_every_place_is_told(shown):
    digest = shown.view("a").digest
    shown.change("a", digest="d")
    shown.rewrite("a", digest="d")

    assert shown.differences() == [
        (A, "digest", "d", digest, None, None),
        (A, "column digest", "d", digest, None, None),
    ]


def test_the_definition_that_a_view_names_is_told(shown):
    fingerprint = PROVIDERS["instacart"].definition.fingerprint
    shown.rewrite("a", definition="d")

    assert shown.differences() == [(A, "definition", "d", fingerprint, None, None)]


def test_views_that_are_not_in_use_are_not_compared(shown):
    for phase in (Phase.WALKING, Phase.TRAILING, Phase.RETIRED):
        kept = shown.log.views._kept[shown.generation.number]
        kept.generation = kept.generation._replace(phase=phase)
        shown.change("a", status="s")
        assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)
    kept.generation = kept.generation._replace(phase=Phase.LIVE, form=99)
    assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)


def test_views_that_were_replaced_meanwhile_are_read_from_their_successor(shown, monkeypatch):
    views = shown.log.views
    between, old = views.between, shown.generation

    def replaced(generation: Generation, *limits: Any) -> list[StoredView]:
        if generation.number == old.number:
            shown.orders.views.rebuild()
            return []
        return between(generation, *limits)

    monkeypatch.setattr(views, "between", replaced)
    assert shown.replay() == Replay(10, 4, 4, 0, True, (), 0)


def test_views_that_were_taken_away_meanwhile_are_not_compared(shown, monkeypatch):
    views = shown.log.views

    def swept(*_: Any) -> list[StoredView]:
        views._kept.clear()
        return []

    monkeypatch.setattr(views, "between", swept)
    assert shown.replay() == Replay(10, 4, 0, 0, True, (), 0)


@pytest.mark.parametrize("at_once", [1, 2, 3, 64])
def test_every_order_is_compared_once_however_streams_are_shared_out(shown, monkeypatch, at_once):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", at_once)
    record = next(shown.log.scan())
    strays = ["order:aaa:1", "order:aaa:2", "order:instacart", "order:zzz:1", "quarantine", "zzz"]
    shown.log.restore([record._replace(stream=stream) for stream in strays])
    views = shown.log.views._kept[shown.generation.number].views
    for order_id in ("!", "aa", "zzz"):
        views[order_id] = views["a"]._replace(order_id=order_id)

    found = shown.replay()

    told = [one[:2] for one in found.differences]
    known = {"quarantine", "order:instacart"}
    assert (found.orders, found.compared, found.behind) == (8, 4, 1)
    assert sorted(one for one in told if one[1] == "order") == [
        (f"order:instacart:{order_id}", "order") for order_id in ("!", "aa", "zzz")
    ]
    assert sorted(one for one in told if one[1] != "order") == sorted(
        [
            *((stream, "place") for stream in strays),
            *((stream, "provider") for stream in strays if stream not in known),
        ]
    )


def test_of_very_many_differences_a_hundred_are_listed_and_all_are_counted(shown, monkeypatch):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", 1)
    views = shown.log.views._kept[shown.generation.number].views
    for n in range(150):
        views[f"a{n:03}"] = views["a"]._replace(order_id=f"a{n:03}")

    found = shown.replay()

    assert (len(found.differences), found.found) == (100, 150)


def test_progress_is_told_in_records(shown, monkeypatch):
    monkeypatch.setattr("lifecycle.audit.replay.STREAMS_AT_ONCE", 1)
    told: list[int] = []

    replay(shown.log, PROVIDERS, told.append)

    assert told == [3, 3, 2, 2]


def test_what_is_appended_while_it_goes_does_not_count(shown, monkeypatch):
    log = shown.log
    read_many = log.read_many

    def meanwhile(streams: Sequence[str]) -> Any:
        shown.orders.record_many([callback("acknowledged_for_delivery", "b", 30)])
        return read_many(streams)

    monkeypatch.setattr(log, "read_many", meanwhile)

    assert shown.replay() == Replay(10, 4, 4, 1, True, (), 0)
