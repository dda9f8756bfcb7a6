"""Writes a log as columns: neighboring streams share a shard, and no stream is cut in two.

log.streams ─→ records of each ─→ rows ─→ records/00000.parquet ┐
            └→ stored views, or folded here ─→ views/00000.parquet ┼─→ manifest.json, last
log.scan ─→ the leaf of each record, by position ─→ leaves/00000.bin ┘
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lifecycle.audit.columns.leaves import LeafWriter
from lifecycle.audit.columns.manifest import (
    FORMAT,
    Bodies,
    ExportedViews,
    File,
    Manifest,
    Shard,
    finish,
    new_file,
    write_manifest,
)
from lifecycle.audit.columns.schema import RECORDS, Content, RecordRows, views_table
from lifecycle.audit.masking import masked
from lifecycle.audit.range_replay import Range, StoredRange, live_range
from lifecycle.audit.replay import Progress, ranges_of
from lifecycle.audit.tree import leaf_of
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.core.strict_json import compact
from lifecycle.errors import InvalidArgumentError, MissingExtraError, StoredFormatError
from lifecycle.log.codec import header_and_body
from lifecycle.log.contract import CONTROL, ORDERS, QUARANTINE, Log, Record
from lifecycle.log.encrypted_body import decrypted
from lifecycle.log.header import Bodiless, sections
from lifecycle.log.order_stream import provider_in
from lifecycle.log.view_store import StoredView
from lifecycle.projections.fold_cache import FoldCache
from lifecycle.projections.folded_views import Folded, from_records
from lifecycle.projections.stored_form import release, to_stored

try:
    from pyarrow import parquet
except ImportError:
    raise MissingExtraError("audit", "pyarrow") from None

RECORDS_A_SHARD: Final = 50_000
_ROWS_AT_ONCE: Final = 8192
_BYTES_AT_ONCE: Final = 16 * 1024 * 1024
_REPEATING: Final = (
    *("stream", "topic", "provider", "order_id", "kind", "name", "status", "word", "trigger"),
    *("client", "operation", "reason"),
)
_NOTHING: Final = Content(None)
_NO_END: Final = Content(None, erased=None)

ViewRow = tuple[str, str, StoredView]
"""A view with its stream and its provider."""


def export_columns(
    log: Log,
    providers: Mapping[str, Provider],
    folder: Path,
    *,
    bodies: Bodies = Bodies.WHOLE,
    records_a_shard: int = RECORDS_A_SHARD,
    progress: Progress | None = None,
) -> Manifest:
    """Write every record and every view of a log into a new folder, in constant memory.

    What is damaged is exported as it is. Of an erased order there are headers alone. An export
    that was interrupted has no manifest.

    Args:
        log: the log to read.
        providers: the installed ones; of others there are no views.
        folder: a new or an empty one.
        bodies: `whole`; `masked`: their shape, and what the header says too; or `none`.
        records_a_shard: after so many records a new shard begins.
        progress: is told how many more records were written.

    Raises:
        InvalidArgumentError: there is something in the folder.
        StoredFormatError: a body cannot be decrypted, or a version is no number.
    """
    _make(folder)
    exporter = _Exporter(log, providers, folder, bodies, records_a_shard)
    manifest = exporter.export(progress or (lambda _: None))
    write_manifest(folder, manifest)
    return manifest


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidArgumentError("the folder", "a new or an empty one")
    for name in ("records", "views", "leaves"):
        (folder / name).mkdir(mode=0o700)


class _Exporter:
    """One export on its way."""

    def __init__(
        self,
        log: Log,
        providers: Mapping[str, Provider],
        folder: Path,
        bodies: Bodies,
        records_a_shard: int,
    ) -> None:
        self._log = log
        self._providers = recognizers_of(providers)
        self._folds = FoldCache(log, providers)
        self._folder = folder
        self._bodies = bodies
        self._most = records_a_shard
        self._shards: list[Shard] = []
        self._open: ShardWriter | None = None

    def export(self, tell: Progress) -> Manifest:
        """Write the files, and return what the manifest says."""
        position = self._log.last_position()
        views = tuple(self._exported_views(position))
        for chosen in ranges_of(self._log):
            self._export(chosen, {each.provider for each in views if each.stored}, tell)
        self._close()
        signed = self._log.tree.last_checkpoint()
        tree = LeafWriter(self._folder)
        for record in self._log.scan(until=position):
            tree.add(record.position, leaf_of(record))
        leaves, head = tree.close()
        return Manifest(
            format=FORMAT,
            release=release(),
            made_at=datetime.now(UTC),
            bodies=self._bodies,
            gapless=self._log.gapless,
            position=position,
            records=sum(shard.records.rows for shard in self._shards),
            orders=sum(shard.orders for shard in self._shards),
            checkpoint=str(head),
            signed=None if signed is None else signed.note,
            views=views,
            shards=tuple(self._shards),
            leaves=leaves,
        )

    def _exported_views(self, position: int) -> Iterator[ExportedViews]:
        for name, provider in sorted(self._providers.items()):
            found = live_range(self._log.views, name, Range("", [""], is_last=False))
            if found is not None:
                live = found.generation
                yield ExportedViews(name, live.definition, live.position, stored=True)
            else:
                fingerprint = provider.definition.fingerprint
                yield ExportedViews(name, fingerprint, position, stored=False)

    def _export(self, chosen: Range, stored: set[str], tell: Progress) -> None:
        """Write a range of streams, and the views of it."""
        if self._log.cipher is not None:
            self._log.cipher.catch_up()
        # The views are read first: so all records that they cover are among those read after.
        ranges = {name: live_range(self._log.views, name, chosen) for name in sorted(stored)}
        views = {stream: (name, view) for name, stream, view in _in_ranges(ranges)}
        long = [stream for stream in chosen.streams if stream in (QUARANTINE, CONTROL)]
        found = self._log.read_many([each for each in chosen.streams if each not in long])
        for stream in sorted({*chosen.streams, *views}):
            records = self._log.walk(stream) if stream in long else found.get(stream, ())
            is_stored = provider_in(stream) in stored
            tell(self._write(stream, records, views.get(stream), folds=not is_stored))

    def _write(
        self,
        stream: str,
        records: Sequence[Record] | Iterator[Record],
        stored: tuple[str, StoredView] | None,
        *,
        folds: bool,
    ) -> int:
        """Write one stream and its view, and return how many records it has."""
        writer = self._writer(stream)
        written = 0
        for record in records:
            writer.add(record, self._content(record))
            written += 1
        if written:
            writer.include(stream)
        provider = provider_in(stream)
        if stored is not None:
            writer.add_view((stream, *stored))
        elif folds and provider in self._providers and not isinstance(records, Iterator):
            folded = from_records(self._folds, self._providers[provider], stream, records)
            if isinstance(folded, Folded):
                view = to_stored(folded.order_id, folded.view, folded.position)
                writer.add_view((stream, provider, view))
        return written

    def _writer(self, stream: str) -> ShardWriter:
        """Return the shard of a stream: the open one, unless it is full or another provider's."""
        group = provider_in(stream) or stream
        if self._open is not None and (self._open.group != group or self._open.rows >= self._most):
            self._close()
        if self._open is None:
            self._open = ShardWriter(self._folder, len(self._shards), group, self._bodies)
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._shards.append(self._open.close())
            self._open = None

    def _content(self, record: Record) -> Content:
        if b"\n" not in record.state:
            return _NO_END
        if self._bodies is Bodies.NONE:
            return _NOTHING
        if self._bodies is Bodies.MASKED:
            is_order = record.stream.startswith(ORDERS)
            value = masked(record, self._log.cipher) if is_order else None
            return _NOTHING if value is None else Content(compact(value))
        return whole(record, self._log)


def whole(record: Record, log: Log) -> Content:
    """Return what a log shows of a record after its header: decrypted, or that it was erased.

    Raises:
        StoredFormatError: it cannot be decrypted.
    """
    stored = record.state.partition(b"\n")[2]
    try:
        header, _ = header_and_body(record)
    except StoredFormatError:
        return Content(stored)
    if not isinstance(header, Bodiless) and header.key_id is not None:
        plain = decrypted(header, record, stored, log.cipher)
        return Content(None, erased=True) if plain is None else Content(*plain)
    return Content(*sections(header, stored))


def _in_ranges(
    ranges: Mapping[str, StoredRange | None],
) -> Iterator[tuple[str, str, StoredView]]:
    for name, found in ranges.items():
        if found is not None:
            for stream, view in found.views.items():
                yield name, stream, view


class ShardWriter:
    """The two files of one shard on their way to the disk."""

    def __init__(self, folder: Path, number: int, group: str, bodies: Bodies) -> None:
        self.group = group
        self._bodies = bodies
        self.rows: int = 0
        self._folder = folder
        self._names = [f"{kind}/{number:05}.parquet" for kind in ("records", "views")]
        self._file = new_file(folder / self._names[0])
        self._writer = parquet.ParquetWriter(
            self._file, RECORDS, compression="zstd", use_dictionary=list(_REPEATING)
        )
        self._pending = RecordRows()
        self._views: list[ViewRow] = []
        self._streams: list[str] = []
        self._orders = 0

    def add(self, record: Record, content: Content) -> None:
        """Add a record; those of a stream come by version, streams by name."""
        self._pending.add(record, content)
        self.rows += 1
        if len(self._pending) >= _ROWS_AT_ONCE or self._pending.bytes >= _BYTES_AT_ONCE:
            self._writer.write_table(self._pending.taken())

    def include(self, stream: str) -> None:
        """Say that all records of a stream were added."""
        self._streams = [*self._streams[:1], stream]
        self._orders += stream.startswith(ORDERS)

    def add_view(self, view: ViewRow) -> None:
        """Add a view."""
        self._views.append(view)

    def close(self) -> Shard:
        """Finish both files, and return what the manifest says of them."""
        self._writer.write_table(self._pending.taken())
        self._writer.close()
        finish(self._file)
        file = new_file(self._folder / self._names[1])
        parquet.write_table(views_table(self._views, self._bodies), file, compression="zstd")
        finish(file)
        rows = (self.rows, len(self._views))
        records, views = (
            File.of(self._folder, name, count)
            for name, count in zip(self._names, rows, strict=True)
        )
        ends = self._streams or [""]
        return Shard(records, views, ends[0], ends[-1], self._orders)
