"""Recognizing never raises, keeps every byte, and agrees with a reader that was written apart.

The oracle in `tests.oracle` shares no code with what it judges.
"""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime

import msgspec
import pytest

from lifecycle.core.event import Arrival, Event, Unreadable
from lifecycle.core.recognizer import Recognizer
from lifecycle.providers.instacart import INSTACART
from tests.corpus_kinds import KINDS
from tests.hostile_corpus import CORPUS, FLAT
from tests.oracle.recognition import identify
from tests.recalled import recalled

RECOGNIZER = Recognizer(INSTACART)

NOW = datetime(2022, 6, 4, 10, 0, tzinfo=UTC)
DATES = (
    "Tue, 07 Jul 2026 16:05:00 GMT",
    "Tuesday, 07-Jul-26 16:05:00 GMT",
    "Tue Jul  7 16:05:00 2026",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Tue Jul 7 16:05:00 2026",
    "Tue, 07 Jul 2026 16:05:60 GMT",
)
LARGE = 20_000
STATUSES = (None, 200, 204, 302, 400, 401, 404, 408, 422, 429, 500, 502)

WORDS = [
    *("created", "brand_new", "canceled", "Fulfillment.cancelled", "requested", "poll_failed"),
    *("fulfillment.fulfillment.canceled", "fulfillment.", "a:b", "A%3Ab", "\u00a0staging\u3000"),
    *(
        "\u212anown",
        "\u0130",
        "\u1e9e",
        "\u0130" * 85,
        "\u0130" * 86,
        "\u00e9" * 127,
        "\u00e9" * 128,
    ),
    *("fulfillment." + "x" * 243, "fulfillment." + "x" * 244, " delivered ".center(400)),
]
TIMES = [
    *("2020-07-07T16:35:22Z", "2020-07-07T16:35:22.5+02:00", "2020-07-07T16:35:60Z", "soon"),
    *("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2000-01-01T00:00:00+00:01"),
    *("1999-12-31T23:59:59.9999999Z", "2099-12-31T23:59:59.9999999Z", "2100-01-01T00:00:00Z"),
]
ODD = [None, "", " ", 0, 7, -1, 1.5, True, False, [], ["x"], {}, {"a": 1}, "x" * 256, "\n", 10**255]
ERRORS = ["no", {"message": "m"}, {"code": 7}, {"errors": []}, {"errors": [1, {"error": "in"}]}]
DETAILS = ["locale", "order_url", "is_express", "store_location", "window_ends_at", "other"]


def every_recording(body):
    """Yield a body as every kind of thing that it can be, with and without a named order."""
    exact = {"body_base64": base64.b64encode(body).decode()}
    for named in ({}, {"order_id": "order-1"}):
        yield {"kind": "callback", **named, **exact}
        yield {"kind": "request", "attempt": 2, **named, **exact}
        date = DATES[sum(body) % len(DATES)]
        dated = {"headers": {"date": date}, **named, **exact}
        for http_status in STATUSES if len(body) < LARGE else (200,):
            yield {"kind": "response", "http_status": http_status, **named, **exact}
            yield {"kind": "poll", "http_status": http_status, **dated}


def recordings(body):
    """Yield so many of these that a body meets every kind and every status."""
    for recording in every_recording(body):
        turn = sum(body) + STATUSES.index(recording.get("http_status"))
        is_named, is_poll = "order_id" in recording, recording["kind"] == "poll"
        if len(body) >= LARGE:
            is_chosen = is_named == (is_poll or recording["kind"] == "request")
        else:
            is_chosen = "http_status" not in recording or turn % 4 == 2 * is_named + is_poll
        if is_chosen:
            yield recording


def arrival(recording, body):
    return Arrival(
        recording["kind"],
        body,
        NOW,
        recording.get("order_id"),
        attempt=recording.get("attempt", 1),
        http_status=recording.get("http_status"),
        headers=recording.get("headers", {}),
    )


def flattened(details):
    outer = {name: value for name, value in details.items() if name != "fulfillment_details"}
    return outer | details.get("fulfillment_details", {})


def summary(found):
    """Return what the oracle tells too, of an event of ours; of an `Unreadable` its reason."""
    if isinstance(found, Unreadable):
        return found.reason
    return (
        *(found.order_id, found.key, found.digest, found.name, found.kind, found.occurred_at),
        *(found.attempt, found.http_status, found.problems, flattened(found.details)),
        [msgspec.structs.asdict(fault) for fault in found.faults],
    )


def expected(recording):
    told = identify(recording)
    if isinstance(told, str):
        return told
    errors = [{name: error[name] for name in ("message", "code", "key")} for error in told.errors]
    return (
        *(told.order_id, told.key, told.digest, told.name, told.kind, told.occurred_at),
        *(told.attempt, told.http_status, told.problems, dict(told.details)),
        errors,
    )


def check(body, recordings=recordings):
    for recording in recordings(body):
        found = RECOGNIZER.recognize(arrival(recording, body))
        assert isinstance(found, Event | Unreadable)
        assert found.body == body
        assert repr(found).isprintable()
        assert RECOGNIZER.recognize(arrival(recording, body)) == found
        if isinstance(found, Event):
            bare = found._replace(details={}, faults=(), fate=None)
            assert recalled(RECOGNIZER, bare) == found
            assert found.order_id.encode()
            assert found.stream == f"order:instacart:{found.order_id}"
        else:
            assert RECOGNIZER.recognize(found.arrival) == found
        yield recording, found


def bodies(seed, count):
    """Yield objects of fields that matter, each at random absent, good, or odd."""
    chance = random.Random(seed)

    def sometimes(fields):
        return {
            name: chance.choice(values) if chance.random() < 0.8 else chance.choice(ODD)
            for name, values in fields.items()
            if chance.random() < 0.4
        }

    for _ in range(count):
        details = dict.fromkeys(DETAILS, ("en_US", True))
        inner = sometimes(details)
        body = sometimes(
            {"event_name": WORDS, "event_id": ["e:%", 2**63, 0], "event_timestamp": TIMES}
            | {"event_metadata": [sometimes({"order_id": ["order-1", "order-2"]} | details)] * 3}
            | {"id": ["order-1", "order-2", 7], "order_id": ["order-1"], "status": WORDS}
            | {"fulfillment_details": [inner], **details}
        )
        if chance.random() < 0.2:
            body |= sometimes({"error": ERRORS, "meta": [{"key": "k"}, {}]})
        if chance.random() < 0.4:
            body.pop("event_name", None)
            body.pop("event_metadata", None)
        yield json.dumps(body).encode()


def broken(seed, count):
    """Yield such bodies with a piece cut out or doubled."""
    chance = random.Random(seed)
    for body in bodies(seed, count):
        start, end = sorted(chance.randrange(len(body) + 1) for _ in "12")
        yield body[:start] + body[end:] if chance.random() < 0.5 else body[:end] + body[start:]


def test_the_corpus_is_large_and_its_names_are_phrases():
    assert len(CORPUS) >= 300
    assert all(name.isprintable() and len(name) <= 80 for name in CORPUS)


@pytest.mark.parametrize("names", KINDS)
@pytest.mark.parametrize(
    "recordings",
    [recordings, pytest.param(every_recording, marks=pytest.mark.long)],
    ids=["pairs", "all"],
)
def test_it_comes_out_as_an_event_or_in_quarantine_and_as_the_oracle_says(names, recordings):
    for name in names:
        for recording, found in check(CORPUS[name], recordings):
            if len(CORPUS[name]) < LARGE or recording["kind"] == "callback":
                assert summary(found) == expected(recording), (name, recording["kind"])


@pytest.mark.parametrize("draw", [bodies, broken])
def test_bodies_drawn_at_random_are_read_as_the_oracle_reads_them(draw):
    for body in draw(seed=11, count=400):
        for recording, found in check(body):
            assert summary(found) == expected(recording), recording


def test_the_bodies_drawn_reach_every_name_and_every_reason():
    """The positive control: what is compared above is not one answer over and over."""
    drawn = [*bodies(11, 400), *broken(11, 400)]
    found = [item for body in drawn for _, item in check(body)]
    reasons = {item.reason for item in found if isinstance(item, Unreadable)}
    events = [item for item in found if isinstance(item, Event)]
    assert reasons >= {"not_json", "no_name", "no_order", "bad_order_id", "order_mismatch"}
    assert {item.name for item in events} >= {"canceled", "accepted", "rejected", "poll_failed"}
    assert {item.problems for item in events} >= {(), ("bad_time",), ("unrecognized",)}
    assert any(item.details.get("fulfillment_details") for item in events)
    assert any(fault.message for item in events for fault in item.faults)


@pytest.mark.parametrize(
    "wrong", [None, "", "\ud83d", 7, 1.5, True, b"order-1", ["order-1"], {1: 2}, object()]
)
def test_whatever_a_caller_names_as_the_order_nothing_raises_and_it_can_be_stored(wrong):
    for body in (FLAT.encode(), b"\xff"):
        for kind in ("callback", "request", "response", "poll"):
            found = RECOGNIZER.recognize(Arrival(kind, body, NOW, wrong, http_status=200))
            if isinstance(found, Unreadable):
                assert found.arrival.order_id is None or found.arrival.order_id.encode()
