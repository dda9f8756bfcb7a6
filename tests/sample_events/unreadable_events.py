"""Unreadable arrivals, and events that the rules do not clearly decide."""

from __future__ import annotations

import base64
from typing import Any

from .recordings import (
    ORDER,
    Recording,
    at,
    callback,
    flat,
    http_date,
    order,
    poll,
    recorded,
    request,
    response,
)


def unreadable(order_id: str = ORDER) -> list[tuple[str, Recording]]:
    """Return recordings that go to quarantine, each after its reason."""
    deep = "[" * 64 + "]" * 64
    bodies: tuple[Any, ...] = ([], "x", 5, True)
    texts = (
        "",
        "{",
        "nope",
        "\ufeff{}",
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":1e400}',
        f'{{"a":{deep}}}',
        '{"a":"\\ud800"}',
        f'{{"a":{"1" * 401}}}',
    )
    other = order("another order", "brand_new")
    line: dict[str, Any] = {"order_id": order_id}
    return [
        *(("not_json", recorded("callback", body_text=text)) for text in texts),
        ("not_json", recorded("callback", body_base64=base64.b64encode(b'{"a":"\xff"}').decode())),
        *(("not_an_object", recorded("callback", body=body)) for body in bodies),
        *(
            ("no_name", recorded("callback", body={"id": order_id, "status": s}))
            for s in (None, 1, " ")
        ),
        ("no_name", recorded("callback", body={"event_metadata": line, "status": "brand_new"})),
        ("no_name", callback(order_id, 1, "fulfillment.", at(0))),
        ("no_order", recorded("callback", body={"status": "brand_new"})),
        ("no_order", callback("", 1, "brand_new", at(0))),
        ("bad_order_id", flat("x" * 256, "brand_new")),
        ("bad_order_id", flat("a\nb", "brand_new")),
        ("bad_order_id", flat(order_id, "brand_new") | {"order_id": "\x7f"}),
        ("bad_order_id", request(order_id) | {"order_id": "x" * 256}),
        ("order_mismatch", flat("another order", "brand_new") | line),
        ("order_mismatch", callback("another order", 1, "brand_new", at(0)) | line),
        ("order_mismatch", request("another order") | line),
        ("order_mismatch", response(order_id, 200, other)),
        ("order_mismatch", recorded("poll", http_status=200, body=other, **line)),
        ("too_big", recorded("callback", body_text=" " * (1024 * 1024) + "{}")),
        ("too_big", recorded("poll", http_status=200, body_text=" " * (1024 * 1024 + 1), **line)),
        ("bad_line", {"kind": "callback", "body": {}, "body_text": "{}"}),
        ("bad_line", recorded("callback", body_base64="%%%")),
        ("bad_line", request(order_id) | {"attempt": 0}),
        ("bad_line", request(order_id) | {"attempt": 1.0}),
        ("bad_line", request(order_id) | {"attempt": True}),
        ("bad_line", request(order_id) | {"attempt": 1_000_001}),
        ("bad_line", response(order_id, 200) | {"http_status": "200"}),
        ("bad_line", flat(order_id, "brand_new") | {"received_at": "2026-07-07T12:00:00"}),
        ("bad_line", recorded("callback", body={"a": float("nan")})),
        ("bad_line", recorded("callback", body={"a": "\ud800"})),
        ("bad_line", recorded("rumor", body={})),
    ]


def doubtful(order_id: str = ORDER) -> list[tuple[str, Recording]]:
    """Return recordings on which careful readers of the rules may differ, each after the doubt."""
    big = "x" * 256
    mixed = recorded("callback", body={**callback(big, 1, "staged")["body"], "order_id": order_id})
    line = {"order_id": order_id}
    return [
        ("a body's order id of a wrong type: absent or unusable", flat(1.5, "brand_new")),
        ("unusable in the metadata, usable at the root", mixed),
        ("a request whose line names no order", recorded("request", body=line)),
        ("a rejection's object of another order", response(order_id, 422, {"id": "another"})),
        (
            "no HTTP status, an object whose status is no word",
            response(order_id, None, {"status": 5}),
        ),
        ("a poll without an HTTP status", poll(order_id, "staged", http_date(5), None)),
        (
            "a date with the wrong weekday",
            poll(order_id, "staged", "Mon, 07 Jul 2026 12:00:00 GMT"),
        ),
        ("a date with blanks around it", poll(order_id, "staged", f" {http_date(5)} ")),
        (
            "an event time with a space for the T",
            callback(order_id, 1, "staged", "2026-07-07 12:00:00Z"),
        ),
        ("an event time of year 0", callback(order_id, 2, "staged", "0000-07-07T12:00:00Z")),
        (
            "an event time outside the calendar",
            callback(order_id, 3, "staged", "0001-01-01T00:00:00+01:00"),
        ),
        ("an event time that is an empty list", callback(order_id, 4, "staged", [])),
        ("an event id of more than 255 digits", callback(order_id, 10**300, "staged", at(5))),
        ("a prefix with a blank behind it", callback(order_id, 5, "fulfillment. staged", at(5))),
        ("a bad attempt where none is meant", flat(order_id, "brand_new") | {"attempt": 0}),
        ("an HTTP status that no class has", response(order_id, 600)),
        ("an empty event name beside a status", flat(order_id, "brand_new", event_name="")),
        (
            "an integer minus zero",
            recorded("callback", body_text=f'{{"id":"{order_id}","status":"staged","n":-0}}'),
        ),
    ]
