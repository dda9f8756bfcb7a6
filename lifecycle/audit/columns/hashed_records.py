"""The records of one shard on their way into a query, each with what OpenSSL hashes best.

    row group ─→ hashes of headers and bodies, leaves of the tree ─→ RecordBatch ─→ DuckDB

They pass by once, some thousands at a time: only what is small is kept of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lifecycle.audit.columns.schema import RECORDS
from lifecycle.audit.columns.told_details import SeenBodies
from lifecycle.errors import MissingExtraError
from lifecycle.log.codec import is_intact

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_ROWS_AT_ONCE: Final = 4096
_READ: Final = [name for name in RECORDS.names if name != "body"]
_ENDING: Final = len('00000000"}')
_NEVER_NULL: Final = ("position", "stream", "version", "topic", "header")
_NO_TEXT: Final = pa.scalar(None, pa.string())
_ORDERS: Final = pa.schema({"number": pa.int64(), "stream": pa.string()})
_CHAINED: Final = pa.schema({"stream": pa.string(), "version": pa.int64(), "hash": pa.string()})
_ADDED: Final = {
    "row": pa.int64(),
    "number": pa.int64(),
    "ending": pa.binary(),
    "hash": pa.string(),
    "hash_before": pa.string(),
    "version_before": pa.int64(),
    "intact": pa.bool_(),
    "body_hash": pa.string(),
}


def without_time_zones(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose times have no zone any more: DuckDB prints those much faster."""
    return pa.schema(
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in schema
    )


_RECORDS: Final = without_time_zones(pa.schema([RECORDS.field(name) for name in _READ]))
_PLACES: Final = pa.schema(
    [pa.field("number", pa.int64()), *(_RECORDS.field(name) for name in ("version", "position"))]
)
_HASHED: Final = pa.schema([*_RECORDS, *map(pa.field, _ADDED, _ADDED.values())])


class HashedRecords:
    """Reads the records of one shard, once; then it knows its streams and leaves."""

    def __init__(self, path: Path, seen: SeenBodies | None) -> None:
        self._path = path
        self._seen = seen
        self._kept: list[pa.RecordBatch] = []
        self._last = pa.RecordBatch.from_pylist([{}], _CHAINED)
        self._rows = 0
        self.streams: list[str] = []
        self.leaves = bytearray()

    def batches(self) -> pa.RecordBatchReader:
        """Return the rows with the columns that are added, to be read once."""
        return pa.RecordBatchReader.from_batches(_HASHED, self._batches())

    def orders(self) -> pa.Table:
        """Return the numbers of the streams that were read."""
        numbers = pa.array(range(len(self.streams)), pa.int64())
        return pa.table({"number": numbers, "stream": self.streams}, schema=_ORDERS)

    def places(self) -> pa.Table:
        """Return the `number`, `version` and `position` of every row that was read."""
        return pa.Table.from_batches(self._kept, _PLACES)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        names = _READ if self._seen is None else [*_READ, "body"]
        with parquet.ParquetFile(self._path) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
                if batch.num_rows:
                    yield self._hashed(batch)

    def _hashed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if any(batch[name].null_count for name in _NEVER_NULL):
            raise pa.ArrowInvalid
        headers = batch["header"].to_pylist()
        records = batch.select(_READ).cast(_RECORDS)
        stream = records["stream"]
        hashed = pa.array([sha256(header).hexdigest() for header in headers], pa.string())
        self.leaves += b"".join([sha256(b"\x00" + header).digest() for header in headers])
        before = self._before(
            pa.RecordBatch.from_arrays([stream, records["version"], hashed], schema=_CHAINED)
        )
        first = compute.fill_null(compute.not_equal(stream, before["stream"]), fill_value=True)
        number = compute.add(compute.cumulative_sum(first.cast(pa.int64())), len(self.streams) - 1)
        added = [
            pa.array(range(self._rows, self._rows + len(headers)), pa.int64()),
            number,
            compute.binary_slice(records["header"], -_ENDING),
            hashed,
            compute.if_else(first, _NO_TEXT, before["hash"]),
            compute.if_else(first, 0, before["version"]),
            pa.array(map(is_intact, headers), pa.bool_()),
            self._body_hashes(batch, number),
        ]
        self.streams += stream.filter(first).to_pylist()
        self._rows += len(headers)
        self._keep(number, records)
        return pa.RecordBatch.from_arrays([*records.columns, *added], schema=_HASHED)

    def _before(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the row before each row."""
        last = len(rows) - 1
        before = pa.concat_batches([self._last, rows.slice(0, last)])
        self._last = rows.slice(last)
        return before

    def _keep(self, number: pa.Array, records: pa.RecordBatch) -> None:
        columns = [number, records["version"], records["position"]]
        self._kept.append(pa.RecordBatch.from_arrays(columns, schema=_PLACES))

    def _body_hashes(self, batch: pa.RecordBatch, number: pa.Array) -> pa.Array:
        if self._seen is None:
            return pa.nulls(len(number), pa.string())
        bodies: list[Any] = batch["body"].to_pylist()
        self._seen.take(number, batch, bodies)
        return pa.array(
            [None if body is None else sha256(body).hexdigest() for body in bodies], pa.string()
        )
