"""The columns of an export: one row a record, one row a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from lifecycle.audit.columns.manifest import Bodies
from lifecycle.core.strict_json import compact
from lifecycle.errors import MissingExtraError, StoredFormatError
from lifecycle.log.codec import parse_header
from lifecycle.log.contract import Record
from lifecycle.log.header import Bodiless, EventHeader
from lifecycle.log.view_store import StoredView
from lifecycle.projections.stored_form import fields_of

try:
    import pyarrow as pa
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_TIME: Final = pa.timestamp("us", tz="UTC")

OF_THE_HEADER: Final = {
    "provider": pa.string(),
    "order_id": pa.string(),
    "kind": pa.string(),
    "name": pa.string(),
    "key": pa.string(),
    "event_id": pa.string(),
    "attempt": pa.int64(),
    "exchange_id": pa.string(),
    "status": pa.string(),
    "word": pa.string(),
    "occurred_at": _TIME,
    "received_at": _TIME,
    "recorded_at": _TIME,
    "http_status": pa.int64(),
    "operation": pa.string(),
    "sequence": pa.int64(),
    "part": pa.int64(),
    "client": pa.string(),
    "redriven_from": pa.int64(),
    "reason": pa.string(),
}
"""The columns that hold a field of the header as it is."""

FROM_THE_HEADER: Final = (*OF_THE_HEADER, "trigger", "replayed", "problems")
"""The columns that tell what the header says."""

RECORDS: Final = pa.schema(
    {
        "position": pa.int64(),
        "stream": pa.string(),
        "version": pa.int64(),
        "topic": pa.string(),
        **OF_THE_HEADER,
        "trigger": pa.string(),
        "replayed": pa.bool_(),
        "problems": pa.list_(pa.string()),
        "erased": pa.bool_(),
        "header": pa.binary(),
        "body": pa.binary(),
        "context": pa.binary(),
    }
)

VIEWS: Final = pa.schema(
    {
        "stream": pa.string(),
        "provider": pa.string(),
        "order_id": pa.string(),
        "status": pa.string(),
        "terminal": pa.bool_(),
        "awaiting": pa.string(),
        "waiting_since": _TIME,
        "anomalies": pa.int64(),
        "first_received_at": _TIME,
        "last_received_at": _TIME,
        "version": pa.int64(),
        "position": pa.int64(),
        "digest": pa.string(),
        "body": pa.string(),
    }
)

_NO_JSON: Final = "\ufffd"


class Content(NamedTuple):
    """What an export shows of a record after its header; None where it shows nothing.

    `erased` is None where the header has no end, so that nothing can follow it.
    """

    body: bytes | None
    context: bytes | None = None
    erased: bool | None = False


class RecordRows:
    """Rows of records on their way into a file."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in RECORDS.names}
        self.bytes: int = 0

    def __len__(self) -> int:
        return len(self._columns["stream"])

    def add(self, record: Record, content: Content) -> None:
        """Add a record.

        Raises:
            StoredFormatError: its version is no number, for which there is no column.
        """
        if not isinstance(record.version, int):
            found = "its version is no number"
            raise StoredFormatError(record.stream, record.version, found)
        raw = record.state.partition(b"\n")[0]
        row = columns_of(record) | {
            **record._asdict(),
            **content._asdict(),
            "header": raw,
        }
        for name, column in self._columns.items():
            column.append(row.get(name))
        self.bytes += len(raw) + len(content.body or b"") + len(content.context or b"")

    def taken(self) -> pa.Table:
        """Return the rows as a table, and begin anew."""
        table = pa.table(self._columns, schema=RECORDS)
        self._columns = {name: [] for name in RECORDS.names}
        self.bytes = 0
        return table


def columns_of(record: Record) -> dict[str, Any]:
    """Return the columns that a header fills; none for a damaged one."""
    raw = record.state.partition(b"\n")[0]
    try:
        header = parse_header(raw, record.stream, record.version)
    except StoredFormatError:
        return {}
    if isinstance(header, Bodiless):
        return {"recorded_at": header.recorded_at}
    row = {name: getattr(header, name, None) for name in OF_THE_HEADER}
    row["replayed"] = header.replayed
    if isinstance(header, EventHeader):
        row["trigger"] = header.triggered
        row["problems"] = list(header.problems)
    return row


def views_table(rows: Sequence[tuple[str, str, StoredView]], bodies: Bodies) -> pa.Table:
    """Return the rows of stored views, each given with its stream and its provider.

    Without whole bodies, the views lack what is read in them: details, and texts of errors.
    """
    return pa.Table.from_pylist(
        [
            {
                **stored._asdict(),
                "stream": stream,
                "provider": provider,
                "terminal": bool(stored.terminal),
                "body": _text(stored.body if bodies is Bodies.WHOLE else _without_details(stored)),
            }
            for stream, provider, stored in rows
        ],
        schema=VIEWS,
    )


def _without_details(stored: StoredView) -> bytes:
    fields = fields_of(stored)
    if fields is None:
        return b""
    errors = [{**error, "message": None, "key": None} for error in fields["errors"]]
    return compact({**fields, "errors": errors, "details": {}})


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return _NO_JSON
