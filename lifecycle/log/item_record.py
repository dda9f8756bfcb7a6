"""Converts quarantined items to and from record headers."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from msgspec import structs

from lifecycle.core.event import NO_HEADERS, Arrival, Unreadable
from lifecycle.log.header import FORMAT, ItemFields, ItemHeader

ERASED: Final = "erased"
"""The reason of an item whose body was erased; it replaces the first reason."""

_ERASED_DETAIL: Final = "what came was erased; the log says when and why"


def utc(time: datetime) -> datetime:
    """Return a time in UTC.

    Raises:
        TypeError: it has no zone.
    """
    if time.utcoffset() is None:
        raise TypeError
    return time.astimezone(UTC)


def item_fields(item: Unreadable, sha256: str, context_sha256: str | None) -> ItemFields:
    """Return the header fields of an item, before it has a place in the log."""
    fields = ItemFields(
        v=FORMAT,
        provider=item.provider,
        reason=item.reason,
        detail=item.detail,
        received_at=utc(item.received_at),
        line_number=item.line_number,
        sha256=sha256,
    )
    return fields if item.arrival is None else _with_arrival(fields, item.arrival, context_sha256)


def item_of(fields: ItemHeader, body: bytes, context: bytes | None) -> Unreadable:
    """Return a stored item."""
    return Unreadable(
        fields.provider,
        fields.reason,
        fields.detail,
        body,
        fields.received_at,
        _arrival(fields, body, context),
        fields.line_number,
        fields.recorded_at,
    )


def erased_item(fields: ItemHeader) -> Unreadable:
    """Return an erased item: what its header says, without a body."""
    return item_of(fields, b"", None)._replace(reason=ERASED, detail=_ERASED_DETAIL)


def _with_arrival(item: ItemFields, arrival: Arrival, context_sha256: str | None) -> ItemFields:
    return structs.replace(
        item,
        kind=arrival.kind,
        order_id=arrival.order_id,
        attempt=arrival.attempt,
        exchange_id=arrival.exchange_id,
        http_status=arrival.http_status,
        headers=dict(arrival.headers.items()),
        number=arrival.number,
        client=arrival.client,
        operation=arrival.operation,
        replayed=arrival.replayed,
        size=None if arrival.context is None else len(arrival.body),
        context_sha256=context_sha256,
    )


def _arrival(fields: ItemHeader, body: bytes, context: bytes | None) -> Arrival | None:
    if fields.kind is None:
        return None
    return Arrival(
        fields.kind,
        body,
        fields.received_at,
        fields.order_id,
        fields.attempt,
        fields.exchange_id,
        fields.http_status,
        MappingProxyType(fields.headers) if fields.headers else NO_HEADERS,
        fields.client,
        fields.operation,
        fields.number,
        fields.replayed,
        context,
    )
