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
from lifecycle.audit.columns.manifest import (
    MANIFEST,
    Bodies,
    Depth,
    Manifest,
    names_of,
    read_manifest,
)
from lifecycle.audit.columns.roots import heads
from lifecycle.audit.columns.shard import FileFinding, ShardResult
from lifecycle.audit.columns.writing import file_of
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
    results = []
    for result in engine(source, range(len(manifest.shards))):
        results.append(result)
        if progress is not None:
            progress(manifest.shards[result.number].records.rows)
    results.sort(key=lambda result: result.number)
    other = [] if any(result.files for result in results) else _other(folder, manifest, checkpoints)
    return _added_up(folder, manifest, results, depth, other)


def _other(
    folder: Path, manifest: Manifest, checkpoints: Iterable[Checkpoint | TreeHead]
) -> list[Difference]:
    """Return each checkpoint that says another root than the records come to."""
    held = [TreeHead.parse(manifest.checkpoint), *map(_head, checkpoints)]
    made = heads(folder, manifest, [head.size for head in held])
    found = {size: str(head) for size, head in made.items()}
    return [
        Difference("", "checkpoint", str(head), found.get(head.size))
        for head in held
        if found.get(head.size) != str(head)
    ]


def _head(checkpoint: Checkpoint | TreeHead) -> TreeHead:
    return checkpoint.head if isinstance(checkpoint, Checkpoint) else checkpoint


def _added_up(
    folder: Path,
    manifest: Manifest,
    results: Sequence[ShardResult],
    depth: Depth,
    other: Iterable[Difference],
) -> Audit:
    whole, links = Part(Links(0)), LinkSums()
    for difference in other:
        whole.differences.add(difference)
    files = [*_misplaced(folder, manifest)]
    for result in results:
        files += result.files
        whole.take(result.part)
        whole.changed |= result.changed
        links = links.plus(result.links)
    adds_up = len({result.database for result in results}) <= 1
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
        whole.differences.add(Difference("", "positions", manifest.position, links.records))
        return False
    if not adds_up or links.unlinked > min(1, links.records):
        return None
    if links.balance:
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
    for name in sorted(_found_in(folder) - {*names_of(manifest.shards)}):
        other = known.get(file_of(folder, name, 0).sha256)
        told = "it is not in the manifest" if other is None else f"it repeats {other}"
        yield FileFinding(name, told)


def _found_in(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for kind in ("records", "views")
        for path in (folder / kind).glob("*.parquet")
    }
