"""Checks the records of one shard by columns: which orders are plain, and just as exported."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.audit.columns import query
from lifecycle.audit.columns.schema import RECORDS
from lifecycle.audit.columns.told_details import ComparedView, PlacedEvent
from lifecycle.errors import MissingExtraError
from lifecycle.log.codec import is_intact

try:
    import duckdb
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError as _missing:
    raise MissingExtraError("audit", _missing.name or "duckdb") from None

_PARAMETER: Final = re.compile(r"\$(\w+)")
_READ: Final = [name for name in RECORDS.names if name != "body"]


class LinkSums(NamedTuple):
    """What the links of shards add up to, as `lifecycle.audit.stream_check.Links`."""

    records: int = 0
    unlinked: int = 0
    balance: int = 0

    def plus(self, other: LinkSums) -> LinkSums:
        """Return the sums of both."""
        return LinkSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


_ORDERS: Final = pa.schema({"number": pa.int64(), "stream": pa.string()})

NO_LINKS: Final = LinkSums()


class ColumnCheck:
    """The records of one shard as a table of a database in memory; close it at the end."""

    def __init__(self, path: Path, position: int) -> None:
        read = parquet.read_table(path, columns=_READ, use_threads=False)
        self._records, self._orders = _with_hashes(_in_utc(read))
        self.streams: frozenset[str] = frozenset(self._orders["stream"].to_pylist())
        self._database = duckdb.connect(config={"threads": 1})
        # What takes over two seconds would be shown on stdout, among the answers.
        self._database.execute("SET enable_progress_bar = false")
        self._parameters: dict[str, Any] = {"position": position}

    def close(self) -> None:
        """Let go of the tables."""
        self._database.close()

    def judge(self, tables: query.Tables) -> LinkSums:
        """Check headers, chains and links by the names of one provider; return the links' sums."""
        self._parameters |= tables.parameters
        for name in ("meanings", "stands", "missing"):
            self._database.register(name, getattr(tables, name))
        self._database.register("records", self._records)
        self._database.register("orders", self._orders)
        try:
            self._run(query.JUDGED)
        except duckdb.Error:
            self._run(query.JUDGED_IF_JSON)
        records, unlinked, balance = self._run(query.LINKS).fetchall()[0]
        return LinkSums(records, unlinked, int(balance))

    def plain(self, views: Path) -> frozenset[str]:
        """Return the streams of plain orders that come to the exported views, details apart."""
        self._database.register("views", _in_utc(parquet.read_table(views)))
        for statement in (query.PLACED, query.FOLDED, query.COMPARED):
            self._run(statement)
        return frozenset(stream for (stream,) in self._run(query.AS_EXPORTED).fetchall())

    def events(self) -> list[PlacedEvent]:
        """Return the events of the plain orders, in the order of their rows."""
        events: list[PlacedEvent] = self._run(query.EVENTS).fetchall()
        return events

    def views(self) -> dict[int, ComparedView]:
        """Return the views of the plain orders, by the numbers of the orders."""
        return {row[0]: ComparedView(*row[1:]) for row in self._run(query.VIEWS).fetchall()}

    def views_without_records(self, views: Path) -> frozenset[str]:
        """Return the streams of views of which there are no records."""
        return frozenset(parquet.read_table(views, columns=["stream"])["stream"].to_pylist()) - (
            self.streams
        )

    def _run(self, statement: str) -> Any:
        names = set(_PARAMETER.findall(statement))
        return self._database.execute(statement, {name: self._parameters[name] for name in names})


def _in_utc(table: pa.Table) -> pa.Table:
    """Return a table whose times have no zone any more: DuckDB prints those much faster."""
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def _with_hashes(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the rows numbered, each with the hash of its header; and the orders, numbered.

    The `check` of a header needs a look only at the end of a stream: every other header is
    hashed by the one after it.
    """
    headers, streams = records["header"].to_pylist(), records["stream"].combine_chunks()
    hashes = [sha256(header).hexdigest() for header in headers]
    starts = [0, *compute.indices_nonzero(compute.not_equal(streams[1:], streams[:-1])).to_pylist()]
    starts = [0, *(start + 1 for start in starts[1:])] if headers else []
    intact, numbers = [True] * len(headers), [0] * len(headers)
    for number, (start, end) in enumerate(pairwise([*starts, len(headers)])):
        intact[end - 1] = is_intact(headers[end - 1])
        numbers[start:end] = [number] * (end - start)
    rows = (
        records.append_column("row", pa.array(range(len(headers)), pa.int64()))
        .append_column("number", pa.array(numbers, pa.int64()))
        .append_column("hash", pa.array(hashes, pa.string()))
        .append_column("intact", pa.array(intact, pa.bool_()))
    )
    firsts = streams.take(pa.array(starts, pa.int64()))
    orders = {"number": pa.array(range(len(starts)), pa.int64()), "stream": firsts}
    return rows, pa.table(orders, schema=_ORDERS)
