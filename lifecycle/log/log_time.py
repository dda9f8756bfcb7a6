"""Where the log stood at a time of its own: `recorded_at`, which the store's clock gives.

What the log held at T is the prefix before the first record whose `recorded_at` is later than
T. That is a position: whatever is asked as at a log time is asked of records up to it.
`LookOptions` has the other times, too, as of which an order is read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypedDict

from msgspec import MsgspecError, Struct, json

from lifecycle.core.argument import is_whole
from lifecycle.core.definition import Definition
from lifecycle.core.instant import format_instant
from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Log, Record
from lifecycle.log.header import Time

LogTime = datetime | int
"""A time by the log's own clock, or a position: what the log held then, or up to there."""


class _Clock(Struct, frozen=True, gc=False):
    """The one field of a header that is looked at."""

    recorded_at: Time


_clock_in: Final = json.Decoder(_Clock).decode


def recorded_at(record: Record) -> datetime | None:
    """Return when a record was stored, by the store's clock; None where it is damaged."""
    try:
        return _clock_in(record.state.partition(b"\n")[0]).recorded_at
    except (MsgspecError, UnicodeDecodeError):
        return None


def first_stored(log: Log, stream: str) -> str:
    """Return when and where the first record of a stream was stored; empty if it has none."""
    records = log.read(stream, until=1)
    if not records:
        return ""
    stored_at = recorded_at(records[0])
    time = "" if stored_at is None else f"at {format_instant(stored_at)}, "
    return f"{time}at position {records[0].position}"


def last_position(log: Log, log_at: LogTime | None) -> int | None:
    """Return the last position that counts for whoever asks of the log then; None: all count.

    Raises:
        InvalidArgumentError: it is no datetime with a zone and no position.
    """
    if log_at is None or (is_whole(log_at) and isinstance(log_at, int) and log_at >= 0):
        return log_at
    if not isinstance(log_at, datetime) or log_at.utcoffset() is None:
        raise InvalidArgumentError("log_at", "a datetime with a zone, or a position from 0")
    return position_at(log, log_at)


def position_at(log: Log, time: datetime) -> int:
    """Return the last position of what the log held at a time; 0 if it held nothing.

    Reads the log from its start, since a clock that was set back orders nothing.
    """
    position = 0
    for record in log.scan():
        stored_at = recorded_at(record)
        if stored_at is not None and stored_at > time:
            return position
        position = record.position
    return position


class LookOptions(TypedDict, total=False):
    """The time as of which an order is read, and the rules; all may be combined.

    `as_at`: what was known then, by the time of receipt, which the recording service gave.
    `as_of`: what was so then, by the provider's clock. `log_at`: what the log held then by its
    own clock, or up to a position. Times need a zone. `rules`: "now" for today's (the default);
    "then" for the last recorded ones, up to `log_at` if that is given; the first 8 or more digits
    of the fingerprint of recorded rules; or a `Definition`. The provider reads the bodies as it
    does now: only states and moves are those of the rules.
    """

    as_at: datetime | None
    as_of: datetime | None
    log_at: LogTime | None
    rules: str | Definition | None
