"""Checks the records of one shard by columns: which orders are plain, and just as exported."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.audit.columns import query
from lifecycle.audit.columns.hashed_records import HashedRecords, without_time_zones
from lifecycle.audit.columns.told_details import PlacedEvent, SeenBodies
from lifecycle.errors import MissingExtraError

try:
    import duckdb
    import pyarrow as pa
except ImportError as _missing:
    raise MissingExtraError("audit", _missing.name or "duckdb") from None

_PARAMETER: Final = re.compile(r"\$(\w+)")


class LinkSums(NamedTuple):
    """What the links of shards add up to, as `lifecycle.audit.stream_check.Links`."""

    records: int = 0
    unlinked: int = 0
    balance: int = 0

    def plus(self, other: LinkSums) -> LinkSums:
        """Return the sums of both."""
        return LinkSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NO_LINKS: Final = LinkSums()


class ColumnCheck:
    """A database in memory that checks one shard after another; close it at the end."""

    def __init__(self, position: int) -> None:
        self._database = duckdb.connect(config={"threads": 1})
        # What takes over two seconds would be shown on stdout, among the answers.
        self._database.execute("SET enable_progress_bar = false")
        # It cannot know how long a stream is, and would keep all of one to join it with a few rows.
        self._database.execute("SET disabled_optimizers = 'build_side_probe_side,join_order'")
        self._parameters: dict[str, Any] = {"position": position}

    def close(self) -> None:
        """Let go of the tables."""
        self._database.close()

    def judge(
        self, path: Path, tables: query.Tables, seen: SeenBodies | None
    ) -> tuple[HashedRecords, LinkSums]:
        """Check headers, chains and links by the names of one provider; return the links' sums.

        With `seen`, bodies too: they have to be those of their headers.
        """
        self._parameters |= {**tables.parameters, "bodies": seen is not None}
        for name in ("meanings", "stands", "missing"):
            self._database.register(name, getattr(tables, name))
        try:
            records = self._judged(path, seen, query.JUDGED)
        except duckdb.Error:
            records = self._judged(path, seen, query.JUDGED_IF_JSON)
        self._database.register("orders", records.orders())
        counted, unlinked, balance = self._run(query.LINKS).fetchall()[0]
        return records, LinkSums(counted, unlinked, int(balance))

    def _judged(self, path: Path, seen: SeenBodies | None, statement: str) -> HashedRecords:
        records = HashedRecords(path, seen)
        self._database.register("records", records.batches())
        self._run(statement)
        return records

    def compared(self, views: pa.Table) -> list[tuple[int, int, int]]:
        """Return the plain orders that come to the exported views, details apart.

        Each by its number, the row of its view, and where in the body of it the details begin.
        """
        rows = pa.array(range(len(views)), pa.int64())
        numbered = views.cast(without_time_zones(views.schema)).append_column("row", rows)
        self._database.register("views", numbered)
        self._run(query.PLACED)
        self._run(query.FOLDED)
        found = self._run(query.COMPARED).fetchall()
        return [where for *where, as_exported in found if as_exported]

    def events(self, numbers: Collection[int]) -> list[PlacedEvent]:
        """Return the events of some orders, in the order of their rows."""
        wanted = pa.table({"number": pa.array(sorted(numbers), pa.int64())})
        self._database.register("wanted", wanted)
        events: list[PlacedEvent] = self._run(query.EVENTS).fetchall()
        return events

    def _run(self, statement: str) -> Any:
        names = set(_PARAMETER.findall(statement))
        return self._database.execute(statement, {name: self._parameters[name] for name in names})
