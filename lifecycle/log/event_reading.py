"""Reads an event from the header and the body of its record."""

from __future__ import annotations

from types import MappingProxyType

from msgspec import UNSET

from lifecycle.core.event import NO_HEADERS, Content, Event
from lifecycle.log.contract import Record
from lifecycle.log.header import EventHeader


def event_of(
    fields: EventHeader, record: Record, body: bytes, context: bytes | None, content: Content
) -> Event:
    """Return a stored event; `content` is what its provider reads from its body."""
    # All by position: by name it takes half as long again.
    return Event(
        fields.provider,
        fields.order_id,
        fields.kind,
        fields.name,
        fields.name if fields.trigger is UNSET else fields.trigger,
        fields.key,
        fields.digest,
        fields.received_at,
        body,
        fields.sha256 or "",
        fields.event_id,
        fields.attempt,
        fields.exchange_id,
        fields.status,
        fields.occurred_at,
        fields.http_status,
        MappingProxyType(fields.headers) if fields.headers else NO_HEADERS,
        content.details,
        content.faults,
        fields.problems,
        content.fate,
        fields.recorded_at,
        record.version,
        record.position,
        fields.redriven_from,
        fields.client,
        fields.operation,
        fields.sequence,
        fields.part,
        fields.links,
        fields.replayed,
        context,
    )
