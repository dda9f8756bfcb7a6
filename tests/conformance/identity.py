"""What an event is known by: the forms of keys, canonical content, and the totals."""

from __future__ import annotations

import hashlib

from .case import (
    ORDER,
    OTHER,
    accepted,
    callback,
    case,
    dated,
    enveloped,
    event,
    exact,
    flat,
    of,
    order,
    poll,
    raw,
    request,
    response,
)

LINE = {"order_id": ORDER}


def sha(content: str) -> str:
    """Return the digest of a canonical array that is written by hand."""
    return hashlib.sha256(content.encode()).hexdigest()


def snapshot(content: str) -> str:
    return f"snapshot:{sha(content)}"


def answer(content: str, place: str = "1:") -> str:
    return f"response:{place}:{sha(content)}"


def polled(content: str) -> str:
    return f"poll:{sha(content)}"


def answered(text: str) -> dict[str, object]:
    return raw("response", text, **LINE, http_status=200)


STAGED = '{"id":"order-1","status":"staged"}'
CREATED = '{"id":"order-1","status":"created"}'

KEYS = [
    *of(
        "A callback with an event id has the key `callback:<word>:<event_id>`.",
        case("key_of_a_callback", "The word as it was said, in lower case; the prefix stays.",
             event(" Fulfillment.STAGED ", 1, "e-1"), keys=["callback:fulfillment.staged:e-1"]),
        case("key_of_an_alias", "The word before aliases are mapped.",
             event("cancelled", 1, "e-1"), keys=["callback:cancelled:e-1"], status="canceled"),
        case("key_with_colons", "`%` and `:` in the word are written `%25` and `%3A`; "
             "the event id stands as it is.",
             event("A:100%", 1, "e:%"), keys=["callback:a%3A100%25:e:%"]),
        case("key_of_an_integer", "An integer of any size counts as its digits.",
             raw("callback", '{"event_id":1201895966044343904,"event_name":"staged",'
                             '"order_id":"order-1"}'),
             keys=["callback:staged:1201895966044343904"]),
        case("key_of_zero_and_less", "Any integer is an id.",
             enveloped("staged", event_id=0), enveloped("staged", event_id=-1),
             keys=["callback:staged:-1", "callback:staged:0"]),
        case("key_of_one_id_for_all", "Two words under one id are two events.",
             event("brand_new", 1, 0), event("at_store", 2, 0), event("delivered", 3, 0),
             keys=["callback:brand_new:0", "callback:at_store:0", "callback:delivered:0"],
             anomalies=[], status="delivered"),
        case("key_of_another_spelling", "The prefix is a part of the word: this is another key.",
             event("staged", 1, "e"), event("fulfillment.staged", 1, "e"), events=2,
             anomalies=[]),
    ),
    *of(
        "An event id is an integer, or a text of 1 to 255 bytes; else there is none.",
        case("event_id_of_255_bytes", "The longest.", event("staged", 1, "x" * 255),
             keys=[f"callback:staged:{'x' * 255}"]),
        case("event_id_that_cannot_be_used", "Without one the content is the key.",
             *(enveloped("staged", event_id=odd)
               for odd in ("x" * 256, "\u00e9" * 128, "", True, [], {})),
             raw("callback", '{"event_id":1.0,"event_name":"staged","order_id":"order-1"}'),
             told=["staged skipped_ahead", *["staged repeated"] * 6], events=7),
    ),
    *of(
        "A callback without an event id has the key `snapshot:<digest>`, of `[body]`.",
        case("key_of_a_flat_callback", "Its content is its identity.", flat("staged"),
             keys=[snapshot(f"[{STAGED}]")]),
        case("key_of_an_envelope_without_an_id", "The same for an envelope.",
             callback({"order_id": ORDER, "event_name": "staged"}),
             keys=[snapshot('[{"event_name":"staged","order_id":"order-1"}]')]),
    ),
    *of(
        "A request has the key `request:<attempt>`.",
        case("key_of_a_request", "The body is no part of it; an attempt that is missing is 1.",
             {"kind": "request", "body": {"order_id": ORDER}}, request(7),
             keys=["request:1", "request:7"], told=["requested applied", "resubmitted applied"]),
    ),
    *of(
        "The request of an operation has the key `operation:<operation>:<n>`; "
        "it is noted, and has no attempt.",
        case("key_of_an_operation", "Its name is `<operation>_requested`.",
             {"kind": "request", **LINE, "operation": "cancel", "number": 2, "body": {"why": "x"}},
             keys=["operation:cancel:2"], told=["cancel_requested noted"], attempt=0, path=[]),
        case("operation_beside_a_request", "It moves nothing, and stands with the snapshots.",
             request(), event("at_store", 1),
             {"kind": "request", **LINE, "operation": "tip", "number": 1, "body": {"locale": "x"}},
             told=["requested applied", "at_store skipped_ahead", "tip_requested noted"],
             locale=None),
        case("answer_to_an_operation", "It is a poll, whatever it answers.",
             {**poll("canceled", 5), "operation": "cancel", "exchange_id": "e-1"},
             keys=[polled('[200,"2026-07-07T12:00:05Z",{"id":"order-1","status":"canceled"}]')],
             status="canceled"),
    ),
    *of(
        "A response has the key `response:<attempt>:<exchange_id or empty>:<digest>`, "
        "of `[http_status, body]`.",
        case("key_of_a_response", "Without an exchange id its place stays empty.",
             accepted(attempt=2), keys=[answer(f"[200,{CREATED}]", "2:")]),
        case("key_of_a_response_in_an_exchange", "An id is an integer or a text.",
             response(200, order(ORDER, "created"), exchange_id="e-1"),
             response(200, order(ORDER, "created"), exchange_id=17),
             keys=[answer(f"[200,{CREATED}]", place) for place in ("1:17", "1:e-1")]),
        case("key_of_a_response_in_no_usable_exchange", "An unusable id is none.",
             response(200, order(ORDER, "created"), exchange_id="x" * 256),
             response(200, order(ORDER, "created"), exchange_id=True),
             keys=[answer(f"[200,{CREATED}]")], totals=(1, 1, 0, 0)),
        case("key_of_no_answer", "No status is null, no body no bytes.",
             response(None), keys=[answer('[null,""]')]),
        case("key_of_html", "What is no JSON object counts as its bytes, in base64.",
             raw("response", "<h1>Bad Gateway</h1>", **LINE, http_status=502),
             keys=[answer('[502,"PGgxPkJhZCBHYXRld2F5PC9oMT4="]')]),
        case("key_of_another_status", "The HTTP status is a part of the content.",
             response(422), response(400), events=2, totals=(2, 0, 0, 0)),
    ),
    *of(
        "A poll has the key `poll:<digest>`, of `[http_status, date, body]`.",
        case("key_of_a_poll", "The date as an RFC 3339 text in UTC.", poll("staged", 5),
             keys=[polled(f'[200,"2026-07-07T12:00:05Z",{STAGED}]')]),
        case("key_of_an_undated_poll", "A date that is missing or unreadable is null.",
             poll("staged"), dated("five past noon", order(ORDER, "staged")),
             keys=[polled(f"[200,null,{STAGED}]")], totals=(1, 1, 0, 0)),
        case("key_of_a_poll_in_two_forms", "The instant counts, not its notation.",
             dated("Tue, 07 Jul 2026 12:00:05 GMT", order(ORDER, "staged")),
             dated("Tuesday, 07-Jul-26 12:00:05 GMT", order(ORDER, "staged")),
             totals=(1, 1, 0, 0)),
        case("key_of_a_poll_of_a_list", "A body that is no object counts as its bytes.",
             raw("poll", "[1]", **LINE, http_status=404),
             keys=[polled('[404,null,"WzFd"]')]),
        case("key_of_the_same_state_later", "Another date makes another event.",
             poll("staged", 5), poll("staged", 6), events=2),
    ),
]  # fmt: skip

CONTENT = [
    *of(
        "A digest is of canonical content, never of bytes.",
        case("content_in_other_bytes", "Spacing, the order of keys and escapes say nothing.",
             raw("callback", STAGED),
             raw("callback", '{"status":"st\\u0061ged",\n "id":"order-1"}'),
             exact("callback", STAGED.encode()), flat("staged"), totals=(1, 3, 0, 0)),
        case("content_of_one_double", "A double has one spelling.",
             answered('{"n":1e2}'), answered('{ "n" : 100.0 }'), answered('{"n":1.0E+2}'),
             totals=(1, 2, 0, 0)),
        case("content_of_one_and_one_point_naught", "1 and 1.0 differ.",
             answered('{"n":1}'), answered('{"n":1.0}'), totals=(2, 0, 0, 0)),
        case("content_of_minus_zero", "An integer has no sign at 0, a double has.",
             answered('{"n":-0}'), answered('{"n":0}'), answered('{"n":-0.0}'),
             answered('{"n":0.0}'), totals=(3, 1, 0, 0)),
        case("content_of_large_integers", "Integers stay exact.",
             answered('{"n":12345678901234567890}'), answered('{"n":12345678901234567891}'),
             answered('{"n":9007199254740993}'), answered('{"n":9007199254740992}'),
             totals=(4, 0, 0, 0)),
        case("content_of_doubles", "The shortest text that reads back, as Python writes it.",
             answered('{"a":1E+16,"b":0.00001,"c":0.0001,"d":5e-324,"e":123456789012345680.0}'),
             keys=[answer('[200,{"a":1e+16,"b":1e-05,"c":0.0001,"d":5e-324,'
                          '"e":1.2345678901234568e+17}]')]),
        case("content_in_order_of_code_points", "Neither UTF-16 units nor an alphabet count.",
             answered('{"\\ud83d\\udef5":1,"\uffff":2,"b":3,"B":4,"":5}'),
             keys=[answer('[200,{"":5,"B":4,"b":3,"\uffff":2,"\U0001f6f5":1}]')]),
        case("content_of_controls", "Only quotes, backslashes and C0 controls are escaped.",
             answered('{"a":"\\u0000\\u001F\\n\\"\\\\\\/\\u007f\\u2028\\u00e9"}'),
             keys=[answer('[200,{"a":"\\u0000\\u001f\\n\\"\\\\/\x7f\u2028\u00e9"}]')]),
        case("content_is_not_normalized", "A composed letter is another one.",
             answered('{"n":"\u00e9"}'), answered('{"n":"e\\u0301"}'), totals=(2, 0, 0, 0)),
        case("content_of_no_object", "Where there is no object the bytes count.",
             answered("[1,2]"), answered("[1, 2]"), answered("[1,2]"), totals=(2, 1, 0, 0)),
        case("content_of_a_body_value", "A `body` value becomes compact UTF-8 JSON.",
             response(200, [1, "\u00e9"]), answered('[1,"\u00e9"]'), totals=(1, 1, 0, 0)),
        case("content_of_no_body", "Null is no body, and no bytes.",
             response(503), response(503) | {"body": None}, raw("response", "", **LINE,
             http_status=503), totals=(1, 2, 0, 0)),
    ),
]  # fmt: skip

TOTALS = [
    *of(
        "appended = distinct keys, divergent = distinct contents beyond these, "
        "a repeat is a duplicate; a quarantined line counts each time.",
        case("totals_of_repeats", "The same key and content again writes nothing.",
             flat("staged"), flat("staged"), event("staged", 1), event("staged", 1), request(),
             request(), totals=(3, 3, 0, 0)),
        case("totals_of_divergent_contents", "A stored key with new content is evidence, once.",
             event("staged", 1, "e"), event("staged", 2, "e"), event("staged", 3, "e"),
             event("staged", 2, "e"), totals=(1, 1, 2, 0), events=3, anomalies=["divergent"]),
        case("totals_of_one_request_with_two_bodies", "A request's key is its attempt alone.",
             request(items_count=1), request(items_count=2), totals=(1, 0, 1, 0),
             told=["requested applied", "requested divergent"]),
        case("totals_of_the_quarantine", "Nothing is known of such lines, so all are kept.",
             raw("callback", "{"), raw("callback", "{"), totals=(0, 0, 0, 2)),
        case("totals_of_two_orders", "A key is one within its order.",
             event("staged", 1, "e"), event("staged", 1, "e", order_id=OTHER),
             totals=(2, 0, 0, 0), orders=[ORDER, OTHER]),
        case("totals_leave_headers_out", "Neither headers nor times of receipt are content.",
             flat("staged") | {"received_at": "2026-07-07T12:00:00Z"},
             flat("staged") | {"headers": {"x-request-id": "r-2"}, "client": "c"},
             totals=(1, 1, 0, 0)),
    ),
]  # fmt: skip

CASES = [*KEYS, *CONTENT, *TOTALS]
