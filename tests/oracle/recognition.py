"""What a recording says: an event with its identity, or the reason why it is put in quarantine."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from .lifecycle import FLAGS, TEXTS, WINDOW
from .strict import (
    MAX_DEPTH,
    NotStrictJsonError,
    content,
    digest_of,
    event_time,
    http_date,
    parse,
    parsed_object,
    printed,
    rfc3339,
)
from .words import INFORMATIONAL, in_a_key, normalized, state_named

Recording = Mapping[str, Any]

MAX_BODY = 1024 * 1024
MAX_ID = 255
MAX_ATTEMPT = 1_000_000
MAX_CONTEXT = 65_536
KNOWN_PROVIDERS = ("instacart", "doordash_drive", "uber_direct")


class Event(NamedTuple):
    """One thing that was sent or that arrived, as far as the view depends on it."""

    order_id: str
    key: str
    digest: str
    name: str
    kind: str
    state: str | None = None
    occurred_at: datetime | None = None
    sequence: int | None = None
    attempt: int | None = None
    http_status: int | None = None
    informational: bool = False
    problems: tuple[str, ...] = ()
    details: Mapping[str, object] = {}
    errors: tuple[Mapping[str, object], ...] = ()


class QuarantinedError(Exception):
    """The recording goes to quarantine, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def identify(recording: Recording) -> Event | str:
    """Return the event that a recording is, or the reason of its quarantine."""
    try:
        raw, line = body_of(recording)
        _check_operation(recording)
        return READERS[recording["kind"]](recording, raw, line)
    except QuarantinedError as refusal:
        return refusal.reason


def identify_line(line: Recording | str) -> Event | str:
    """Return the same of a recording, or of a whole line as it stands."""
    if not isinstance(line, str):
        return identify(line)
    try:
        recording = parse(line.encode("utf-8"), levels=MAX_DEPTH + 1)
    except NotStrictJsonError:
        return "bad_line"
    return identify(recording) if isinstance(recording, dict) else "bad_line"


# The line


def body_of(recording: Recording) -> tuple[bytes, str | None]:
    """Return the bytes of a recording's body, and the order that its line names."""
    raw = _bytes(recording)
    _check_line(recording, len(raw))
    return raw, _order_of_line(recording.get("order_id"))


def _bytes(recording: Recording) -> bytes:
    """Return the body's bytes, from whichever one of the three fields holds it."""
    given = [name for name in ("body", "body_text", "body_base64") if name in recording]
    if len(given) > 1:
        raise QuarantinedError("bad_line")
    if not given or recording[given[0]] is None:
        return b""
    try:
        return BODIES[given[0]](recording[given[0]])
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise QuarantinedError("bad_line") from error


def _compact(value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    raw = text.encode("utf-8")
    if len(raw) <= MAX_BODY:
        parse(raw)
    return raw


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


BODIES: dict[str, Callable[[Any], bytes]] = {
    "body": _compact,
    "body_text": lambda text: text.encode("utf-8"),
    "body_base64": _decoded,
}


def _check_line(recording: Recording, size: int) -> None:
    attempt = recording.get("attempt")
    status = recording.get("http_status")
    received_at = recording.get("received_at")
    if str(recording.get("kind")) not in READERS:
        raise QuarantinedError("bad_line")
    if attempt is not None and not (is_integer(attempt) and 1 <= attempt <= MAX_ATTEMPT):
        raise QuarantinedError("bad_line")
    if status is not None and not (is_integer(status) and 100 <= status <= 599):
        raise QuarantinedError("bad_line")
    if received_at is not None and rfc3339(received_at) is None:
        raise QuarantinedError("bad_line")
    if not all(fits(recording.get(name)) for name, fits in OTHER_FIELDS.items()):
        raise QuarantinedError("bad_line")
    if not _is_context(recording.get("context"), recording.get("context_base64")):
        raise QuarantinedError("bad_line")
    if size > MAX_BODY:
        raise QuarantinedError("too_big")


OTHER_FIELDS: dict[str, Callable[[Any], bool]] = {
    "provider": lambda value: value is None or value in KNOWN_PROVIDERS,
    "headers": lambda value: value is None or isinstance(value, dict),
    "operation": lambda value: value is None or isinstance(value, str),
    "number": lambda value: value is None or (is_integer(value) and 1 <= value <= MAX_ATTEMPT),
}


def _is_context(text: object, exact: object) -> bool:
    if text is not None and exact is not None:
        return False
    try:
        raw = b"" if text is None else BODIES["body_text"](text)
        raw += b"" if exact is None else BODIES["body_base64"](exact)
    except (ValueError, TypeError, AttributeError):
        return False
    return len(raw) <= MAX_CONTEXT


def _check_operation(recording: Recording) -> None:
    """Raise where an operation has no usable name, or its request no number."""
    operation, kind = recording.get("operation"), recording["kind"]
    if operation in (None, "") or kind not in {"request", "poll"}:
        return
    if re.fullmatch("[a-z][a-z0-9_]{0,39}", operation) is None:
        raise QuarantinedError("bad_operation")
    if kind == "request" and recording.get("number") is None:
        raise QuarantinedError("bad_operation")


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# Identifiers


def opaque(value: object) -> str | None:
    """Return an event's or an exchange's id: an integer's digits or a text of 1 to 255 bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return value if 1 <= len(value.encode("utf-8", "surrogatepass")) <= MAX_ID else None


def usable_order_id(value: object) -> str | None:
    """Return a usable order id, else none."""
    text = opaque(value)
    if text is None or any(
        ord(char) < 0x20 or ord(char) == 0x7F or 0xD800 <= ord(char) <= 0xDFFF for char in text
    ):
        return None
    return text


def says_an_id(value: object) -> bool:
    """Tell whether a body names an order here, however badly."""
    return is_integer(value) or (isinstance(value, str) and value != "")


def _order_of_line(value: object) -> str | None:
    if value is None or value == "":
        return None
    found = usable_order_id(value)
    if found is None:
        raise QuarantinedError("bad_order_id")
    return found


def order_of(line: str | None, named: object) -> str:
    """Return the order that the line and the body agree on."""
    found = usable_order_id(named)
    if line is None and found is not None:
        return found
    if line is None:
        raise QuarantinedError("bad_order_id" if says_an_id(named) else "no_order")
    if found is not None and found != line:
        raise QuarantinedError("order_mismatch")
    return line


# Callbacks


def _callback(_recording: Recording, raw: bytes, line: str | None) -> Event:
    try:
        body = parse(raw)
    except NotStrictJsonError as error:
        raise QuarantinedError("not_json") from error
    if not isinstance(body, dict):
        raise QuarantinedError("not_an_object")
    if body.get("event_name") is not None or body.get("event_metadata") is not None:
        return _enveloped(body, line)
    return _flat(body, line)


def _enveloped(body: dict[str, Any], line: str | None) -> Event:
    name = normalized(body.get("event_name"))
    if name is None:
        raise QuarantinedError("no_name")
    metadata = body.get("event_metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    named = metadata.get("order_id")
    order_id = order_of(line, named if says_an_id(named) else body.get("order_id"))
    time = body.get("event_timestamp")
    occurred_at = event_time(time)
    bad_time = time is not None and time != "" and occurred_at is None
    event_id = opaque(body.get("event_id"))
    word = in_a_key(body.get("event_name"))
    digest = digest_of(body)
    return Event(
        order_id,
        f"snapshot:{digest}" if event_id is None else f"callback:{word}:{event_id}",
        digest,
        name,
        "callback",
        state=state_named(name),
        occurred_at=occurred_at,
        informational=name in INFORMATIONAL,
        problems=("bad_time",) if bad_time else (),
        details=_details(metadata),
    )


def _flat(body: dict[str, Any], line: str | None) -> Event:
    name = normalized(body.get("status"))
    if name is None:
        raise QuarantinedError("no_name")
    order_id = order_of(line, body.get("id"))
    digest = digest_of(body)
    return Event(
        order_id,
        f"snapshot:{digest}",
        digest,
        name,
        "callback",
        state=state_named(name),
        informational=name in INFORMATIONAL,
        details=_details(body),
    )


# Requests and their responses


def _request(recording: Recording, raw: bytes, line: str | None) -> Event:
    body = parsed_object(raw)
    return requested(recording, raw, order_of(line, (body or {}).get("order_id")))


def requested(recording: Recording, raw: bytes, order_id: str) -> Event:
    """Return our own request: of an order, or of an operation on one."""
    digest = digest_of(content(raw, parsed_object(raw)))
    operation, attempt = recording.get("operation"), recording.get("attempt") or 1
    if operation:
        key, name = f"operation:{operation}:{recording['number']}", f"{operation}_requested"
        return Event(order_id, key, digest, name, "request", informational=True)
    name = "requested" if attempt == 1 else "resubmitted"
    key = f"request:{attempt}"
    return Event(order_id, key, digest, name, "request", state=name, attempt=attempt)


def _response(recording: Recording, raw: bytes, line: str | None) -> Event:
    status = recording.get("http_status")
    body = parsed_object(raw)
    shows_order = body is not None and normalized(body.get("status")) is not None
    name = response_name(status, is_error=_is_error(body), shows_order=shows_order)
    named = (body or {}).get("id")
    digest = digest_of(status, content(raw, body))
    attempt = recording.get("attempt") or 1
    exchange_id = opaque(recording.get("exchange_id")) or ""
    event = Event(
        order_of(line, named if name == "accepted" or line is None else None),
        f"response:{attempt}:{exchange_id}:{digest}",
        digest,
        name,
        "response",
        attempt=attempt,
        http_status=status,
    )
    if name == "accepted":
        return _accepted(event, body)
    return event._replace(
        state="validation_failed" if name == "rejected" else None,
        informational=name == "failed",
        errors=tuple(_entries(body, status, correctable=name == "rejected")),
    )


def response_name(status: int | None, *, is_error: bool, shows_order: bool) -> str:
    """Return what a response to a create request is, by its HTTP status."""
    if status is None:
        if is_error:
            return "rejected"
        return "accepted" if shows_order else "failed"
    if 200 <= status <= 299:
        return "rejected" if is_error else "accepted"
    if 400 <= status <= 499 and status not in {401, 403, 408, 429}:
        return "rejected"
    return "failed"


def _accepted(event: Event, body: dict[str, Any] | None) -> Event:
    if body is None:
        return event._replace(state="created", problems=("unreadable_body",))
    word = normalized(body.get("status"))
    state = state_named(word)
    known = word is None or state is not None or word in INFORMATIONAL
    return event._replace(
        state=state or "created",
        problems=() if known else ("unrecognized",),
        details=_details(body),
    )


def _is_error(body: object) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict | str) and len(error) > 0


def _entries(
    body: dict[str, Any] | None, status: int | None, *, correctable: bool
) -> list[dict[str, object]]:
    """Return what a rejected or failed response says went wrong, one entry at the least."""
    leaves = _leaves(body) if body is not None and _is_error(body) else [(None, None, None)]
    return [
        {
            "message": message,
            "code": code,
            "key": key,
            "http_status": status,
            "correctable": correctable,
        }
        for message, code, key in leaves
    ]


def _leaves(body: dict[str, Any]) -> list[tuple[str | None, int | None, str | None]]:
    """Return (message, code, key) of the innermost errors."""
    error = body["error"]
    meta = body.get("meta")
    key = text(meta.get("key")) if isinstance(meta, dict) else None
    if isinstance(error, str):
        return [(error, None, key)]
    nested = error.get("errors")
    inner = nested if isinstance(nested, list) else []
    found = [leaf for item in inner if _is_error(item) for leaf in _leaves(item)]
    code = error.get("code")
    return found or [(text(error.get("message")), code if is_integer(code) else None, key)]


# Polls


def _poll(recording: Recording, raw: bytes, line: str | None) -> Event:
    status = recording.get("http_status")
    body = parsed_object(raw)
    word = normalized((body or {}).get("status"))
    answered = status is None or 200 <= status <= 299
    occurred_at = http_date(header(recording, "date"))
    digest = digest_of(status, printed(occurred_at), content(raw, body))
    if body is None or word is None or _is_error(body) or not answered:
        named = (body or {}).get("id") if line is None else None
        event = Event(order_of(line, named), f"poll:{digest}", digest, "poll_failed", "poll")
        return event._replace(occurred_at=occurred_at, http_status=status, informational=True)
    event = Event(order_of(line, body.get("id")), f"poll:{digest}", digest, word, "poll")
    return event._replace(
        state=state_named(word),
        occurred_at=occurred_at,
        http_status=status,
        informational=word in INFORMATIONAL,
        details=_details(body),
    )


def header(recording: Recording, wanted: str) -> object:
    """Return a header's value; of one that came twice both, as HTTP joins them."""
    headers = recording.get("headers")
    found = headers.items() if isinstance(headers, dict) else ()
    values = [value for name, value in found if name.lower() == wanted and text(value)]
    return ", ".join(values) or None


# Details


def _details(source: dict[str, Any]) -> dict[str, str | bool]:
    """Return every detail that an order object or an event's metadata says."""
    inner = source.get("fulfillment_details")
    inner = inner if isinstance(inner, dict) else {}
    texts = {name: text(source.get(name)) for name in TEXTS}
    flags = {name: _flag(source.get(name)) for name in FLAGS}
    window = {name: text(inner.get(name)) or text(source.get(name)) for name in WINDOW}
    said = texts | flags | window
    return {name: value for name, value in said.items() if value is not None}


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value != "" else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


READERS: dict[str, Callable[[Recording, bytes, str | None], Event]] = {
    "request": _request,
    "response": _response,
    "callback": _callback,
    "poll": _poll,
}
