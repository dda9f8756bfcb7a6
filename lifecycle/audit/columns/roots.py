"""The tree over the records of an export, made again: what checkpoints of the log say of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lifecycle.audit.columns.manifest import Manifest
from lifecycle.audit.merkle import Frontier, TreeHead
from lifecycle.errors import MissingExtraError

try:
    import duckdb
except ImportError as _missing:
    raise MissingExtraError("audit", _missing.name or "duckdb") from None

_AT_ONCE: Final = 10_000
_MEMORY: Final = "512MB"
_LEAVES: Final = """
    SELECT unhex(sha256('\\x00'::BLOB || header))
    FROM read_parquet($files)
    WHERE position <= $position
    ORDER BY position
"""


def heads(folder: Path, manifest: Manifest, sizes: Iterable[int]) -> dict[int, TreeHead]:
    """Return the head of the tree over so many of the first records, and over all of them.

    Those that the export has too few records for are left out. Memory does not grow with the
    export: what has to be sorted lies in files meanwhile.
    """
    wanted, frontier = set(sizes), Frontier()
    found = {0: frontier.head}
    for leaf in _leaves(folder, manifest):
        frontier.add(leaf)
        if frontier.size in wanted:
            found[frontier.size] = frontier.head
    return found | {frontier.size: frontier.head}


def _leaves(folder: Path, manifest: Manifest) -> Iterator[bytes]:
    files = [str(folder / shard.records.name) for shard in manifest.shards]
    if not files:
        return
    with (
        TemporaryDirectory(prefix="lifecycle-audit-") as beside,
        closing(duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": beside})) as base,
    ):
        base.execute("SET enable_progress_bar = false")
        base.execute(_LEAVES, {"files": files, "position": manifest.position})
        while rows := base.fetchmany(_AT_ONCE):
            yield from (leaf for (leaf,) in rows)
