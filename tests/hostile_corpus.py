"""Hostile bodies, each with a name that says what is wrong or odd about it.

Whatever entry point and whatever store they go through, every one must come out as an event
or in the quarantine, its bytes untouched. Some are perfectly legal and merely unkind.
"""

from __future__ import annotations

import json
from typing import Final

ORDER: Final = "order-1"

FLAT: Final = (
    '{"id":"order-1","status":"brand_new","order_url":"https://shop.example/s/1",'
    '"created_at":"2021-06-22T20:57:22Z","cancellation_reason":"","locale":"en_US",'
    '"is_express":true,"is_instacartplus":true,"fulfillment_details":{"store_location":"1003",'
    '"window_starts_at":"2021-06-22T20:57:21Z","window_ends_at":"2021-06-23T01:57:21Z"},'
    '"is_fallback_window":false}'
)
ENVELOPED: Final = (
    '{"event_id":1201895966044343904,"event_name":"fulfillment.brand_new",'
    '"event_timestamp":"2020-07-07T16:35:22Z","event_metadata":{"order_id":"order-1",'
    '"store_location":"1003"}}'
)
ERROR: Final = '{"error":{"message":"Invalid","code":1001},"meta":{"key":"address"}}'

# What can stand in any field, as JSON text.
VALUES: Final[dict[str, str]] = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "minus zero": "-0",
    "a negative integer": "-1",
    "a small integer": "7",
    "two to the 53rd plus one": "9007199254740993",
    "two to the 63rd": "9223372036854775808",
    "two to the 64th": "18446744073709551616",
    "less than minus two to the 63rd": "-9223372036854775809",
    "an integer of 255 digits": "9" * 255,
    "an integer of 256 digits": "9" * 256,
    "an integer of 400 digits": "9" * 400,
    "an integer of 401 digits": "9" * 401,
    "an integer of 5000 digits": "9" * 5000,
    "a float that is whole": "1.0",
    "a float": "1.5",
    "a float in exponent form": "1e3",
    "the largest float": "1.7976931348623157e308",
    "a float beyond the largest": "1e400",
    "a float below minus the largest": "-1e400",
    "a float that vanishes": "1e-400",
    "the smallest float": "5e-324",
    "the empty text": '""',
    "blanks": '"   "',
    "a no-break space": '"\u00a0"',
    "a NUL": '"\\u0000"',
    "a text with a NUL inside": '"order\\u0000-1"',
    "a line break": '"order\\r\\n-1"',
    "a DEL": '"order\x7f-1"',
    "a C1 control": '"order\u0085-1"',
    "a bidi override": '"\u202eorder-1"',
    "a zero-width joiner": '"order\u200d-1"',
    "a byte order mark inside": '"\ufefforder-1"',
    "an emoji": '"\U0001f6f5"',
    "an emoji as a surrogate pair": '"\\ud83d\\udef5"',
    "a lone leading surrogate": '"\\ud83d"',
    "a lone trailing surrogate": '"\\udef5"',
    "swapped surrogates": '"\\udef5\\ud83d"',
    "a noncharacter": '"\uffff"',
    "a composed letter": '"caf\u00e9"',
    "a decomposed letter": '"cafe\u0301"',
    "a capital dotted i": '"\u0130STANBUL"',
    "255 bytes": json.dumps("x" * 255),
    "256 bytes": json.dumps("x" * 256),
    "85 letters of three bytes": json.dumps("\u20ac" * 85, ensure_ascii=False),
    "86 letters of three bytes": json.dumps("\u20ac" * 86, ensure_ascii=False),
    "a word of 100,000 letters": json.dumps("w" * 100_000),
    "markup": '"<script>alert(1)</script>"',
    "an SQL quotation": '"\'; DROP TABLE stored_events; --"',
    "a path": '"../../etc/passwd"',
    "a format string": '"%s%n{0.__class__}"',
    "a colon": '"a:b:c"',
    "a colon in a percent code": '"a%3Ab%25c"',
    "127 letters of two bytes": json.dumps("\u00e9" * 127, ensure_ascii=False),
    "128 letters of two bytes": json.dumps("\u00e9" * 128, ensure_ascii=False),
    "400,000 letters of two bytes": json.dumps("\u00e9" * 400_000, ensure_ascii=False),
    "letters that are shorter in lower case": json.dumps("\u212a" * 255, ensure_ascii=False),
    "letters that are longer in lower case": json.dumps("\u0130" * 86, ensure_ascii=False),
    "a word in 500,000 blanks": json.dumps("delivered".center(500_000)),
    "one of our own words": '"requested"',
    "an exchange's name": '"poll_failed"',
    "a word in capitals with blanks": '" FULFILLMENT.DELIVERED "',
    "nothing but the prefix": '"fulfillment."',
    "the prefix twice": '"fulfillment.fulfillment.delivered"',
    "a time": '"2020-07-07T16:35:22Z"',
    "an empty list": "[]",
    "a list": '["order-1"]',
    "an empty object": "{}",
    "an object": '{"order_id":"order-1","error":"no"}',
    "a list 50 deep": "[" * 50 + "]" * 50,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "Python's None": "None",
    "hexadecimal": "0x10",
    "a leading zero": "007",
    "a leading plus": "+7",
    "a bare point": "7.",
    "nothing at all": "",
}

_ODD_IN_EVERY_FIELD: Final = (
    "null",
    "true",
    "zero",
    "a negative integer",
    "two to the 63rd",
    "a float that is whole",
    "the empty text",
    "a NUL",
    "a bidi override",
    "256 bytes",
    "markup",
    "an empty list",
    "a list",
    "an empty object",
    "an object",
)

_TIMES: Final = (
    "2020-07-07T16:35:22",
    "2020-07-07 16:35:22Z",
    "2020-07-07",
    "16:35:22Z",
    "2020-07-07T16:35Z",
    "2020-07-07T16:35:60Z",
    "2016-12-31T23:59:60Z",
    "2020-07-07T24:00:00Z",
    "2020-02-30T00:00:00Z",
    "2021-02-29T00:00:00Z",
    "2020-13-01T00:00:00Z",
    "2020-00-00T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-23:59",
    "10000-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    "2020-07-07T16:35:22+24:00",
    "2020-07-07T16:35:22+0000",
    "2020-07-07T16:35:22+00",
    "2020-07-07T16:35:22-00:00",
    "2020-07-07T16:35:22 Z",
    "2020-07-07T16:35:22z",
    "2020-07-07t16:35:22Z",
    "2020-07-07T16:35:22,5Z",
    "2020-07-07T16:35:22.Z",
    "2020-07-07T16:35:22.1234567890123456789Z",
    "20200707T163522Z",
    "2020-W28-2T16:35:22Z",
    "Tue, 07 Jul 2020 16:35:22 GMT",
    "1594139722",
    "now",
    "\u0662\u0660\u0662\u0660-07-07T16:35:22Z",
    " 2020-07-07T16:35:22Z",
    "2020-07-07T16:35:22Z\n",
    "2020-07-07T16:35:22." + "9" * 10_000 + "Z",
    "1970-01-01T00:00:00Z",
    "1900-01-01T00:00:00Z",
    "1999-12-31T23:59:59.999999999Z",
    "2000-01-01T00:00:00+00:01",
    "2000-01-01T00:00:00Z",
    "2099-12-31T23:59:59.999999999Z",
    "2099-12-31T23:59:59-00:01",
    "2100-01-01T00:00:00Z",
)


def _with(body: str, field: str, text: str) -> bytes:
    """Return a body with one more field in front; the field's own place is taken out."""
    fields = {name: json.dumps(value) for name, value in json.loads(body).items()}
    fields[field] = text
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


def _in_metadata(field: str, text: str) -> bytes:
    inner = f'{{"order_id":"order-1","{field}":{text}}}'
    if field == "order_id":
        inner = f'{{"order_id":{text}}}'
    return _with(ENVELOPED, "event_metadata", inner)


def _fields() -> dict[str, bytes]:
    """Return a body for every value in the fields that decide, and some in all others."""
    found: dict[str, bytes] = {}
    for what, text in VALUES.items():
        found[f"an event id that is {what}"] = _with(ENVELOPED, "event_id", text)
        found[f"an order id in the metadata that is {what}"] = _in_metadata("order_id", text)
        found[f"a flat body's id that is {what}"] = _with(FLAT, "id", text)
        found[f"a status that is {what}"] = _with(FLAT, "status", text)
        found[f"an event name that is {what}"] = _with(ENVELOPED, "event_name", text)
        found[f"a request's order id that is {what}"] = f'{{"order_id":{text},"items":1}}'.encode()
        found[f"a body that is {what}"] = text.encode()
    for what in _ODD_IN_EVERY_FIELD:
        text = VALUES[what]
        for field in ("event_timestamp", "event_metadata"):
            found[f"an {field} that is {what}"] = _with(ENVELOPED, field, text)
        for field in ("order_url", "is_express", "fulfillment_details", "created_at"):
            found[f"a flat body's {field} that is {what}"] = _with(FLAT, field, text)
        found[f"a store in the metadata that is {what}"] = _in_metadata("store_location", text)
        found[f"an error that is {what}"] = _with(ERROR, "error", text)
        found[f"a meta that is {what}"] = _with(ERROR, "meta", text)
        for field in ("message", "code", "errors"):
            error = f'{{"error":{{"message":"Invalid","{field}":{text}}},"meta":{{"key":"a"}}}}'
            if field == "message":
                error = f'{{"error":{{"message":{text}}},"meta":{{"key":{text}}}}}'
            found[f"an error's {field} that is {what}"] = error.encode()
    for time in _TIMES:
        name = f"an event time like {time:.40}".replace("\n", " and a line break")
        found[name] = _with(ENVELOPED, "event_timestamp", json.dumps(time))
    return found


def _deep() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for depth in (63, 64, 65, 66, 199, 200, 201, 1000, 100_000):
        found[f"lists {depth} deep"] = b"[" * depth + b"]" * depth
        found[f"objects {depth} deep"] = b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)
        lists = "[" * (depth - 1) + "]" * (depth - 1)
        found[f"an order object {depth} deep"] = _with(FLAT, "metadata", lists)
    found["lists that never close"] = b"[" * 1_000_000
    found["objects that never close"] = b'{"a":' * 200_000
    errors = b'{"error":{"message":"m","errors":['
    found["errors 20 times within errors"] = errors * 20 + b']},"meta":{}}' * 20
    found["errors 21 times within errors"] = errors * 21 + ERROR.encode() + b"]}}" * 21
    found["a thousand errors beside each other"] = (
        b'{"error":{"code":9999,"errors":[' + b",".join([ERROR.encode()] * 1000) + b"]}}"
    )
    found["errors that hold nothing readable"] = (
        b'{"error":{"errors":[null,1,"x",{},{"error":{}}]}}'
    )
    return found


def _doubled() -> dict[str, bytes]:
    return {
        "a key twice": b'{"id":"order-1","status":"brand_new","status":"canceled"}',
        "a key twice with the same value": b'{"id":"order-1","id":"order-1","status":"x"}',
        "a key twice, once escaped": b'{"id":"order-1","status":"a","st\\u0061tus":"b"}',
        "a key twice, escaped in two ways": b'{"\\u0061":1,"\\u0061":2}',
        "a key twice, one escape in capitals": b'{"\\u00e9":1,"\\u00E9":2}',
        "a key twice as letter and as escape": '{"\u00e9":1,"\\u00e9":2}'.encode(),
        "an emoji key twice, once as a pair": '{"\U0001f6f5":1,"\\ud83d\\udef5":2}'.encode(),
        "an empty key twice": b'{"":1,"":2}',
        "a NUL key twice": b'{"\\u0000":1,"\\u0000":2}',
        "a key twice, deep inside": b'{"id":"order-1","status":"x","a":{"b":[{"c":1,"c":2}]}}',
        "a key twice in the metadata": (
            b'{"event_name":"delivered","event_metadata":{"order_id":"order-1","order_id":"b"}}'
        ),
        "a key twice in an error": b'{"error":{"code":1,"code":2}}',
        "a key twice that names nobody": b'{"id":"order-1","status":"x","z":1,"z":1}',
        "a long key twice": b'{"' + b"k" * 10_000 + b'":1,"' + b"k" * 10_000 + b'":1}',
        "keys that differ by case": b'{"id":"order-1","status":"delivered","Status":"canceled"}',
        "keys that differ by normalization": '{"\u00e9":1,"e\u0301":2}'.encode(),
        "keys that differ by a blank": b'{"id":"order-1","status":"delivered","status ":"x"}',
        "keys that differ by a zero-width joiner": '{"status":"a","status\u200d":"b"}'.encode(),
    }


def _bytes() -> dict[str, bytes]:
    flat, enveloped = FLAT.encode(), ENVELOPED.encode()
    return {
        "nothing": b"",
        "one blank": b" ",
        "a line break alone": b"\n",
        "a NUL alone": b"\x00",
        "NULs": b"\x00" * 1000,
        "every byte once": bytes(range(256)),
        "a byte order mark alone": b"\xef\xbb\xbf",
        "a byte order mark before the body": b"\xef\xbb\xbf" + flat,
        "a byte order mark after the body": flat + b"\xef\xbb\xbf",
        "UTF-16 with its mark": FLAT.encode("utf-16"),
        "UTF-16 little-endian": FLAT.encode("utf-16-le"),
        "UTF-16 big-endian": FLAT.encode("utf-16-be"),
        "UTF-32": FLAT.encode("utf-32"),
        "UTF-7": FLAT.encode("utf-7"),
        "Latin-1": FLAT.replace("1003", "caf\u00e9").encode("latin-1"),
        "a NUL after the body": flat + b"\x00",
        "a NUL before the body": b"\x00" + flat,
        "a raw NUL in a text": flat.replace(b"1003", b"1\x003"),
        "a raw line break in a text": flat.replace(b"1003", b"1\n3"),
        "a raw tab in a text": flat.replace(b"1003", b"1\t3"),
        "a lone continuation byte": flat.replace(b"1003", b"\x80"),
        "an overlong NUL": flat.replace(b"1003", b"\xc0\x80"),
        "an overlong slash": flat.replace(b"1003", b"\xc0\xaf"),
        "an encoded surrogate": flat.replace(b"1003", b"\xed\xa0\x80"),
        "an encoded surrogate pair": flat.replace(b"1003", b"\xed\xa0\xbd\xed\xbb\xb5"),
        "a code point beyond the last": flat.replace(b"1003", b"\xf4\x90\x80\x80"),
        "a sequence of five bytes": flat.replace(b"1003", b"\xf8\x88\x80\x80\x80"),
        "a sequence cut short": flat.replace(b"1003", b"\xe2\x82"),
        "bad UTF-8 in a key": flat.replace(b"locale", b"loc\xffale"),
        "bad UTF-8 after the body": flat + b"\xff",
        "bytes FF": b"\xff" * 100,
        "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\xca,\x01\x00",
        "a body cut in the middle": flat[: len(flat) // 2],
        "a body without its last byte": flat[:-1],
        "a body without its first byte": flat[1:],
        "two bodies": flat + enveloped,
        "two bodies on two lines": flat + b"\n" + enveloped,
        "a body in a list": b"[" + flat + b"]",
        "a body in a text": json.dumps(FLAT).encode(),
        "a body after a guard": b")]}',\n" + flat,
        "a body with a comment": b"/* hello */" + flat,
        "a body with a callback's name": b"done(" + flat + b")",
        "a trailing comma": flat[:-1] + b",}",
        "a comma too many": flat.replace(b",", b",,", 1),
        "single quotes": FLAT.replace('"', "'").encode(),
        "keys without quotes": b'{id:"order-1",status:"brand_new"}',
        "a form": b"id=order-1&status=brand_new",
        "XML": b'<?xml version="1.0"?><order id="order-1"/>',
        "XML with an entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        "an HTML page of a gateway": b"<html><body><h1>502 Bad Gateway</h1></body></html>",
        "plain text": b"upstream connect error or disconnect/reset before headers",
        "an escape that is none": flat.replace(b"1003", b"\\x41"),
        "an escape cut short": flat.replace(b"1003", b"\\u12"),
        "an escape with a sign": flat.replace(b"1003", b"\\u+123"),
        "an escape with a blank": flat.replace(b"1003", b"\\u 123"),
        "a text that never ends": flat.replace(b'1003"', b"1003"),
        "quotes that never end": b'"\\' * 500_000,
        "a vertical tab as white space": b"\x0b" + flat,
        "a no-break space as white space": "\u00a0".encode() + flat,
        "white space around the body": b" \t\r\n" + flat + b"\n\n",
        "a thousand blanks between": flat.replace(b",", b" " * 1000 + b","),
    }


def _large() -> dict[str, bytes]:
    flat = FLAT.encode()
    limit = 1024 * 1024
    return {
        "one mebibyte, padded with blanks": flat + b" " * (limit - len(flat)),
        "one byte above one mebibyte": flat + b" " * (limit - len(flat) + 1),
        "one mebibyte of text": flat[:-1] + b',"a":"' + b"x" * (limit - len(flat) - 7) + b'"}',
        "ten megabytes of text": flat[:-1] + b',"a":"' + b"x" * 10_000_000 + b'"}',
        "ten megabytes of noise": bytes(range(256)) * 40_000,
        "300,000 empty objects": b"[" + b",".join([b"{}"] * 300_000) + b"]",
        "60,000 keys": b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}",
        "60,000 keys, the last one twice": (
            b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b',"k59999":1}'
        ),
        "2,600 numbers of 400 digits": b"[" + b",".join([b"1" * 400] * 2600) + b"]",
        "100,000 exponents": b"[" + b",".join([b"1e-1000"] * 100_000) + b"]",
        "a number of 500,000 digits": b"1" * 500_000,
        "a fraction of 401 characters": b'{"id":"order-1","status":"x","n":0.' + b"1" * 399 + b"}",
        "a fraction of 400 characters": b'{"id":"order-1","status":"x","n":0.' + b"1" * 398 + b"}",
        "401 digits within a text": b'{"id":"order-1","status":"x","n":"' + b"1" * 401 + b'"}',
        "310 digits and a point": b'{"id":"order-1","status":"x","n":' + b"1" * 310 + b".0}",
        "an exponent of many zeros": b'{"id":"order-1","status":"x","n":1e' + b"0" * 300 + b"1}",
    }


def _mixed() -> dict[str, bytes]:
    return {
        "both shapes at once": (
            b'{"event_id":1,"event_name":"delivered","event_metadata":{"order_id":"order-1"},'
            b'"id":"order-2","status":"canceled"}'
        ),
        "an envelope without metadata": b'{"event_id":1,"event_name":"delivered"}',
        "an envelope with the order at the root": (
            b'{"event_id":1,"event_name":"delivered","order_id":"order-1"}'
        ),
        "an envelope with two orders": (
            b'{"event_name":"delivered","event_metadata":{"order_id":"a"},"order_id":"b"}'
        ),
        "an envelope with an unusable order before a usable one": (
            b'{"event_name":"delivered","event_metadata":{"order_id":"\\n"},"order_id":"b"}'
        ),
        "an envelope without a name": b'{"event_id":1,"event_metadata":{"order_id":"order-1"}}',
        "an envelope with a status only": (
            b'{"status":"delivered","event_metadata":{"order_id":"order-1"}}'
        ),
        "another order": b'{"id":"order-2","status":"delivered"}',
        "another order, one blank more": b'{"id":"order-1 ","status":"delivered"}',
        "another order, in capitals": b'{"id":"ORDER-1","status":"delivered"}',
        "an order without a status": b'{"id":"order-1"}',
        "a status without an order": b'{"status":"delivered"}',
        "an error beside an order": b'{"id":"order-1","status":"created","error":{"code":1}}',
        "an error text beside an order": b'{"id":"order-1","status":"created","error":"no"}',
        "an empty error beside an order": b'{"id":"order-1","status":"created","error":{}}',
        "an error code beyond 64 bits": b'{"error":{"code":99999999999999999999}}',
        "an error that shows no order": ERROR.encode(),
        "a prototype's key": b'{"__proto__":{"id":"x"},"id":"order-1","status":"delivered"}',
        "Python's own keys": b'{"__class__":"x","id":"order-1","status":"delivered"}',
        "an empty key": b'{"":1,"id":"order-1","status":"delivered"}',
        "personal data everywhere": (
            b'{"id":"order-1","status":"delivered","first_name":"Kamal","user_phone":"8005550101"}'
        ),
        "a peer's envelope": (
            b'{"kind":"event.delivery_status","id":"evt_1","status":"pickup_complete","data":{}}'
        ),
        "an order object in an envelope's metadata": (
            b'{"event_name":"x","event_metadata":' + FLAT.encode() + b"}"
        ),
        "the good flat body": FLAT.encode(),
        "the good envelope": ENVELOPED.encode(),
    }


CORPUS: Final[dict[str, bytes]] = {
    **_fields(),
    **_deep(),
    **_doubled(),
    **_bytes(),
    **_large(),
    **_mixed(),
}
"""Name → body. Every name is a phrase that a failing test can say."""


def sample(bodies: list[bytes]) -> list[bytes]:
    """Return every third of those that are read within a millisecond, for the quick test run."""
    return [body for body in bodies if len(body) < 64 * 1024][::3]
