"""Recordings: the interchange format, JSON Lines, one event a line.

`{"kind":"callback","received_at":"2022-06-04T10:00:09Z","body":{"id":"x","status":"packed"}}`

line ─→ read_line ─→ Arrival ─→ provider.recognize ─→ Event ─→ write_line ─→ line

A line that is none is not refused but comes back as `Unreadable`, kept whole.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from lifecycle.core.event import (
    KINDS,
    MAX_ATTEMPT,
    MAX_CONTEXT_BYTES,
    Arrival,
    Event,
    Kind,
    Unreadable,
)
from lifecycle.core.identity import opaque_id, stated_order_id
from lifecycle.core.instant import format_instant, parse_instant
from lifecycle.core.provider import Provider
from lifecycle.core.strict_json import MAX_DEPTH, compact, parse
from lifecycle.errors import JsonError
from lifecycle.log.contract import CONTROL
from lifecycle.log.kept_headers import keep_headers

BAD_LINE: Final = "bad_line"
_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in KINDS}
_KIND_AND_BODY: Final = 2  # fields: a line that tells nothing else
_BODY_FIELDS: Final = ("body", "body_text", "body_base64")
_EXACT: Final = (bytes, bytearray, memoryview)
# In a tuple, `dict` first: asking anything else whether it is a `Mapping` is slow.
_OBJECT: Final = (dict, Mapping)


class _BadLineError(ValueError):
    """The line is no recording; the message says why and quotes nothing."""


def read_line(
    line: bytes | str | Mapping[str, Any],
    *,
    received_at: datetime,
    providers: Mapping[str, Provider],
    provider: str,
    line_number: int | None = None,
) -> tuple[str, Arrival] | Unreadable | None:
    """Return a line's provider and arrival; `Unreadable` where it is no recording.

    None for a line of kind `control`, which tells of a log, and for one of what was erased.

    A mapping stands for the line that spells it; in it `received_at` may be a datetime and
    a body may be bytes. `received_at` and `provider` are for lines that name none.
    """
    try:
        if type(line) is dict and type(line.get("body")) is bytes:
            fields: Mapping[str, Any] = line
        else:
            fields = _checked(line) if isinstance(line, _OBJECT) else _parsed(line)
        control = fields.get("kind") == CONTROL or fields.get("erased") is True
        return None if control else _read(fields, received_at, providers, provider)
    except _BadLineError as bad:
        return Unreadable(
            provider=provider,
            reason=BAD_LINE,
            detail=str(bad),
            body=_raw(line),
            received_at=received_at,
            line_number=line_number,
        )


def write_line(event: Event) -> dict[str, Any]:
    """Return the line that `read_line` reads as this event again, its fields in order."""
    # Their number is what ends the key of an operation's requests.
    is_asked = event.kind == "request" and event.operation is not None
    arrival = Arrival(
        kind=event.kind,
        body=event.body,
        received_at=event.received_at,
        order_id=event.order_id,
        attempt=event.attempt or 1,
        exchange_id=event.exchange_id,
        http_status=event.http_status,
        headers=event.headers,
        client=event.client,
        operation=event.operation,
        number=int(event.key.rpartition(":")[2]) if is_asked else None,
        context=event.context,
    )
    return _written(event.provider, arrival)


def write_item(item: Unreadable) -> dict[str, Any] | bytes:
    """Return the line that ends in the quarantine again for the same reason.

    Bytes are a bad line as it came. One that came with line breaks cannot be a line: it
    comes as an object of no kind, its bytes in base64.
    """
    if item.arrival is not None:
        return _written(item.provider, item.arrival)
    if item.body.strip() and b"\n" not in item.body and b"\r" not in item.body:
        return item.body
    return {"kind": BAD_LINE, **_exact("body_text", "body_base64", item.body)}


def _read(
    fields: Mapping[str, Any],
    received_at: datetime,
    providers: Mapping[str, Provider],
    provider: str,
) -> tuple[str, Arrival]:
    get = fields.get
    name = get("provider")
    name = provider if name is None else _provider(name, providers)
    kind = _KINDS.get(said) if isinstance(said := get("kind"), str) else None
    if kind is None:
        raise _BadLineError(f"its kind is none of {', '.join(KINDS)}")
    body = _body(fields)
    if len(fields) == _KIND_AND_BODY and "body" in fields:
        return name, Arrival(kind, body, received_at)
    told = {
        field: _FIELDS[field](value)
        for field, value in fields.items()
        if value is not None and field in _FIELDS
    }
    if (headers := get("headers")) is not None:
        told["headers"] = _headers(headers, providers[name].kept_headers)
    if "context" in fields or "context_base64" in fields:
        told["context"] = _context(get("context"), get("context_base64"))
    return name, Arrival(kind, body, told.pop("received_at", received_at), **told)


def _parsed(line: object) -> Mapping[str, Any]:
    try:
        # The body's 64 levels, and the line around them.
        value = parse(_raw(line), max_depth=MAX_DEPTH + 1)
    except JsonError as refused:
        raise _BadLineError(f"the line is {refused}") from None
    if not isinstance(value, dict):
        raise _BadLineError("the line is JSON, but no object")
    return value


def _spelled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping as a line would spell it: a time as text, bytes as base64."""
    fields = dict(given)
    received_at = fields.get("received_at")
    if isinstance(received_at, datetime) and received_at.utcoffset() is not None:
        fields["received_at"] = _printed(received_at)
    for name in _BODY_FIELDS:
        if not isinstance(fields.get(name), bytes | bytearray | memoryview):
            continue
        exact = bytes(fields.pop(name))
        if name != "body_base64":
            exact = base64.b64encode(exact)
        fields["body_base64" if "body_base64" not in fields else name] = exact.decode("latin-1")
    return fields


def _printed(instant: datetime) -> str:
    try:
        return format_instant(instant)
    except OverflowError:
        return ""


def _checked(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields if their `body` is bytes, or a value that strict JSON can spell."""
    body = fields.get("body")
    if type(body) is bytes or body is None or isinstance(body, _EXACT):
        return fields
    try:
        parse(compact(body))
    except JsonError as refused:
        raise _BadLineError(f"its body is {refused}") from None
    except (TypeError, ValueError, RecursionError):
        raise _BadLineError("its body cannot be written as JSON") from None
    return fields


def _provider(value: object, providers: Mapping[str, Provider]) -> str:
    if isinstance(value, str) and value in providers:
        return value
    raise _BadLineError(f"its provider is none of {', '.join(sorted(providers))}")


def _integer(value: object, field: str, least: int, most: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return int(value)
    raise _BadLineError(f"its {field} is no integer from {least} to {most}")


def _received_at(value: object) -> datetime:
    found = _instant(value)
    if found is None:
        raise _BadLineError("its received_at is no RFC 3339 time with a zone")
    return found


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_instant(value)
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _headers(value: object, also: frozenset[str]) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise _BadLineError("its headers are no object")
    return keep_headers(value, also)


def _operation(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    raise _BadLineError("its operation is no text")


_FIELDS: Final[Mapping[str, Callable[[object], Any]]] = {
    "received_at": _received_at,
    "order_id": stated_order_id,
    "attempt": partial(_integer, field="attempt", least=1, most=MAX_ATTEMPT),
    "exchange_id": opaque_id,
    "http_status": partial(_integer, field="http_status", least=100, most=599),
    "client": opaque_id,
    "operation": _operation,
    "number": partial(_integer, field="number", least=1, most=MAX_ATTEMPT),
}
"""What a line may tell of an arrival, and what reads it where it is not null."""


def _context(text: object, exact: object) -> bytes | None:
    """Return what the caller keeps with an event; None where it is nothing."""
    if text is None and exact is None:
        return None
    try:
        context = _text_body("" if text is None else text) if exact is None else _base64_body(exact)
    except _BadLineError:
        context = None
    if context is None or len(context) > MAX_CONTEXT_BYTES or None not in (text, exact):
        raise _BadLineError(f"its context is not one text of {MAX_CONTEXT_BYTES} bytes at most")
    return context or None


def _body(fields: Mapping[str, Any]) -> bytes:
    body = fields.get("body")
    if type(body) is bytes and "body_text" not in fields and "body_base64" not in fields:
        return body
    given = [name for name in _BODY_FIELDS if name in fields]
    if len(given) > 1:
        raise _BadLineError(f"it has {' and '.join(given)}; one body is expected")
    if not given or fields[given[0]] is None:
        return b""
    return _BODY_READERS[given[0]](fields[given[0]])


def _json_body(value: object) -> bytes:
    return bytes(value) if isinstance(value, _EXACT) else compact(value)


def _text_body(value: object) -> bytes:
    if isinstance(value, _EXACT):
        return bytes(value)
    try:
        return str.encode(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _BadLineError("its body_text is no text") from None


def _base64_body(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise _BadLineError("its body_base64 is no padded standard base64") from None


_BODY_READERS: Final[Mapping[str, Callable[[object], bytes]]] = {
    "body": _json_body,
    "body_text": _text_body,
    "body_base64": _base64_body,
}


def _raw(line: object) -> bytes:
    """Return a line's bytes, without its line break."""
    if isinstance(line, str):
        try:
            raw = line.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raw = line.encode("utf-8", "surrogatepass")
    elif isinstance(line, bytes | bytearray | memoryview):
        raw = bytes(line)
    else:
        raw = _best_effort(line)
    return raw.removesuffix(b"\n").removesuffix(b"\r")


def _best_effort(value: object) -> bytes:
    """Return something that is no recording as nearly as JSON can say it.

    What cannot be said stands as `NaN`, so that the line is never read as if it were whole.
    """
    if not isinstance(value, Mapping):
        return _said_or_nan(value).encode()
    fields = _spelled(value).items()
    said = (f"{_said_or_nan(name)}:{_said_or_nan(item)}" for name, item in fields)
    return f"{{{','.join(said)}}}".encode()


def _said_or_nan(value: object) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), default=lambda _: math.nan)
    except (TypeError, ValueError, RecursionError):
        return "NaN"


def _written(provider: str, arrival: Arrival) -> dict[str, Any]:
    line: dict[str, Any] = {"kind": arrival.kind, "provider": provider}
    if arrival.order_id is not None:
        line["order_id"] = arrival.order_id
    if arrival.kind in {"request", "response"} and arrival.operation is None:
        line["attempt"] = arrival.attempt
    for name in ("exchange_id", "client", "operation", "number"):
        if (said := getattr(arrival, name)) is not None:
            line[name] = said
    line["received_at"] = format_instant(arrival.received_at)
    if arrival.kind in {"response", "poll"}:
        line["http_status"] = arrival.http_status
    if arrival.headers:
        line["headers"] = dict(arrival.headers)
    if arrival.context is not None:
        line |= _exact("context", "context_base64", arrival.context)
    return line | _exact("body_text", "body_base64", arrival.body)


def _exact(text: str, base64_text: str, content: bytes) -> dict[str, str]:
    try:
        return {text: content.decode()}
    except UnicodeDecodeError:
        return {base64_text: base64.b64encode(content).decode("ascii")}
