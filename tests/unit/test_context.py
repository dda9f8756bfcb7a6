"""Who sent a thing, and what the caller keeps with it: stored beside the event, and exported."""

from __future__ import annotations

import json

import pytest

from lifecycle import Event, InvalidArgumentError, Unreadable
from lifecycle.audit.export import export
from lifecycle.log.codec import decode_event
from tests.without_rules import connect

BODY = b'{"id":"o1","status":"brand_new"}'
LONGEST = 64 * 1024


def stored(orders):
    return [decode_event(record) for record in orders.log.scan()]


@pytest.mark.parametrize("context", [b"\x00\xff\n", "für später", "x" * LONGEST])
def test_every_call_stores_who_sent_it_and_what_is_kept_with_it(context):
    exact = context.encode() if isinstance(context, str) else context
    kept = {"client": "store 7", "context": context}
    with connect("memory:") as orders:
        orders.record_request("o1", b"{}", **kept)
        orders.record_response("o1", 200, b"{}", **kept)
        orders.record_poll("o1", 200, BODY, operation="cancel", **kept)
        orders.record_callback(BODY, **kept)

        events = stored(orders)
        assert [(event.client, event.context) for event in events] == [("store 7", exact)] * 4
        assert [event.operation for event in events] == [None, None, "cancel", None]
        assert events[3].body == BODY


def test_what_is_kept_is_no_part_of_the_identity_and_the_first_stays():
    with connect("memory:") as orders:
        plain = orders.record_callback(BODY)
        again = orders.record_callback(BODY, client="late", context="other")
        assert (plain.outcome, again.outcome) == ("appended", "duplicate")
        assert [(event.client, event.context) for event in stored(orders)] == [(None, None)]
        view = orders.get("o1")
    with connect("memory:") as others:
        others.record_callback(BODY, client="first", context="other")
        assert others.get("o1").digest == view.digest


def test_an_export_holds_both_and_reading_it_stores_the_same():
    with connect("memory:") as orders, connect("memory:") as others:
        orders.record_callback(BODY, client="store 7", context=b"\x00\xff\n")
        orders.record_poll("o1", 200, BODY, operation="cancel", context="plain")
        orders.record_callback(b"no JSON", client="store 8", context="odd")
        lines = list(export(orders.log, quarantine=True))
        others.record_many(lines)

        assert json.loads(lines[0])["context_base64"] == "AP8K"
        assert json.loads(lines[1])["context"] == "plain"
        assert [kept(event) for event in events(orders)] == [kept(e) for e in events(others)]
        assert len(list(others.quarantine())) == 1


def events(orders):
    """Return the events of the order, without the quarantine."""
    return [decode_event(record) for record in orders.log.read("order:instacart:o1")]


def kept(event):
    """Return what is kept beside an event."""
    return event.client, event.context, event.operation


@pytest.mark.parametrize(
    "fields",
    [
        {"context": "x" * (LONGEST + 1)},
        {"context": 7},
        {"context": {"a": 1}},
        {"context": "a", "context_base64": "YQ=="},
        {"context_base64": "no base64"},
        {"operation": 7},
        {"number": 0},
        {"number": "1"},
    ],
)
def test_a_line_with_an_odd_context_is_a_bad_line(fields):
    with connect("memory:") as orders:
        [found] = orders.record_many([{"kind": "callback", "body_text": BODY, **fields}])

        assert isinstance(found.event, Unreadable)
        assert found.event.reason == "bad_line"


@pytest.mark.parametrize("fields", [{"client": [7]}, {"client": ""}, {"client": None}])
def test_a_line_of_an_odd_client_names_none(fields):
    with connect("memory:") as orders:
        [found] = orders.record_many([{"kind": "callback", "body_text": BODY, **fields}])

        assert isinstance(found.event, Event)
        assert found.event.client is None


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("client", ""),
        ("client", 7),
        ("client", "x" * 256),
        ("context", 7),
        ("context", {"a": {1}}),
        ("context", b"x" * (LONGEST + 1)),
    ],
)
def test_a_wrong_client_or_context_is_refused_and_nothing_is_stored(argument, wrong):
    with connect("memory:") as orders:
        with pytest.raises(InvalidArgumentError) as refused:
            orders.record_callback(BODY, **{argument: wrong})
        assert argument in str(refused.value)
        assert stored(orders) == []
