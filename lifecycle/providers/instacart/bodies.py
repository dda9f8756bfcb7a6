"""Bodies: the shapes that this provider sends, read into what they say.

| shape | seen as |
|---|---|
| enveloped callback | `{event_id, event_name, event_timestamp, event_metadata: {order_id, ...}}` |
| flat callback | `{id, status, order_url, ...}`: the order object itself |
| response, poll | the order object, or an error body |
| error body | `{error: {message, code, errors?}, meta: {key?}}`; `errors` holds the same shape |
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from lifecycle.core.event import Fault, opaque_id
from lifecycle.core.identity import id_text
from lifecycle.core.instant import read_event_time

JsonObject = dict[str, Any]


class Callback(NamedTuple):
    """What a callback says; None where it says nothing.

    `word` is its event name or status as found, `order` the part that tells about the
    order. A flat body has no event id and no event time: its `created_at` is when the order
    was created.
    """

    word: str | None
    order_id: str | None
    event_id: str | None = None
    occurred_at: datetime | None = None
    has_bad_time: bool = False
    order: object = None


def order_object(callback: JsonObject) -> object:
    """Return the part of a callback's body that tells about the order."""
    metadata = callback.get("event_metadata")
    return callback if metadata is None and callback.get("event_name") is None else metadata


def read_callback(body: JsonObject) -> Callback:
    """Return what a callback's body says, in whichever of the two shapes it came."""
    get = body.get
    word, metadata = get("event_name"), get("event_metadata")
    if word is None and metadata is None:
        return Callback(_text(get("status")), id_text(get("id")), order=body)
    timestamp = get("event_timestamp")
    named = id_text(metadata.get("order_id")) if type(metadata) is dict else None
    occurred_at, problems = read_event_time(timestamp)
    return Callback(
        _text(word),
        named or id_text(get("order_id")),
        opaque_id(get("event_id")),
        occurred_at,
        bool(problems),
        metadata,
    )


def is_error(body: object) -> bool:
    """Tell whether a body is an error: its `error` is a non-empty object or text."""
    error = body.get("error") if type(body) is dict else None
    return bool(error) and type(error) in {dict, str}


def read_faults(body: JsonObject | None) -> tuple[Fault, ...]:
    """Return the errors that a body holds, innermost ones only; none if it is no error."""
    return tuple(_innermost(body)) if body is not None and is_error(body) else ()


def _innermost(body: JsonObject) -> list[Fault]:
    error, meta = body["error"], body.get("meta")
    key = _text(meta.get("key")) if type(meta) is dict else None
    if type(error) is str:
        return [Fault(error, None, key)]
    nested = error.get("errors")
    items = nested if type(nested) is list else ()
    found = [fault for item in items if is_error(item) for fault in _innermost(item)]
    code = error.get("code")
    return found or [Fault(_text(error.get("message")), code if type(code) is int else None, key)]


def _text(value: object) -> str | None:
    return value if type(value) is str and value else None
