"""The alphabet: distinct readable events of every kind, plausible and implausible."""

from __future__ import annotations

import json

from .recordings import (
    INFORMATION,
    MISSING_PHONE,
    ORDER,
    OWN_WORDS,
    SERVER_ERROR,
    STATES,
    STRANGE_WORDS,
    TWO_ERRORS,
    Recording,
    accepted,
    at,
    callback,
    error,
    everything,
    flat,
    http_date,
    order,
    poll,
    recorded,
    request,
    response,
    window,
)


def alphabet(order_id: str = ORDER) -> list[Recording]:
    """Return distinct readable recordings of everything that may be said about an order."""
    return [
        *exchanges(order_id),
        *refusals(order_id),
        *snapshots(order_id),
        *timed(order_id),
        *untimed(order_id),
        *polls(order_id),
        *operations(order_id),
        *divergent(order_id),
        *one_id(order_id),
        *placeholders(order_id),
        *details(order_id),
    ]


def exchanges(order_id: str) -> list[Recording]:
    """Return requests and the responses that accept them."""
    named = f'"id": {json.dumps(order_id)}'
    spelled = f'{{ {named}, "status":"created", "n": 1e2, "m":1.0,\n "k":1 }}'
    words = ("created", "brand_new", "order_created", *STATES[2:], "picking", "requested")
    odd = (None, "", " ", 5, "order_location", "accepted")
    return [
        *(request(order_id, attempt) for attempt in (1, 2, 3, 1_000_000)),
        request(order_id, cart_total=5400),
        recorded("request", order_id=order_id, attempt=2, body_text="not json"),
        recorded("request", order_id=order_id, attempt=3, body=[1, 2]),
        *(accepted(order_id, 1, word, locale=f"by {word}") for word in words),
        *(accepted(order_id, 2, word) for word in odd),
        accepted(order_id, 2, "created", **everything("second")),
        recorded("response", order_id=order_id, http_status=200, body_text=spelled),
        response(order_id, 200, order(order_id, "created"), exchange_id="e-1"),
        response(order_id, 200, order(order_id, "created"), exchange_id=17),
        response(order_id, None, order(order_id, "created")),
        response(order_id, 204),
        response(order_id, 299, {"fulfillment_details": window(9)}),
        recorded("response", order_id=order_id, http_status=200, body_text="<html>fine</html>"),
        recorded("response", order_id=order_id, http_status=200, body_text='{"a":1,"a":2}'),
        recorded("response", order_id=order_id, http_status=202, body=["created"]),
    ]


def refusals(order_id: str) -> list[Recording]:
    """Return responses that reject or fail, with error bodies of every shape."""
    nested = error("outer", 9999, errors=[error("middle", 9998, errors=[MISSING_PHONE])])
    rejecting = (
        MISSING_PHONE,
        TWO_ERRORS,
        nested,
        {"error": "plain words", "meta": {"key": "zip"}},
        error(None, None),
        error("", "1001", ""),
        error("kept", 4242, 7, errors=[{"error": {}}, "x", None, {"error": {"code": 1}}]),
        error("wrapper only", 9999, "w", errors=[{}, {"error": ""}]),
        error("no list", 9999, errors={"error": "x"}),
        {"message": "no error here"},
        {"error": {}, "id": "somebody else"},
        {"error": ["x"]},
        {"error": True},
    )
    failing = (100, 101, 301, 302, 401, 403, 408, 429, 500, 502, 503, 599)
    return [
        *(response(order_id, 422, body) for body in rejecting),
        *(response(order_id, code, MISSING_PHONE, 2) for code in (400, 404, 409, 200, None)),
        *(response(order_id, code) for code in failing),
        *(response(order_id, code, SERVER_ERROR, 2, exchange_id="z") for code in (500, 403)),
        recorded("response", order_id=order_id, http_status=502, body_text="<html>bad</html>"),
        recorded("response", order_id=order_id, http_status=418, body_base64="/wD+"),
        response(order_id, None),
        response(order_id, None, attempt=2, exchange_id="lost"),
        response(order_id, None, {"hello": "there"}, 3),
        response(order_id, 503, {"id": "another order", "status": "delivered"}),
        response(order_id, 400, {**MISSING_PHONE, "id": "another order"}, 3),
    ]


def snapshots(order_id: str) -> list[Recording]:
    """Return flat callbacks."""
    words = (*OWN_WORDS, "customer_mia", "rating_reminder", *STRANGE_WORDS)
    spelled = f'{{"status" : " Fulfillment.CANCELLED " ,"id":{json.dumps(order_id)},"x":1E2}}'
    return [
        *(flat(order_id, state, locale=f"flat {state}") for state in STATES),
        *(flat(order_id, state) for state in ("brand_new", "delivering", "delivered")),
        *(flat(order_id, word, locale=f"said {word}") for word in words),
        flat(order_id, "order_created", **everything("a")),
        flat(order_id, "brand_new", **everything("b"), event_id=5, event_timestamp="nonsense"),
        flat(order_id, "at_store", event_name=None, event_metadata=None),
        recorded("callback", body_text=spelled),
        recorded("callback", body_text=spelled.replace("1E2", "100")),
        recorded("callback", order_id=order_id, body={"status": "acknowledged"}),
        recorded("callback", order_id=order_id, body={"status": "at_store", "id": "\x00"}),
    ]


def timed(order_id: str) -> list[Recording]:
    """Return enveloped callbacks with a time; many share a second."""
    first = [
        callback(order_id, 1000 + place, state, at(60 * (place // 3)), locale=f"timed {state}")
        for place, state in enumerate(STATES)
    ]
    again = [
        callback(order_id, str(2000 + place), f"fulfillment.{state}", at(240 - 60 * (place // 4)))
        for place, state in enumerate(STATES)
    ]
    informing = [
        callback(order_id, f"i-{word}", word, at(120), order_url=f"https://{word}.example/")
        for word in (*INFORMATION, *OWN_WORDS, *STRANGE_WORDS)
    ]
    return [
        *first,
        *again,
        *informing,
        callback(order_id, "f1", "acknowledged", "2026-07-07T12:01:00.5Z"),
        callback(order_id, "f2", "at_store", "2026-07-07T12:01:00.000000Z"),
        callback(order_id, "f3", "delivering", "2026-07-07T14:01:00.1234569+02:00"),
        callback(order_id, "f4", "staged", "2026-07-07t04:31:00-07:30"),
        callback(order_id, "f5", "delivering", "2026-07-07T12:01:00-00:00"),
        callback(order_id, None, "bags_verified", at(60)),
        callback(order_id, 1.5, "bags_verified", at(61)),
        callback(order_id, True, "bags_verified", at(62)),
        callback(order_id, "x" * 256, "bags_verified", at(63)),
        callback(order_id, -(2**63), "bags_verified", at(64)),
        callback(order_id, "a:b", "canceled", at(65), cancellation_reason="other"),
        recorded("callback", body={"order_id": order_id, "event_name": "at_store", "event_id": 9}),
    ]


def untimed(order_id: str) -> list[Recording]:
    """Return enveloped callbacks without a time that can be read."""
    bad = ("yesterday", "2026-07-07T12:01:60Z", "2026-07-07T12:01:00", 1783425660, "2026-02-30T0:0")
    return [
        *(callback(order_id, f"u-{state}", state, locale=f"untimed {state}") for state in STATES),
        *(callback(order_id, f"b{n}", "delivering", time) for n, time in enumerate(bad)),
        callback(order_id, "b-birth", "brand_new", "tomorrow", **everything("c")),
        callback(order_id, "b-what", "picking", "tomorrow"),
        callback(order_id, "b-empty", "rescheduled", "", fulfillment_details=window(20)),
        callback(order_id, "u-tip", "tip_adjustment", is_express=False),
        callback(order_id, "u-own", "failed", is_express=False),
    ]


def polls(order_id: str) -> list[Recording]:
    """Return answers to our own questions, dated and undated."""
    dated = [
        poll(order_id, state, http_date(60 * (place // 4)), locale=f"dated {state}")
        for place, state in enumerate(STATES)
    ]
    undated = [poll(order_id, state, locale=f"polled {state}") for state in STATES]
    return [
        *dated,
        *undated,
        poll(order_id, "acknowledged", http_date(240)),
        poll(order_id, "picking", http_date(60), locale="unknown"),
        poll(order_id, "poll_failed", http_date(61)),
        poll(order_id, "late_delivery", is_instacartplus=True),
        poll(order_id, "at_store", "2026-07-07T12:00:00Z"),
        poll(order_id, "at_store", http_date(0), 404),
        poll("another order", "at_store", http_date(0), 500) | {"order_id": order_id},
        poll(order_id, None, http_date(60)),
        poll(order_id, "delivered", http_date(60), error="gone"),
        recorded("poll", order_id=order_id, http_status=502, body_text="<html></html>"),
        recorded("poll", order_id=order_id, http_status=200),
    ]


def operations(order_id: str) -> list[Recording]:
    """Return requests of operations beside creation, and their answers."""

    def asked(operation: str, number: int, body: object) -> Recording:
        told = {"operation": operation, "number": number, "body": body}
        return recorded("request", order_id=order_id, **told)

    answers = {"operation": "cancel", "exchange_id": "x-1"}
    return [
        asked("cancel", 1, {"reason": "late", "locale": "en-US"}),
        asked("cancel", 1, {"reason": "another"}),
        asked("cancel", 2, {"reason": "late"}),
        asked("quote", 1, {"order_id": order_id, "to": "here"}),
        asked("created", 1, {"status": "canceled"}),
        {**poll(order_id, "canceled", http_date(70), locale="by cancel"), **answers},
        {**poll(order_id, "delivering", http_status=409), **answers},
        {**recorded("poll", order_id=order_id, http_status=None), **answers},
    ]


def divergent(order_id: str) -> list[Recording]:
    """Return different contents under keys that other events of the alphabet have."""
    return [
        callback(order_id, 1003, "staged", at(60)),
        callback(order_id, "1003", "staged", at(59), locale="earlier"),
        callback(order_id, 1005, " Acknowledged", at(600)),
        callback(order_id, 1005, "acknowledged"),
        callback(order_id, "u-at_store", "at_store", at(60)),
        callback(order_id, "u-at_store", "AT_STORE", "0001-01-01T00:00:00Z"),
        callback(order_id, 1010, "delivered", "never", locale="evidence"),
        callback(order_id, "i-picking", "picking", at(600)),
        request(order_id, 2, items_weight=15),
        request(order_id, 2, items_weight=15.5),
    ]


def one_id(order_id: str) -> list[Recording]:
    """Return events that share one event id, since their provider gives no other."""
    spelled = ("at_store", "fulfillment.at_store", "staging", "staged", "a:b", "a%3ab", "a%3Ab")
    return [
        *(callback(order_id, 0, state, at(60 + place)) for place, state in enumerate(STATES)),
        *(callback(order_id, "0", word, at(90), locale=f"spelled {word}") for word in spelled),
    ]


def placeholders(order_id: str) -> list[Recording]:
    """Return events with times that stand where nobody had one to say, and the nearest to these."""
    times = (
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2000-01-01T00:59:59.999999+01:00",
        "2000-01-01T00:00:00Z",
        "2099-12-31T23:59:59.9999999Z",
        "2100-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    )
    dates = (
        "Mon, 01 Jan 2001 00:00:00 GMT",
        "Thursday, 01-Jan-70 00:00:00 GMT",
        "Tuesday, 07-Jul-26 12:01:00 GMT",
        "Tue Jul  7 12:01:01 2026",
    )
    return [
        *(callback(order_id, f"p{place}", "delivered", time) for place, time in enumerate(times)),
        *(poll(order_id, "bags_verified", date, locale="dated") for date in dates),
    ]


def details(order_id: str) -> list[Recording]:
    """Return events that differ in what they say beside the status, rightly and wrongly typed."""
    wrong = {
        "order_url": 5,
        "created_at": ["2026"],
        "cancellation_reason": {},
        "locale": False,
        "is_express": "true",
        "is_instacartplus": 1,
        "is_fallback_window": None,
        "fulfillment_details": {"store_location": 1003, "window_starts_at": "", "x": 1},
    }
    return [
        callback(order_id, "d1", "acknowledged", at(90), **wrong),
        flat(order_id, "acknowledged", **wrong),
        flat(order_id, "acknowledged", fulfillment_details="soon", store_location="root"),
        callback(order_id, "d2", "at_store", at(91), store_location="meta", window_ends_at="late"),
        callback(
            order_id,
            "d3",
            "at_store",
            at(92),
            store_location="m",
            fulfillment_details=window(8, "f"),
        ),
        callback(
            order_id,
            "d4",
            "at_store",
            at(93),
            window_ends_at="m",
            fulfillment_details=window(7, None),
        ),
        callback(order_id, "d5", "order_location", at(94), is_express=False, locale=" "),
        callback(order_id, "d6", "delivered", at(95), **everything("end")),
        callback(order_id, "d7", "canceled", at(96), cancellation_reason="unbatchable"),
        poll(order_id, "delivering", http_date(97), **everything("poll")),
    ]
