"""Audits an export: every shard by an engine, and what the shards add up to.

manifest ─→ one task a shard ─→ engine ─→ ShardResult ┐
                                          ShardResult ┤
records by position ─→ tree ─→ checkpoints ───────────┴─→ Audit
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.audit.columns.column_check import LinkSums
from lifecycle.audit.columns.engine import Engine, Source, in_this_process
from lifecycle.audit.columns.leaves import Heads
from lifecycle.audit.columns.manifest import (
    MANIFEST,
    Bodies,
    Depth,
    File,
    FileFinding,
    Manifest,
    read_manifest,
)
from lifecycle.audit.columns.shard import ShardResult
from lifecycle.audit.difference import MOST_LISTED, Difference
from lifecycle.audit.merkle import TreeHead
from lifecycle.audit.range_replay import ChangedDefinition, Part
from lifecycle.audit.replay import Progress
from lifecycle.audit.stream_check import Links
from lifecycle.core.provider import Provider

Providers = Callable[[], Mapping[str, Provider]]
"""Returns the installed providers, in any process; must be picklable."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found; `files` and `differences` list the first hundred, `found` counts all.

    `plain` counts the orders that were checked by columns, `compared` those whose view was
    compared, `behind` those whose view lacks some of their records. `linked` says whether each
    record names the one before it in the log; None if the export cannot tell. `manifest` is the
    SHA-256 of the manifest: keep it elsewhere, and compare.
    """

    manifest: str
    bodies: Bodies
    depth: Depth
    records: int
    orders: int
    plain: int
    compared: int
    behind: int
    linked: bool | None
    files: tuple[FileFinding, ...]
    differences: tuple[Difference, ...]
    found: int
    changed: tuple[ChangedDefinition, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.found


def audit_columns(
    folder: Path,
    providers: Providers,
    *,
    depth: Depth = Depth.BODIES,
    engine: Engine = in_this_process,
    checkpoints: Iterable[Checkpoint | TreeHead] = (),
    progress: Progress | None = None,
) -> Audit:
    """Return all that differs between an export and what it should be, without the database.

    Every file is compared with the manifest; every header with its chain and with its columns;
    every order is folded and compared with the exported view; the tree over all records with
    the checkpoint in the manifest, and with those given.

    Args:
        folder: where the export lies; other processes have to find it under the same name.
        providers: returns the installed ones; orders of others count as differences.
        depth: how much of the bodies is read.
        engine: what runs the tasks, one a shard.
        checkpoints: of the log, kept elsewhere; the records that they cover must be these.
        progress: is told how many more records were audited.

    Raises:
        InvalidArgumentError: there is no export in the folder.
        LostWorkerError: a process ended in the middle of its work.
    """
    manifest = read_manifest(folder)
    source = Source(folder, providers, depth)
    tree = _Tree(folder, manifest, [TreeHead.parse(manifest.checkpoint), *map(_head, checkpoints)])
    results = []
    for result in engine(source, range(len(manifest.shards))):
        results.append(result)
        tree.grow()  # while the tasks that wait keep every process busy
        if progress is not None:
            progress(manifest.shards[result.number].records.rows)
    results.sort(key=lambda result: result.number)
    while tree.grow():
        pass
    return _added_up(folder, manifest, results, depth, tree)


class _Tree:
    """The tree over the leaves of an export, which grows file by file."""

    def __init__(self, folder: Path, manifest: Manifest, held: Sequence[TreeHead]) -> None:
        self._folder = folder
        self._files = iter(manifest.leaves)
        self._held = held
        self._heads = Heads(head.size for head in held)
        self.records: int = 0
        self.findings: list[FileFinding] = []

    def grow(self) -> bool:
        """Take in the next file; False if there is none."""
        file = next(self._files, None)
        if file is not None:
            try:
                self._take(file, (self._folder / file.name).read_bytes())
            except OSError:
                self.findings.append(FileFinding(file.name, "it is missing"))
        return file is not None

    def _take(self, file: File, slots: bytes) -> None:
        if sha256(slots).hexdigest() != file.sha256:
            told = "it was changed since it was exported"
            self.findings.append(FileFinding(file.name, told))
        self.records += self._heads.add(slots)

    def other_heads(self) -> Iterator[Difference]:
        """Yield each checkpoint that says another root than the leaves come to."""
        found = {size: str(head) for size, head in self._heads.found.items()}
        for head in self._held:
            if found.get(head.size) != str(head):
                yield Difference("", "checkpoint", str(head), found.get(head.size))


def _head(checkpoint: Checkpoint | TreeHead) -> TreeHead:
    return checkpoint.head if isinstance(checkpoint, Checkpoint) else checkpoint


def _added_up(
    folder: Path,
    manifest: Manifest,
    results: Sequence[ShardResult],
    depth: Depth,
    tree: _Tree,
) -> Audit:
    whole, links = Part(Links(0)), LinkSums()
    files = [*_misplaced(folder, manifest), *tree.findings]
    for result in results:
        files += result.files
    for difference in () if files else tree.other_heads():
        whole.differences.add(difference)
    for result in results:
        whole.take(result.part)
        whole.changed |= result.changed
        links = links.plus(result.links)
    adds_up = len({result.database for result in results}) <= 1
    expected = manifest.position if manifest.gapless else tree.records
    if links.records != expected:
        whole.differences.add(Difference("", "positions", expected, links.records))
    linked = _linked(manifest, links, whole, adds_up=adds_up)
    return Audit(
        manifest=sha256((folder / MANIFEST).read_bytes()).hexdigest(),
        bodies=manifest.bodies,
        depth=depth,
        records=sum(result.records for result in results),
        orders=whole.orders,
        plain=sum(result.plain for result in results),
        compared=whole.compared,
        behind=whole.behind,
        linked=linked,
        files=tuple(files[:MOST_LISTED]),
        differences=tuple(whole.differences.listed),
        found=len(files) + whole.differences.count,
        changed=tuple(whole.changed[name] for name in sorted(whole.changed)),
    )


def _linked(manifest: Manifest, links: LinkSums, whole: Part, *, adds_up: bool) -> bool | None:
    """Tell whether all records are there and linked; add what is not to the differences."""
    if not manifest.gapless:
        return None
    if links.records != manifest.position:
        return False
    if not adds_up or links.unlinked > min(1, links.records):
        return None
    if links.balance and all(each.version is None for each in whole.differences.listed):
        whole.differences.add(Difference("", "after", None, "run: lifecycle verify"))
    return not links.balance


def _misplaced(folder: Path, manifest: Manifest) -> Iterator[FileFinding]:
    """Yield what is wrong with the manifest, and files that it does not list."""
    last = ""
    for shard in manifest.shards:
        if not last < shard.first <= shard.last and shard.records.rows:
            told = "its orders are not behind those of the shard before it"
            yield FileFinding(shard.records.name, told)
        last = shard.last
    counts = (manifest.records, manifest.orders)
    listed = (
        sum(shard.records.rows for shard in manifest.shards),
        sum(shard.orders for shard in manifest.shards),
    )
    if counts != listed:
        told = f"it counts {counts} records and orders, its shards {listed}"
        yield FileFinding(MANIFEST, told)
    known = {file.sha256: file.name for shard in manifest.shards for file in shard.files}
    for name in sorted(_found_in(folder) - {*(file.name for file in manifest.files)}):
        other = known.get(File.of(folder, name, 0).sha256)
        told = "it is not in the manifest" if other is None else f"it repeats {other}"
        yield FileFinding(name, told)


def _found_in(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for files in ("records/*.parquet", "views/*.parquet", "leaves/*.bin")
        for path in folder.glob(files)
    }
