"""The hostile bodies: each must become an event or an item of the quarantine, its content exact."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from tests.hostile_corpus import CORPUS

from .case import MEBIBYTE, ORDER, Case, exact, raw

RULE: Final = (
    "Nothing that arrived is ever lost, and nothing crashes the receiver: what is no event is put "
    "in quarantine."
)
WRITTEN_OUT: Final = 20_000
LARGEST: Final = 2 * MEBIBYTE

# (the beginning of a body's name, the kind it is recorded as, its line)
_KINDS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("a request's", "request", {"order_id": ORDER}),
    ("an error", "response", {"order_id": ORDER, "http_status": 422}),
    ("a meta", "response", {"order_id": ORDER, "http_status": 422}),
    ("errors", "response", {"order_id": ORDER, "http_status": 422}),
    ("a thousand errors", "response", {"order_id": ORDER, "http_status": 422}),
    ("an HTML page", "poll", {"order_id": ORDER, "http_status": 502}),
)
_RUN: Final = re.compile(r"(.{1,8}?)\1{99,}", re.DOTALL)


@cache
def in_parts(text: str) -> list[list[Any]]:
    """Return pieces of a text, each with how often it stands there in a row."""
    parts, end = [], 0
    for run in _RUN.finditer(text):
        parts += [[text[end : run.start()], 1], [run[1], len(run[0]) // len(run[1])]]
        end = run.end()
    return [part for part in [*parts, [text[end:], 1]] if part[0]]


def recorded(name: str, body: bytes) -> dict[str, Any]:
    """Return the recording of a hostile body, of the kind that its name speaks of."""
    found = (told for begins, *told in _KINDS if name.startswith(begins))
    kind, line = next(found, ("callback", {}))
    try:
        return raw(kind, body.decode("utf-8"), **line)
    except UnicodeDecodeError:
        return exact(kind, body, **line)


def is_written(recording: dict[str, Any]) -> bool:
    """Tell whether the files have room for a body: as it is, or in parts."""
    text = recording.get("body_text", recording.get("body_base64", ""))
    if len(text) <= WRITTEN_OUT:
        return True
    parts = in_parts(text) if "body_text" in recording and len(text) <= LARGEST else [[text, 1]]
    return sum(len(text) for text, _ in parts) <= WRITTEN_OUT


@cache
def cases() -> list[Case]:
    """Return a case for every body for which the files have room."""
    recordings = {name: recorded(name, body) for name, body in CORPUS.items()}
    return [
        Case(name, RULE, f"As a {recording['kind']}.", [recording], {})
        for name, recording in recordings.items()
        if is_written(recording)
    ]
