"""Bodies: the shapes that this provider sends, read into what they say.

| shape | seen as |
|---|---|
| enveloped callback | `{event_id, event_name, event_timestamp, event_metadata: {order_id, ...}}` |
| flat callback | `{id, status, order_url, ...}`: the order object itself |
| response, poll | the order object, or an error body |
| error body | `{error: {message, code, errors?}, meta: {key?}}`; `errors` holds the same shape |
"""

from __future__ import annotations

from typing import Any

from lifecycle.core.event import Fault

JsonObject = dict[str, Any]


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
