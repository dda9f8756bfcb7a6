"""Exports a log as recordings that `ingest` can read again.

    log.scan ─→ Record ─→ Event ─→ a line, with its place in the log and its stored header

The lines hold every stored event, divergent ones too, in the order of recording; an
empty log that reads them gives the same views.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from heapq import merge
from itertools import chain
from typing import Any

from lifecycle.audit.merkle import Frontier
from lifecycle.audit.tree import leaf_of
from lifecycle.core.event import (
    Encrypted,
    Entry,
    Erased,
    Event,
    Reviewed,
    Rules,
    Unmasked,
    Unreadable,
    stream_of,
)
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import compact
from lifecycle.log.cipher import Cipher
from lifecycle.log.codec import decode, split
from lifecycle.log.contract import CONTROL, QUARANTINE, Log, Record
from lifecycle.log.control_record import ControlEntry
from lifecycle.log.item_record import ERASED
from lifecycle.log.jsonl import write_item, write_line


def export(log: Log, *, stream: str | None = None, quarantine: bool = False) -> Iterator[bytes]:
    """Yield each stored event as one line of a recording, in constant memory.

    Args:
        log: the log to read.
        stream: only the events of this stream.
        quarantine: also the quarantined items; when ingested they are quarantined again.

    Raises:
        StoredFormatError: a stored record cannot be read.
    """
    for record in _records(log, stream, quarantine=quarantine):
        if record.stream == CONTROL or (record.stream == QUARANTINE and not quarantine):
            continue
        entry = decode(record, log.cipher)
        if not isinstance(entry, Unreadable) or stream is None or _stream(entry) == stream:
            yield _line(_recording(entry), record)


def export_whole(log: Log) -> Iterator[bytes]:
    """Yield a line for every record of a log, and a last line with its checkpoints.

    A record that is not a recording becomes a line of kind `control`, which `ingest` skips. A
    quarantined line is written as it came, and a control line after it gives its place. The last
    line holds the checkpoint over all records and the last signed one.

    Raises:
        StoredFormatError: a stored record cannot be read.
    """
    frontier, signed = Frontier(), log.tree.last_checkpoint()
    for record in _records(log, None, quarantine=True):
        fields = _recording(decode(record, log.cipher))
        yield _line(fields, record)
        if isinstance(fields, bytes):
            yield _line({"kind": CONTROL, "control": "bad_line"}, record)
        frontier.add(leaf_of(record))
    checkpoint = {"checkpoint": str(frontier.head), "signed": signed and signed.note}
    yield compact({"kind": CONTROL, "control": "checkpoint", **checkpoint}) + b"\n"


def line_of(record: Record, cipher: Cipher | None = None) -> bytes:
    """Return the line of one record, with its place in the log.

    Raises:
        StoredFormatError: the record cannot be read.
    """
    return _line(_recording(decode(record, cipher)), record)


def _recording(entry: Entry) -> Mapping[str, Any] | bytes:
    if isinstance(entry, Event):
        line = write_line(entry)
        return _without_body(line) if entry.erased else line
    if isinstance(entry, Unreadable):
        item = write_item(entry)
        return _without_body(item) if entry.reason == ERASED and isinstance(item, dict) else item
    return {"kind": CONTROL, **_control(entry)}


def _control(entry: ControlEntry) -> dict[str, Any]:
    match entry:
        case Reviewed():
            said = _said(entry, "subject", "by", "why")
            return {"control": "reviewed", **said, "at": format_instant(entry.reviewed_at)}
        case Erased():
            said = _said(entry, "stream", "item", "by", "why")
            return {"control": "erased", **said, "at": format_instant(entry.erased_at)}
        case Encrypted():
            at = format_instant(entry.encrypted_at)
            return {"control": "encrypted", **_said(entry, "checkpoint"), "at": at}
        case Unmasked():
            said = _said(entry, "stream", "item", "by")
            return {"control": "unmasked", **said, "at": format_instant(entry.unmasked_at)}
        case Rules():
            said = _said(entry, "provider", "fingerprint", "release", "origin")
            schema = None if entry.details is None else json.loads(entry.details)
            table = {"definition": json.loads(entry.definition), "details": schema}
            return {"control": "rules", **said, **table}
    return {
        "control": "redriven",
        "item": entry.item,
        "stream": entry.stream,
        "key": entry.key,
        "at": format_instant(entry.redriven_at),
    }


def _said(entry: ControlEntry, *names: str) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in names}


def _without_body(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the line of something erased, which `ingest` skips."""
    return {name: said for name, said in line.items() if name != "body_text"} | {"erased": True}


def _records(log: Log, stream: str | None, *, quarantine: bool) -> Iterator[Record]:
    if log.cipher is not None:
        log.cipher.catch_up()
    if stream is None:
        return chain(log.strays(), log.scan())
    streams = [log.walk(stream), log.walk(QUARANTINE) if quarantine else ()]
    return merge(*streams, key=lambda record: record.position)


def _stream(item: Unreadable) -> str | None:
    if item.arrival is None or item.arrival.order_id is None:
        return None
    return stream_of(item.provider, item.arrival.order_id)


def _line(fields: Mapping[str, Any] | bytes, record: Record) -> bytes:
    if isinstance(fields, bytes):
        return fields + b"\n"
    header, body = split(record)
    place: dict[str, Any] = {
        "position": record.position,
        "version": record.version,
        "header_base64": base64.b64encode(header).decode(),
    }
    if record.stream == CONTROL and body:  # a control record has no body unless it was forged
        place["body_base64"] = base64.b64encode(body).decode()
    return compact({**fields, **place}) + b"\n"
