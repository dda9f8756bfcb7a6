"""The stored form: format 1 byte for byte, for ever, and what a reader makes of damage."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.errors import InvalidArgumentError, StoredFormatError
from lifecycle.event import Arrival, Entry, Event, Redriven, Unreadable
from lifecycle.log import QUARANTINE, Record
from lifecycle.stored import (
    decode,
    decode_event,
    hash_of,
    is_intact,
    link,
    prepare,
    seal,
    split,
    storable,
)

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
LINE = Unreadable("instacart", "bad_line", "two bodies", b"{}", NOON, None, 17)
MARK = Redriven(4, "order:instacart:xyz", "callback:1", NOON)

# What format 1 is. These bytes lie in databases: they are never edited, only added to.
GOLDEN: list[tuple[Entry, str, bytes]] = [
    (
        EVENT,
        "response",
        b'{"v":1,"provider":"instacart","order_id":"xyz","kind":"response","name":"accepted",'
        b'"trigger":"created","key":"response:1:e7:'
        b'44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        b'"digest":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        b'"event_id":"1201895966044343904","attempt":1,"exchange_id":"e7",'
        b'"status":"cr\\u00e9\\u00e9","occurred_at":"2026-07-07T12:00:00Z",'
        b'"received_at":"2026-07-07T12:00:00.000120Z","http_status":200,'
        b'"headers":{"content-type":"application/json","date":"Tue, 07 Jul 2026 12:00:00 GMT"},'
        b'"problems":["unrecognized"],"redriven_from":4,'
        b'"sha256":"SHA256","recorded_at":"2026-07-07T12:00:03.000004Z","version":3,'
        b'"previous":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35",'
        b'"after":["order:instacart:abc",2,'
        b'"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"],'
        b'"check":"CHECK"}\n{"id":"xyz","status":"brand_new"}\n\xff',
    ),
]
