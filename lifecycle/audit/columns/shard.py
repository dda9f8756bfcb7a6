"""The audit of one shard, in any process: its files, then every order of it.

files ─→ as the manifest says? ─→ by columns: most orders are just as they should be
                               └→ the rest: replayed, record by record ─→ differences
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lifecycle.audit.columns.column_check import NO_LINKS, ColumnCheck, LinkSums
from lifecycle.audit.columns.exported import ExportReplayer, views_in
from lifecycle.audit.columns.manifest import Bodies, Depth, File, Manifest, Shard
from lifecycle.audit.columns.query import NO_TABLES, Tables, can_ask
from lifecycle.audit.columns.told_details import DetailsCheck, disagreeing
from lifecycle.audit.columns.writing import file_of
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
    from pyarrow import parquet
except ImportError as _missing:
    raise MissingExtraError("audit", _missing.name or "duckdb") from None

_DAMAGE = (OSError, pa.ArrowException, UnicodeDecodeError, duckdb.Error)


class FileFinding(NamedTuple):
    """What is wrong with one file of an export."""

    file: str
    sentence: str


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
            except _DAMAGE as damaged:
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
        found = file_of(self._folder, file.name, rows)
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
        path, views = self._folder / shard.records.name, self._folder / shard.views.name
        name = provider_in(shard.first)
        with closing(ColumnCheck(path, self._manifest.position)) as check:
            result.links = check.judge(self._tables.get(name, NO_TABLES))
            result.records = result.links.records
            result.files += _strangers(shard, check.streams)
            doubted = check.streams
            if has_views and self._asks(name):
                doubted -= self._plain(path, views, check, name)
            result.plain = len(check.streams) - len(doubted)
            alone = check.views_without_records(views) if has_views else frozenset()
        result.part.orders = result.part.compared = result.plain
        stored = views_in(views, doubted | alone) if has_views else None
        if doubted or alone:
            result.part.take(self._replayer.replay(path, doubted, stored))

    def _asks(self, name: str) -> bool:
        """Tell whether orders of a provider can be checked by columns here."""
        return name in self._tables and self._depth is not Depth.REDERIVE

    def _plain(self, path: Path, views: Path, check: ColumnCheck, name: str) -> frozenset[str]:
        """Return the streams that need no replay."""
        plain = check.plain(views)
        if self._depth is Depth.HEADERS or self._manifest.bodies is not Bodies.WHOLE:
            return plain
        if name not in self._details:
            return frozenset()  # details can only be told by recognizing every body again
        told = disagreeing(path, check.events(), check.views(), self._details[name])
        return plain - {*told}


def _strangers(shard: Shard, streams: frozenset[str]) -> Iterator[FileFinding]:
    """Yield a finding for each stream that stands in a shard where it does not belong."""
    for stream in sorted(streams):
        if not shard.first <= stream <= shard.last:
            told = f"it holds {stream!a}, which belongs in another shard"
            yield FileFinding(shard.records.name, told)
