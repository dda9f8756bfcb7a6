"""Recordings in tests: loaded from files, given times of arrival, described in a line.

Each provider builds its own recordings: see the module `recordings` of its package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Any

from lifecycle.composition import DEFAULT_PROVIDER, connect
from lifecycle.core.event import Event, Unreadable
from lifecycle.core.instant import format_instant
from lifecycle.core.provider import Provider
from lifecycle.core.reason import shown, shown_key
from lifecycle.core.strict_json import MAX_DEPTH, parse
from lifecycle.errors import InvalidArgumentError, JsonError
from lifecycle.service.arrival_reader import Line
from lifecycle.service.orders import Orders
from lifecycle.testing.clock import STARTS_AT, FixedClock
from lifecycle.testing.handmade import Recording


def memory_orders(
    provider: str | Provider = DEFAULT_PROVIDER, *, clock: FixedClock | None = None
) -> Orders:
    """Return orders in memory, with a fixed clock."""
    return connect("memory:", provider=provider, clock=clock or FixedClock())


def load_recordings(path: str | PathLike[str]) -> list[Recording]:
    """Return the recordings of a JSON Lines file; blank lines are skipped.

    Raises:
        InvalidArgumentError: a line is no JSON object.
    """
    lines = Path(path).read_bytes().splitlines()
    return [_parsed(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def flattened(entries: Iterable[Any]) -> list[Any]:
    """Return recordings, lines and events in one flat list, without blank lines."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, Mapping | Event):
            found.append(entry)
        elif isinstance(entry, str | bytes):
            found += [entry] if entry.strip() else []
        else:
            found += flattened(entry)
    return found


def received_in_order(recordings: Sequence[Line]) -> list[Line]:
    """Return the recordings with times of arrival in this order, a second apart."""
    return [
        {**line, "received_at": format_instant(STARTS_AT + timedelta(seconds=number))}
        if isinstance(line := _object(recording), Mapping)
        else line
        for number, recording in enumerate(recordings)
    ]


def described(entry: Event | Unreadable) -> str:
    """Return an arrival in a few words, without payload."""
    if isinstance(entry, Unreadable):
        return f"something unreadable ({entry.reason})"
    return f"{entry.kind} {shown(entry.name)} ({shown_key(entry.key)[1:-1]})"


def _parsed(line: bytes, number: int) -> Recording:
    try:
        value = parse(line, max_depth=MAX_DEPTH + 1)
    except JsonError as refused:
        raise InvalidArgumentError(f"line {number}", f"a recording; it is {refused}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"line {number}", "a recording, which is a JSON object")
    return value


def _object(recording: Line) -> Line:
    """Return the object in a line; the line itself if it holds none."""
    if isinstance(recording, Mapping):
        return recording
    raw = recording.encode() if isinstance(recording, str) else recording
    try:
        value = parse(raw, max_depth=MAX_DEPTH + 1)
    except JsonError:
        return recording
    return value if isinstance(value, dict) else recording
