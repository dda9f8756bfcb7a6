"""What the recordings of a provider say, by its dialect: its lifecycle, and how bodies are read.

`identify_all` returns the events that a recording is, and why something in it is put in
quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .lifecycle import Lifecycle
from .recognition import (
    Event,
    QuarantinedError,
    Recording,
    body_of,
    header,
    opaque,
    order_of,
    requested,
    response_name,
)
from .strict import (
    NotStrictJsonError,
    content,
    digest_of,
    event_time,
    http_date,
    parse,
    parsed_object,
    printed,
)
from .words import as_said, in_a_key

Body = dict[str, Any]
Errors = list[tuple[object, object, object]]


class Said(NamedTuple):
    """One event that a callback tells; `word` is the provider's, or ours where it has none."""

    name: str
    word: object
    order_id: object = None
    event_id: object = None
    time: object = None
    sequence: int | None = None
    details: Mapping[str, object] = {}


class Dialect(NamedTuple):
    """How one provider speaks: `callback` returns an event, or none, for each that is told."""

    lifecycle: Lifecycle
    order_id: str
    status: str
    callback: Callable[[Body], list[Said | None]]
    details: Callable[[Body], dict[str, object]]
    errors: Callable[[Body], Errors] = lambda _: []
    sequence: str | None = None
    taken: int | None = None


def identify_all(dialect: Dialect, recording: Recording) -> tuple[list[Event], str | None]:
    """Return the events that a recording is, and the reason of its quarantine, if there is one."""
    try:
        raw, line = body_of(recording)
        if recording["kind"] == "callback":
            return _callbacks(dialect, raw, line)
        body = parsed_object(raw)
        if recording["kind"] == "request":
            named = (body or {}).get(dialect.order_id)
            return [requested(recording, raw, order_of(line, named))], None
        if recording["kind"] == "poll":
            return [_poll(dialect, recording, raw, line)], None
        return [_response(dialect, recording, raw, line)], None
    except QuarantinedError as refusal:
        return [], refusal.reason


def _callbacks(dialect: Dialect, raw: bytes, line: str | None) -> tuple[list[Event], str | None]:
    try:
        body = parse(raw)
    except NotStrictJsonError as error:
        raise QuarantinedError("not_json") from error
    if not isinstance(body, dict):
        raise QuarantinedError("not_an_object")
    told, events, reasons = dialect.callback(body), [], []
    for number, said in enumerate(told, 1):
        try:
            events.append(_callback(dialect, said, digest_of(body), line, number))
        except QuarantinedError as refusal:
            reasons.append(refusal.reason)
    if events and line is not None:  # it takes that order's events alone
        reasons = [reason for reason in reasons if reason != "order_mismatch"]
    return events, reasons[0] if reasons else None


def _callback(
    dialect: Dialect, said: Said | None, digest: str, line: str | None, number: int
) -> Event:
    if said is None:
        raise QuarantinedError("no_name")
    event_id, place = opaque(said.event_id), "" if number == 1 else f"#{number}"
    occurred_at = event_time(said.time)
    bad_time = said.time is not None and said.time != "" and occurred_at is None
    known = f"callback{place}:{in_a_key(said.word)}:{event_id}"
    return Event(
        order_of(line, said.order_id),
        f"snapshot{place}:{digest}" if event_id is None else known,
        digest,
        said.name,
        "callback",
        state=dialect.lifecycle.named(said.name),
        occurred_at=occurred_at,
        sequence=said.sequence,
        informational=said.name in dialect.lifecycle.informational,
        problems=("bad_time",) if bad_time else (),
        details=said.details,
    )


def _response(dialect: Dialect, recording: Recording, raw: bytes, line: str | None) -> Event:
    status, body = recording.get("http_status"), parsed_object(raw)
    said, attempt = body or {}, recording.get("attempt") or 1
    errors, word = dialect.errors(said), as_said(said.get(dialect.status)) or None
    name = response_name(status, is_error=bool(errors), shows_order=word is not None)
    name = "failed" if status is not None and status == dialect.taken else name
    named = said.get(dialect.order_id) if name == "accepted" or line is None else None
    digest = digest_of(status, content(raw, body))
    event = Event(
        order_of(line, named),
        f"response:{attempt}:{opaque(recording.get('exchange_id')) or ''}:{digest}",
        digest,
        name,
        "response",
        attempt=attempt,
        http_status=status,
    )
    if name == "accepted":
        return _accepted(dialect, event, body, word)
    parts = ("message", "code", "key")
    fixed = {"http_status": status, "correctable": name == "rejected"}
    return event._replace(
        state="validation_failed" if name == "rejected" else None,
        informational=name == "failed",
        errors=tuple(
            dict(zip(parts, each, strict=True)) | fixed for each in errors or [(None, None, None)]
        ),
    )


def _accepted(dialect: Dialect, event: Event, body: Body | None, word: str | None) -> Event:
    lifecycle = dialect.lifecycle
    if body is None:
        return event._replace(state=lifecycle.birth[0], problems=("unreadable_body",))
    state = lifecycle.named(word)
    known = word is None or state is not None or word in lifecycle.informational
    return event._replace(
        state=state or lifecycle.birth[0],
        problems=() if known else ("unrecognized",),
        sequence=number(body, dialect.sequence),
        details=dialect.details(body),
    )


def _poll(dialect: Dialect, recording: Recording, raw: bytes, line: str | None) -> Event:
    status, body = recording.get("http_status"), parsed_object(raw)
    said, lifecycle = body or {}, dialect.lifecycle
    word = as_said(said.get(dialect.status)) or None
    occurred_at = http_date(header(recording, "date"))
    digest = digest_of(status, printed(occurred_at), content(raw, body))
    shows = word is not None and not dialect.errors(said)
    if not shows or not (status is None or 200 <= status <= 299):
        named = said.get(dialect.order_id) if line is None else None
        event = Event(order_of(line, named), f"poll:{digest}", digest, "poll_failed", "poll")
        return event._replace(occurred_at=occurred_at, http_status=status, informational=True)
    order_id = order_of(line, said.get(dialect.order_id))
    return Event(
        order_id,
        f"poll:{digest}",
        digest,
        str(word),
        "poll",
        state=lifecycle.named(word),
        occurred_at=occurred_at,
        sequence=number(said, dialect.sequence),
        http_status=status,
        informational=word in lifecycle.informational,
        details=dialect.details(said),
    )


def number(body: Body, name: str | None) -> int | None:
    found = None if name is None else body.get(name)
    return found if type(found) is int and 0 <= found < 2**63 else None


def of_type(said: Body, kinds: Mapping[str, type]) -> dict[str, object]:
    return {name: said[name] for name, kind in kinds.items() if _says(said.get(name), kind)}


def _says(value: object, kind: type) -> bool:
    return type(value) is kind and value != ""


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def json_object(value: object) -> Body:
    return value if isinstance(value, dict) else {}
