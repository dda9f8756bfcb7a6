"""Identity: when two arrivals are the same event. The same rules for every provider.

The key is what the log deduplicates by, within one order. The digest is the SHA-256 of the
canonical JSON of an event's content, never of its bytes.

| event | key | digest of |
|---|---|---|
| callback with an event id | `callback:<word>:<event_id>` | `[body]` |
| callback without | `snapshot:<digest>` | `[body]` |
| request | `request:<attempt>` | `[body]` |
| request of an operation | `operation:<operation>:<number>` | `[body]` |
| response | `response:<attempt>:<exchange_id or empty>:<digest>` | `[http_status, body]` |
| poll | `poll:<digest>` | `[http_status, date, body]` |

`body` is the JSON object, or the bytes in base64 where they are none. `word` is the provider's
own, trimmed and in lower case, with `%` and `:` in it written `%25` and `%3A`: some providers
send one id with every event. Where one body holds several events, the second and later ones have
`#2`, `#3`, ... after the kind: `callback#2:<word>:<event_id>`. Keys and digests are stored and
decide for ever what is a duplicate: nothing here may change.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime
from typing import Final

from lifecycle.core.event import MAX_ID_BYTES, MAX_WORD_BYTES, Arrival
from lifecycle.core.instant import format_instant

# C0 controls, DEL and surrogates: no log, URL or database carries them safely.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_OPERATION: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_UNFIT_MARK: Final = "\x00"
_BEYOND_USUAL_IDS: Final = 1 << 64


def digest_of(arrival: Arrival, date: datetime | None, written: bytes | None) -> str:
    """Return the digest of what arrived.

    `written` is the canonical JSON of its body, None where that is no JSON object; `date` is
    what its `Date` header says.
    """
    content = b'"%b"' % base64.b64encode(arrival.body) if written is None else written
    if arrival.kind == "response" or arrival.kind == "poll":  # noqa: PLR1714 - twice as fast
        content = b"%b,%b" % (_transport(arrival, date), content)
    return hashlib.sha256(b"[%b]" % content).hexdigest()


def _transport(arrival: Arrival, date: datetime | None) -> bytes:
    """Return what beside the body counts of an answer: its status, and of a poll its date."""
    status = b"null" if arrival.http_status is None else b"%d" % arrival.http_status
    if arrival.kind != "poll":
        return status
    at = b"null" if date is None else f'"{format_instant(date)}"'.encode()
    return b"%b,%b" % (status, at)


def callback_key(word: str, event_id: str | None, digest: str, part: int | None = None) -> str:
    """Return the key of a callback within its order.

    `word` is the `spoken_word`, before any prefix is dropped or alias mapped. `part` counts the
    readings of one body, None for the first.
    """
    place = "" if part is None else f"#{part}"
    if event_id is None:
        return f"snapshot{place}:{digest}"
    if "%" in word or ":" in word:  # a colon ends it
        word = word.replace("%", "%25").replace(":", "%3A")
    return f"callback{place}:{word}:{event_id}"


def exchange_key(
    arrival: Arrival, exchange_id: str | None, digest: str, part: int | None = None
) -> str:
    """Return the key of a request, a response or a poll within its order; as `callback_key`."""
    if arrival.kind == "poll":
        return f"poll:{digest}" if part is None else f"poll#{part}:{digest}"
    if arrival.kind == "response":
        return f"response:{arrival.attempt}:{exchange_id or ''}:{digest}"
    if arrival.operation is not None:
        return f"operation:{arrival.operation}:{arrival.number}"
    return f"request:{arrival.attempt}"


def spoken_word(value: object) -> str | None:
    """Return a provider's word, trimmed and in lower case; None where `value` says nothing.

    No text, nothing but white space, or more than 255 bytes of UTF-8 say nothing.
    """
    word = value.strip().lower() if type(value) is str else ""
    if not word or len(word) > MAX_WORD_BYTES:
        return None
    return word if word.isascii() or len(word.encode()) <= MAX_WORD_BYTES else None


def verbatim_word(value: object) -> str | None:
    """Return a provider's word as it stands; None where it says nothing."""
    return as_kept(value) if type(value) is str and spoken_word(value) is not None else None


def as_kept(word: str) -> str:
    """Return a word that says something as it is stored: verbatim.

    White space around it is kept too, but for so much that it would be longer than any word.
    """
    return word if len(word) <= MAX_WORD_BYTES else word.strip()


def id_text(value: object) -> str | None:
    """Return an order's id as text, an integer as its digits; None where `value` says nothing.

    The text may still be no usable order id: see `is_order_id`.
    """
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int else None


def opaque_id(value: object) -> str | None:
    """Return an event's or exchange's id as text, None where `value` is no usable id.

    An integer counts as its digits; up to 255 bytes of UTF-8; never interpreted.
    """
    if value is None:
        return None
    if type(value) is int and 0 <= value < _BEYOND_USUAL_IDS:
        return str(value)
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value:
            return None
        return value if len(value.encode()) <= MAX_ID_BYTES else None
    except ValueError:  # a lone surrogate, or more digits than the interpreter prints
        return None


def plain_text(value: object) -> str | None:
    """Return a text that says something, None where `value` is none or empty."""
    return value if type(value) is str and value else None


def is_order_id(text: str) -> bool:
    """Tell whether a text can name an order: 1 to 255 bytes, no C0 control, DEL, surrogate."""
    if not text or len(text) > MAX_ID_BYTES:
        return False
    if text.isascii():
        return text.isprintable()
    return _UNFIT.search(text) is None and len(text.encode()) <= MAX_ID_BYTES


def is_operation(name: object) -> bool:
    """Tell whether this can name an operation: a short word in lower case, as `cancel`."""
    return isinstance(name, str) and _OPERATION.fullmatch(name) is not None


def number_in(key: str) -> int | None:
    """Return the number in the key of an operation's request, None in any other."""
    kind, _, rest = key.partition(":")
    number = rest.rpartition(":")[2]
    return int(number) if kind == "operation" and number.isdecimal() else None


def stated_order_id(value: object) -> str | None:
    """Return what a line or a caller states as the order's id, as text that can be stored.

    None where nothing is stated. What can be no order id for its type or its surrogates
    comes back behind a NUL: kept to be looked at, and still no order id.
    """
    if value is None or isinstance(value, str):
        text = value or None
        return _marked(value) if text is not None and not _is_unicode(text) else text
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # more digits than the interpreter prints
            return _marked(None)
    return _marked(value)


def _marked(value: object) -> str:
    try:
        return _UNFIT_MARK + json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return _UNFIT_MARK


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
