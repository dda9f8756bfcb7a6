"""What the header of a record of format 1 says, with its body: an entry of the log.

Every format that was ever released keeps a reader of its own; `lifecycle.log.codec` chooses.
All of them raise KeyError, TypeError or ValueError for a header that lacks a field, or has one
of a wrong type.
"""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Any

from lifecycle.core.event import NO_HEADERS, Arrival, Entry, Event, Redriven, Unreadable
from lifecycle.log.contract import Record


def read_1(fields: dict[str, Any], body: bytes, record: Record) -> Entry:
    """Return what a record holds."""
    if "reason" in fields:
        return _item_1(fields, body)
    if "item" in fields:
        return Redriven(
            fields["item"],
            fields["stream"],
            fields["key"],
            datetime.fromisoformat(fields["redriven_at"]),
        )
    return event_1(fields, body, record)


def event_1(fields: dict[str, Any], body: bytes, record: Record) -> Event:
    """Return the event that a record holds."""
    get = fields.get
    name = fields["name"]
    occurred_at = get("occurred_at")
    headers = get("headers")
    return Event(
        fields["provider"],
        fields["order_id"],
        fields["kind"],
        name,
        get("trigger", name),
        fields["key"],
        fields["digest"],
        datetime.fromisoformat(fields["received_at"]),
        body,
        fields["sha256"],
        get("event_id"),
        get("attempt"),
        get("exchange_id"),
        get("status"),
        None if occurred_at is None else datetime.fromisoformat(occurred_at),
        get("http_status"),
        NO_HEADERS if headers is None else MappingProxyType(headers),
        problems=tuple(get("problems", ())),
        recorded_at=datetime.fromisoformat(fields["recorded_at"]),
        version=record.version,
        position=record.position,
        redriven_from=get("redriven_from"),
    )


def _item_1(fields: dict[str, Any], body: bytes) -> Unreadable:
    received_at = datetime.fromisoformat(fields["received_at"])
    return Unreadable(
        fields["provider"],
        fields["reason"],
        fields["detail"],
        body,
        received_at,
        _arrival_1(fields, body, received_at) if "kind" in fields else None,
        fields.get("line_number"),
        datetime.fromisoformat(fields["recorded_at"]),
    )


def _arrival_1(fields: dict[str, Any], body: bytes, received_at: datetime) -> Arrival:
    return Arrival(
        fields["kind"],
        body,
        received_at,
        fields.get("order_id"),
        fields["attempt"],
        fields.get("exchange_id"),
        fields.get("http_status"),
        MappingProxyType(fields.get("headers", {})),
    )
