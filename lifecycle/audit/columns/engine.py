"""Engines: what runs the tasks of an audit, one a shard, each in any process.

A task is named by its number, and its result is small. It reads the same folder, and may be
run again: it writes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.audit.columns.manifest import Depth, read_manifest
from lifecycle.audit.columns.shard import ShardAuditor, ShardResult
from lifecycle.errors import LostWorkerError, MissingExtraError

_TASKS_AHEAD: Final = 2
_TASKS_ON_A_CLUSTER: Final = 1000


class Source(NamedTuple):
    """How another process finds the same export and the same providers; must be picklable."""

    folder: Path
    providers: Callable[[], Any]
    depth: Depth


Engine = Callable[[Source, Sequence[int]], Iterator[ShardResult]]
"""Runs the tasks of these numbers, and yields their results in any order."""


def in_this_process(source: Source, numbers: Sequence[int]) -> Iterator[ShardResult]:
    """Run one task after another, here."""
    auditor = _auditor(source)
    return map(auditor.audit, numbers)


def in_processes(workers: int) -> Engine:
    """Return the engine of this machine: so many processes.

    It raises `LostWorkerError` if one of them ends in the middle of its work.
    """
    return partial(_in_processes, workers)


def on_dask(address: str) -> Engine:
    """Return the engine of a Dask cluster, by the address of its scheduler.

    Every worker has to have this library, and to find the folder under the same name. A task
    whose worker is lost is run by another one; `LostWorkerError` is raised if that fails too often.
    """
    return partial(_on_dask, address)


def _in_processes(workers: int, source: Source, numbers: Sequence[int]) -> Iterator[ShardResult]:
    # Spawned: a fork would inherit what other threads hold locked.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (source,)) as pool:
        try:
            yield from _ahead(pool, numbers, workers * _TASKS_AHEAD)
        except BrokenProcessPool as broken:
            raise LostWorkerError("audit", workers) from broken


def _ahead(pool: ProcessPoolExecutor, numbers: Sequence[int], most: int) -> Iterator[ShardResult]:
    under_way: deque[Future[ShardResult]] = deque()
    for number in numbers:
        under_way.append(pool.submit(_audit_here, number))
        if len(under_way) > most:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _on_dask(address: str, source: Source, numbers: Sequence[int]) -> Iterator[ShardResult]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise MissingExtraError("dask", "distributed") from None
    with distributed.Client(address, set_as_default=False) as client:
        waiting = list(reversed(numbers))
        tasks = distributed.as_completed(
            [_submitted(client, source, waiting) for _ in numbers[:_TASKS_ON_A_CLUSTER]],
            loop=client.loop,
        )
        try:
            for task in tasks:
                yield task.result()
                if waiting:
                    tasks.add(_submitted(client, source, waiting))
        except distributed.KilledWorker as lost:
            raise LostWorkerError("audit", len(client.scheduler_info()["workers"])) from lost


def _submitted(client: Any, source: Source, waiting: list[int]) -> Any:
    return client.submit(audit_shard, source, waiting.pop(), pure=False)


def audit_shard(source: Source, number: int) -> ShardResult:
    """Return the result of one shard, in a process that may have audited others of the export."""
    kept = _kept.get(source.folder)
    if kept is None or kept[0] != source:
        kept = source, _auditor(source)
        _kept.clear()
        _kept[source.folder] = kept
    return kept[1].audit(number)


_sources: Final[list[Source]] = []
_kept: Final[dict[Path, tuple[Source, ShardAuditor]]] = {}


def _begin(source: Source) -> None:
    _sources.append(source)


def _audit_here(number: int) -> ShardResult:
    return audit_shard(_sources[0], number)


def _auditor(source: Source) -> ShardAuditor:
    return ShardAuditor(
        source.folder, read_manifest(source.folder), source.providers(), source.depth
    )
