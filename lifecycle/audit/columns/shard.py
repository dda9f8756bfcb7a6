"""The audit of one shard, in any process: its files, then every order of it.

files ─→ as the manifest says? ─→ by columns: most orders are just as they should be
                               └→ the rest: replayed, record by record ─→ differences
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from lifecycle.audit.columns.column_check import NO_LINKS, ColumnCheck, LinkSums
from lifecycle.audit.columns.exported import ExportReplayer, Place, views_in
from lifecycle.audit.columns.hashed_records import HashedRecords
from lifecycle.audit.columns.leaves import unlike
from lifecycle.audit.columns.manifest import Bodies, Depth, File, FileFinding, Manifest, Shard
from lifecycle.audit.columns.query import NO_TABLES, Tables, can_ask
from lifecycle.audit.columns.told_details import ComparedView, DetailsCheck, SeenBodies, told
from lifecycle.audit.range_replay import ChangedDefinition, Part
from lifecycle.audit.stream_check import Links
from lifecycle.core.checked_provider import details_member, details_reader
from lifecycle.core.provider import Provider
from lifecycle.core.recognizer import recognizers_of
from lifecycle.errors import MissingExtraError
from lifecycle.log.order_stream import provider_in

try:
    import duckdb
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError as _missing:
    raise MissingExtraError("audit", _missing.name or "duckdb") from None

_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, duckdb.Error)
# To what columns lead that are missing, or hold what no export does.
_ODD = (ValueError, OverflowError, TypeError, KeyError, AttributeError)


@dataclass
class ShardResult:
    """The result of one shard; small, so that it travels.

    `plain` counts the orders that were checked by columns alone. `database` is the release of
    DuckDB: the sums of links of two releases may not add up.
    """

    number: int
    database: str = duckdb.__version__
    records: int = 0
    links: LinkSums = NO_LINKS
    plain: int = 0
    changed: dict[str, ChangedDefinition] = field(default_factory=dict)
    files: list[FileFinding] = field(default_factory=list)
    part: Part = field(default_factory=lambda: Part(Links(0)))


class ShardAuditor:
    """Audits shards of one export."""

    def __init__(
        self, folder: Path, manifest: Manifest, providers: Mapping[str, Provider], depth: Depth
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._providers = recognizers_of(providers)
        self._depth = depth
        self._replayer = ExportReplayer(folder, manifest, self._providers)
        self._details = {
            name: DetailsCheck(known.definition, reader, details_member(providers[name]))
            for name, known in self._providers.items()
            if (reader := details_reader(providers[name])) is not None
        }
        self._check = ColumnCheck(manifest.position)
        self._tables = {
            name: Tables.of(name, provider.definition)
            for name, provider in self._providers.items()
            if can_ask(provider.definition)
        }
        self._names = {
            file.sha256: file.name for shard in manifest.shards for file in shard.files if file.rows
        }

    def audit(self, number: int) -> ShardResult:
        """Return the result of a shard."""
        shard, result = (
            self._manifest.shards[number],
            ShardResult(number, changed=self._replayer.changed()),
        )
        records, views = (self._is_readable(file, result) for file in shard.files)
        if records:
            try:
                self._audit(shard, result, has_views=views)
            except (*_DAMAGE, *_ODD) as damaged:
                told = f"it cannot be read ({type(damaged).__name__})"
                result.files.append(FileFinding(shard.records.name, told))
        return result

    def _is_readable(self, file: File, result: ShardResult) -> bool:
        """Compare a file with the manifest, and tell whether it can be read."""
        path, tell = self._folder / file.name, result.files.append
        try:
            rows = parquet.read_metadata(path).num_rows
        except FileNotFoundError:
            tell(FileFinding(file.name, "it is missing"))
            return False
        except _DAMAGE as damaged:
            tell(FileFinding(file.name, f"it cannot be read ({type(damaged).__name__})"))
            return False
        found = File.of(self._folder, file.name, rows)
        if found.sha256 != file.sha256:
            other = self._names.get(found.sha256)
            told = (
                "it was changed since it was exported" if other is None else f"it repeats {other}"
            )
            tell(FileFinding(file.name, told))
        if found.rows != file.rows:
            tell(FileFinding(file.name, f"it has {found.rows} rows, the manifest says {file.rows}"))
        return True

    def _audit(self, shard: Shard, result: ShardResult, *, has_views: bool) -> None:
        path, name = self._folder / shard.records.name, provider_in(shard.first)
        views = _read(self._folder / shard.views.name) if has_views else None
        seen = SeenBodies(self._details[name].member) if self._reads_bodies(name) else None
        records, result.links = self._check.judge(path, self._tables.get(name, NO_TABLES), seen)
        streams, unlike = Counter(records.streams), self._unlike(records)
        result.records = result.links.records
        result.files += _strangers(shard, streams)
        asks = views is not None and self._asks(name)
        plain = self._plain(path, views, name, seen) if asks else set()
        # A stream that stands in two places of the file is no order that columns can check.
        doubted = {stream for stream, times in streams.items() if times > 1 or stream in unlike}
        doubted |= {each for number, each in enumerate(records.streams) if number not in plain}
        result.plain = result.part.orders = result.part.compared = len(streams) - len(doubted)
        if views is not None:
            result.files += _odd_views(shard, views, name)
        alone = set() if views is None else {*views["stream"].to_pylist()} - streams.keys()
        stored = None if views is None else views_in(views, doubted | alone)
        if doubted or alone:
            result.part.take(self._replayer.replay(path, doubted, stored, unlike))

    def _unlike(self, records: HashedRecords) -> dict[str, list[Place]]:
        """Return the places of records whose header is not the one in the tree, by stream."""
        places, found = records.places(), dict[str, list[Place]]()
        for row in unlike(
            self._folder, places["position"], records.leaves, self._manifest.position
        ):
            number, *place = (column[row].as_py() for column in places.columns)
            found.setdefault(records.streams[number], []).append(Place(*place))
        return found

    def _asks(self, name: str) -> bool:
        """Tell whether orders of a provider can be checked by columns here."""
        # Without `read_details`, only recognizing every body again can tell its details.
        can_tell = self._manifest.bodies is not Bodies.WHOLE or name in self._details
        can = self._depth is Depth.HEADERS or (self._depth is Depth.BODIES and can_tell)
        return can and name in self._tables

    def _reads_bodies(self, name: str) -> bool:
        """Tell whether that takes their bodies."""
        is_whole = self._manifest.bodies is Bodies.WHOLE
        return is_whole and self._depth is Depth.BODIES and self._asks(name)

    def _plain(self, path: Path, views: pa.Table, name: str, seen: SeenBodies | None) -> set[int]:
        """Return the numbers of the orders that need no replay."""
        compared = self._check.compared(views)
        if seen is None:
            return {number for number, *_ in compared}
        details = self._details[name]
        found = _views_of(views, compared)
        several = {number: view for number, view in found.items() if number in seen.several}
        plain = {
            number
            for number, view in found.items()
            if number not in several and details.agree(view, seen.one.get(number))
        }
        events = told(path, self._check.events(several)) if several else ()
        for number, group in groupby(events, attrgetter("order")):
            if details.all_agree(several[number], group):
                plain.add(number)
        return plain


def _views_of(views: pa.Table, compared: Iterable[tuple[int, int, int]]) -> dict[int, ComparedView]:
    bodies, digests = views["body"].cast(pa.binary()).to_pylist(), views["digest"].to_pylist()
    return {
        number: ComparedView(bodies[row], digests[row], details_at)
        for number, row, details_at in compared
    }


def _read(path: Path) -> pa.Table:
    with parquet.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _odd_views(shard: Shard, views: pa.Table, provider: str) -> Iterator[FileFinding]:
    """Yield what no export has among the views of a shard."""
    if len(views) > compute.count_distinct(views["stream"]).as_py():
        yield FileFinding(shard.views.name, "it has two views of an order")
    if views["provider"].to_pylist().count(provider) < len(views):
        yield FileFinding(shard.views.name, f"it has a view of another provider than {provider}")


def _strangers(shard: Shard, streams: Iterable[str]) -> Iterator[FileFinding]:
    """Yield a finding for each stream that stands in a shard where it does not belong."""
    for stream in sorted(streams):
        if not shard.first <= stream <= shard.last:
            told = f"it holds {stream!a}, which belongs in another shard"
            yield FileFinding(shard.records.name, told)
