"""Recordings in a test: read from a file, received in the order they come, told in a line.

What a provider's recordings look like is the provider's matter: those of Instacart are built
by `lifecycle.providers.instacart.recordings`.
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
from lifecycle.service.arrivals import Line
from lifecycle.service.orders import Orders
from lifecycle.testing.clock import STARTS_AT, FixedClock
from lifecycle.testing.handmade import Recording


def memory_orders(
    provider: str | Provider = DEFAULT_PROVIDER, *, clock: FixedClock | None = None
) -> Orders:
    """Return orders in memory, on a clock that stands still."""
    return connect("memory:", provider=provider, clock=clock or FixedClock())


def load_recordings(path: str | PathLike[str]) -> list[Recording]:
    """Return the recordings of a JSON Lines file; blank lines are skipped.

    Raises:
        InvalidArgumentError: a line is no JSON object; a test must not pass on half a file.
    """
    lines = Path(path).read_bytes().splitlines()
    return [_parsed(line, place) for place, line in enumerate(lines, 1) if line.strip()]


def flattened(entries: Iterable[Any]) -> list[Any]:
    """Return recordings, lines and events in one list, whether they came singly or in lists.

    Blank lines say nothing and are left out.
    """
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, Mapping | Event):
            found.append(entry)
        elif isinstance(entry, str | bytes):
            found += [entry] if entry.strip() else []
        else:
            found += flattened(entry)
    return found


def received_in_turn(recordings: Sequence[Line]) -> list[Line]:
    """Return the recordings as they are received when they come in this order, a second apart."""
    return [
        {**line, "received_at": format_instant(STARTS_AT + timedelta(seconds=place))}
        if isinstance(line := _object(recording), Mapping)
        else line
        for place, recording in enumerate(recordings)
    ]


def described(entry: Event | Unreadable) -> str:
    """Return what arrived in a few words, without any payload."""
    if isinstance(entry, Unreadable):
        return f"something unreadable ({entry.reason})"
    return f"{entry.kind} {shown(entry.name)} ({shown_key(entry.key)[1:-1]})"


def _parsed(line: bytes, place: int) -> Recording:
    try:
        value = parse(line, max_depth=MAX_DEPTH + 1)
    except JsonError as refused:
        raise InvalidArgumentError(f"line {place}", f"a recording; it is {refused}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentError(f"line {place}", "a recording, which is a JSON object")
    return value


def _object(recording: Line) -> Line:
    """Return a line as the object it spells; as it is where it spells none."""
    if isinstance(recording, Mapping):
        return recording
    raw = recording.encode() if isinstance(recording, str) else recording
    try:
        value = parse(raw, max_depth=MAX_DEPTH + 1)
    except JsonError:
        return recording
    return value if isinstance(value, dict) else recording
