"""Replays exported orders record by record, with the very code that `replay` runs on a log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.audit.columns.manifest import Bodies, ExportedViews, Manifest
from lifecycle.audit.columns.schema import FROM_THE_HEADER, columns_of
from lifecycle.audit.difference import Difference, Listed
from lifecycle.audit.range_replay import ChangedDefinition, Part, StoredRange, compare_view
from lifecycle.audit.stream_check import Chain, Links, check, folded, recognized
from lifecycle.core.erasure import as_erased
from lifecycle.core.event import NO_CONTENT, Event
from lifecycle.core.recognizer import Recognizer
from lifecycle.errors import MissingExtraError, StoredFormatError
from lifecycle.log.cipher import DECRYPTED
from lifecycle.log.codec import parse_header
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Record
from lifecycle.log.event_reading import event_of
from lifecycle.log.header import ErasureHeader, EventHeader
from lifecycle.log.order_stream import provider_in
from lifecycle.log.view_store import Generation, Phase, StoredView
from lifecycle.projections.stored_form import FORM

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

_ROWS_AT_ONCE: Final = 4096

LEAF: Final = "leaf"
_NOT_THE_LOGS: Final = "its header is not the one in the tree of the log"
_FROM_BODIES: Final = frozenset(
    {"errors", "digest", "awaiting", "column awaiting", "column digest"}
)
_DETAILS: Final = "details."


class Row(NamedTuple):
    """One exported record, and its other columns."""

    record: Record
    columns: Mapping[str, Any]

    @property
    def erased(self) -> bool:
        """Whether the export says so."""
        return bool(self.columns["erased"])


class Place(NamedTuple):
    """Where a record of a stream stands."""

    version: int
    position: int


class _Told(Listed[Difference]):
    """The differences of one order, but for what an export without its bodies cannot show."""

    def __init__(self, *, bodies: bool) -> None:
        super().__init__()
        self._bodies = bodies
        self.left_out: set[int] = set()

    def add(self, found: Difference) -> None:
        if found.field == "body" and found.version in self.left_out:
            return
        is_of_bodies = found.field in _FROM_BODIES or found.field.startswith(_DETAILS)
        if self._bodies or found.version is not None or not is_of_bodies:
            super().add(found)

    def causes(self) -> Listed[Difference]:
        """Return the differences without those that follow from others.

        A record that was changed breaks the chain at the next one, and its order has another
        view. If its header is not the log's, nothing else that it says counts.
        """
        unlike = {each.version for each in self.listed if each.field == LEAF}
        bad = {each.version for each in self.listed if each.field != "previous"} - {None} | unlike
        if not bad:
            return self
        causes = Listed[Difference]()
        for each in self.listed:
            if each.version is None or (each.field != LEAF and each.version in unlike):
                continue
            if each.field != "previous" or each.version - 1 not in bad:
                causes.add(each)
        causes.count += self.count - len(self.listed)
        return causes


class ExportReplayer:
    """Replays orders of one export."""

    def __init__(
        self, folder: Path, manifest: Manifest, providers: Mapping[str, Recognizer]
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._providers = providers
        self._views = {each.provider: each for each in manifest.views}

    def replay(
        self,
        path: Path,
        streams: Collection[str],
        views: Mapping[str, StoredView] | None,
        unlike: Mapping[str, Sequence[Place]],
    ) -> Part:
        """Return the result of some streams of a shard; without its `views`, of records alone.

        `unlike` are the records whose header is not the one in the tree of the log.
        """
        whole = Part(Links(0))
        left = dict(views or {})
        for stream, rows in groupby(_rows(path, streams), key=lambda row: row.record.stream):
            differences = _Told(bodies=self._manifest.bodies is Bodies.WHOLE)
            part = Part(Links(0), differences=differences)
            for place in unlike.get(stream, ()):
                differences.add(Difference(stream, LEAF, None, _NOT_THE_LOGS, *place))
            if stream in (QUARANTINE, CONTROL):
                self._check(stream, rows, part, differences)
            else:
                view = left.pop(stream, None)
                self._order(stream, list(rows), view, part, differences, compared=views is not None)
            part.differences = differences.causes()
            whole.take(part)
        for stream, view in left.items():
            whole.differences.add(Difference(stream, "order", view.status, None))
        return whole

    def changed(self) -> dict[str, ChangedDefinition]:
        """Return the providers whose views were exported under another definition."""
        found = {}
        for name, views in self._views.items():
            provider = self._providers.get(name)
            if provider is not None and provider.definition.fingerprint != views.definition:
                is_now = provider.definition.fingerprint
                found[name] = ChangedDefinition(name, views.definition, is_now)
        return found

    def _check(self, stream: str, rows: Iterator[Row], part: Part, told: _Told) -> None:
        """Check a stream that may not fit in memory."""
        chain = Chain(stream, part.links, told.add, DECRYPTED)
        while page := [self._noted(row, told).record for row in islice(rows, _ROWS_AT_ONCE)]:
            check(page, chain)

    def _order(
        self,
        stream: str,
        rows: list[Row],
        view: StoredView | None,
        part: Part,
        told: _Told,
        *,
        compared: bool,
    ) -> None:
        part.orders += stream.startswith(ORDERS)
        chain = Chain(stream, part.links, told.add, DECRYPTED)
        name = provider_in(stream)
        provider, exported = self._providers.get(name), self._views.get(name)
        records = [self._noted(row, told).record for row in rows]
        if provider is None:
            check(records, chain)
            told.add(Difference(stream, "provider", name, "it is not known here"))
            return
        events = [*self._events(provider, rows, chain, told)]
        outcome = None if view is not None else folded(provider, events)
        if isinstance(outcome, str) and not (exported is not None and exported.stored):
            told.add(Difference(stream, "view", None, outcome))
        elif exported is not None and compared:
            views = {} if view is None else {stream: view}
            compare_view(provider, StoredRange(_generation(exported), views), records, events, part)

    def _events(
        self, provider: Recognizer, rows: Iterable[Row], chain: Chain, told: _Told
    ) -> Iterator[Event]:
        for row in rows:
            record = row.record
            checked = chain.step(record)
            header = checked.header
            if not isinstance(header, EventHeader):
                continue
            if record.version in told.left_out:
                event = as_erased(event_of(header, record, b"", None, NO_CONTENT))
                yield event._replace(erased=row.erased)
            else:
                event_again = recognized(provider, header, checked, record, chain)
                if event_again is not None:
                    yield event_again

    def _noted(self, row: Row, told: _Told) -> Row:
        """Return a row, after comparing its columns, and noting whether its body is left out."""
        record, stated = row.record, columns_of(row.record)
        for name in FROM_THE_HEADER:
            was, is_now = row.columns[name], stated.get(name)
            if was != is_now:
                where = (record.version, record.position)
                told.add(Difference(record.stream, f"column {name}", was, is_now, *where))
        is_erased = row.erased and _key_id(record) in self._erased_keys
        if self._manifest.bodies is not Bodies.WHOLE or is_erased:
            told.left_out.add(record.version)
        return row

    @cached_property
    def _erased_keys(self) -> frozenset[str]:
        """The keys that the exported erasures destroyed."""
        keys = set()
        for shard in self._manifest.shards:
            if shard.first != CONTROL:
                continue
            with suppress(OSError, pa.ArrowException):  # of which the audit of that file tells
                for row in _rows(self._folder / shard.records.name, frozenset({CONTROL})):
                    header = _parsed(row.record)
                    if isinstance(header, ErasureHeader):
                        keys.add(header.key_id)
        return frozenset(keys)


def _generation(exported: ExportedViews) -> Generation:
    where = (exported.definition, FORM, "", Phase.LIVE, "", exported.position)
    return Generation(0, exported.provider, *where)


def _rows(path: Path, streams: Collection[str]) -> Iterator[Row]:
    """Yield the rows of some streams as they lie in a file, in constant memory."""
    wanted = pa.array(sorted(streams), pa.string())
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            chosen = batch.filter(compute.is_in(batch["stream"], value_set=wanted))
            for row in chosen.to_pylist():
                yield _row(row)


def _row(row: Mapping[str, Any]) -> Row:
    state: bytes = row["header"]
    if row["erased"] is not None:  # it is None where the header has no end
        state += b"\n" + (row["body"] or b"") + (row["context"] or b"")
    record = Record(row["stream"], row["version"], row["topic"], row["position"], state)
    return Row(record, row)


def _parsed(record: Record) -> object:
    try:
        return parse_header(record.state.partition(b"\n")[0], record.stream, record.version)
    except StoredFormatError:
        return None


def _key_id(record: Record) -> str | None:
    header = _parsed(record)
    return header.key_id if isinstance(header, EventHeader) else getattr(header, "key_id", None)


def views_in(views: pa.Table, streams: Collection[str]) -> dict[str, StoredView]:
    """Return the exported views of some streams."""
    wanted = pa.array(sorted(streams), pa.string())
    chosen = views.filter(compute.is_in(views["stream"], value_set=wanted))
    for name in ("waiting_since", "first_received_at", "last_received_at"):
        index = chosen.schema.get_field_index(name)
        chosen = chosen.set_column(index, name, chosen[name].cast(pa.int64()))
    return {
        row["stream"]: StoredView(*(_field(row, name) for name in StoredView._fields))
        for row in chosen.to_pylist()
    }


def _field(row: Mapping[str, Any], name: str) -> Any:
    return row[name].encode() if name == "body" else row[name]
