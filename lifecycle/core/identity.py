"""Identity: when two arrivals are the same event. The same rules for every provider.

The key is what the log deduplicates by, within one order. The digest is the SHA-256 of the
canonical JSON of an event's content, never of its bytes.

| event | key | digest of |
|---|---|---|
| callback with an event id | `callback:<word>:<event_id>` | `[body]` |
| callback without | `snapshot:<digest>` | `[body]` |
| request | `request:<attempt>` | `[body]` |
| response | `response:<attempt>:<exchange_id or empty>:<digest>` | `[http_status, body]` |
| poll | `poll:<digest>` | `[http_status, date, body]` |

`body` is the JSON object, or the bytes in base64 where they are none. `word` is the provider's
own, trimmed and in lower case, with `%` and `:` in it written `%25` and `%3A`: some providers
send one id with every event. Keys and digests are stored and decide for ever what is a
duplicate: nothing here may change.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime
from typing import Any, Final, NamedTuple

from lifecycle.core.event import MAX_ID_BYTES, MAX_WORD_BYTES
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import canonical

# C0 controls, DEL and surrogates: no log, URL or database carries them safely.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_UNFIT_MARK: Final = "\x00"


class Identity(NamedTuple):
    """What an event is known by: its key within the order, and the digest of its content."""

    key: str
    digest: str


def of_request(attempt: int, body: bytes, value: Any) -> Identity:
    """Return the identity of our create request of this attempt."""
    return Identity(f"request:{attempt}", _digest(_content(body, value)))


def of_response(
    attempt: int, exchange_id: str | None, http_status: int | None, body: bytes, value: Any
) -> Identity:
    """Return the identity of a create request's response."""
    digest = _digest(http_status, _content(body, value))
    return Identity(f"response:{attempt}:{exchange_id or ''}:{digest}", digest)


def of_callback(word: str, event_id: str | None, body: bytes, value: Any) -> Identity:
    """Return the identity of a callback; without an event id its content is its key.

    `word` is the `spoken_word`, before any prefix is dropped or alias mapped.
    """
    digest = _digest(_content(body, value))
    if event_id is None:
        return Identity(f"snapshot:{digest}", digest)
    return Identity(f"callback:{_escaped(word)}:{event_id}", digest)


def of_poll(http_status: int | None, date: datetime | None, body: bytes, value: Any) -> Identity:
    """Return the identity of any other answer that shows the order."""
    printed = None if date is None else format_instant(date)
    digest = _digest(http_status, printed, _content(body, value))
    return Identity(f"poll:{digest}", digest)


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


def is_order_id(text: str) -> bool:
    """Tell whether a text can name an order: 1 to 255 bytes, no C0 control, DEL, surrogate."""
    if not text or len(text) > MAX_ID_BYTES:
        return False
    if text.isascii():
        return text.isprintable()
    return _UNFIT.search(text) is None and len(text.encode()) <= MAX_ID_BYTES


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


def _escaped(word: str) -> str:
    """Return a word without the colon that ends it in a key."""
    return word.replace("%", "%25").replace(":", "%3A")


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


def _content(body: bytes, value: Any) -> Any:
    return value if type(value) is dict else base64.b64encode(body).decode("ascii")


def _digest(*content: Any) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()
