"""Replay: derives every view again from the raw bytes, and compares it with what is stored.

    streams ─→ ranges of them ─→ each record re-derived ─→ folded ─→ compared ─→ Part ┐
               (any process)                                                          ├─→ Replay
                                                             Part, Part, ... ─────────┘

It goes from order to order, so it needs memory only for a range of orders, and ranges are shared
among processes. It reads and never writes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Final, NamedTuple

from lifecycle.audit.difference import Difference
from lifecycle.audit.range_replay import ChangedDefinition, Part, Range, Replayer
from lifecycle.audit.stream_check import Links
from lifecycle.core.provider import Provider
from lifecycle.errors import LostWorkerError
from lifecycle.log.contract import Log
from lifecycle.log.recorded_rules import ReturnedRules, recorded_rules, returned_rules

STREAMS_AT_ONCE: Final = 64
_RANGES_AHEAD: Final = 4

Progress = Callable[[int], None]
"""Is told how many more records were replayed."""


class Source(NamedTuple):
    """How another process opens the same log and finds the same providers; must be picklable."""

    open_log: Callable[[], Log]
    providers: Callable[[], Mapping[str, Provider]]


@dataclass(frozen=True, slots=True)
class Replay:
    """What `replay` found; `differences` are the first hundred, `found` counts them all.

    `compared` counts the orders whose stored view was compared, `behind` those whose stored view
    lacks some of their records. `linked` says whether each record names the one before it in the
    log; None if the log cannot tell. `changed` lists the providers whose views were stored under
    another definition, which explains their differences. `returned` are rules that were recorded
    again after others of their provider: releases overlapped, or one was rolled back.
    """

    records: int
    orders: int
    compared: int
    behind: int
    linked: bool | None
    differences: tuple[Difference, ...]
    found: int
    changed: tuple[ChangedDefinition, ...] = ()
    returned: tuple[ReturnedRules, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.found


def replay(log: Log, providers: Mapping[str, Provider], progress: Progress | None = None) -> Replay:
    """Return the differences between a log derived again from its bytes and what is stored.

    Every body is recognized again by today's rules, and its key, digest, name and times are
    compared with the header; every header with its chain; every view with the stored one, if
    views are stored. Records appended meanwhile may or may not be read.

    Args:
        log: the log to read.
        providers: the installed ones, by name; orders of others count as differences.
        progress: is told how many more records were replayed.
    """
    last = log.last_position()
    replayer = Replayer(log, providers, last)
    return _added_up(map(replayer.replay, ranges_of(log)), log, last, progress)


def replay_in_processes(
    log: Log, source: Source, workers: int, progress: Progress | None = None
) -> Replay:
    """Return what `replay` returns, using several processes that each open the log.

    Raises:
        LostWorkerError: one of the processes ended in the middle of its work.
    """
    last = log.last_position()
    # Spawned: a fork would inherit connections, and what other threads hold locked.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (source, last)) as pool:
        try:
            return _added_up(_replayed(pool, ranges_of(log), workers), log, last, progress)
        except BrokenProcessPool as broken:
            raise LostWorkerError("replay", workers) from broken


def _replayed(pool: ProcessPoolExecutor, ranges: Iterator[Range], workers: int) -> Iterator[Part]:
    """Yield the parts in the order of their ranges, with a few ranges in progress at a time."""
    under_way: deque[Future[Part]] = deque()
    try:
        for chosen in ranges:
            under_way.append(pool.submit(_replay_here, chosen))
            if len(under_way) > workers * _RANGES_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()


def ranges_of(log: Log) -> Iterator[Range]:
    """Yield ranges that cover all streams; the last one is open to the end."""
    names, after = log.streams(prefix=""), ""
    streams = list(islice(names, STREAMS_AT_ONCE))
    while True:
        following = list(islice(names, STREAMS_AT_ONCE))
        yield Range(after, streams, is_last=not following)
        if not following:
            return
        after, streams = streams[-1], following


def _added_up(parts: Iterator[Part], log: Log, last: int, progress: Progress | None) -> Replay:
    whole = Part(Links(last))
    for part in parts:
        whole.take(part)
        if progress is not None:
            progress(part.links.records)
    linked = whole.links.hold if log.gapless else None
    if log.gapless and whole.links.records != last:
        whole.differences.add(Difference("", "positions", last, whole.links.records))
    if linked is False:
        whole.differences.add(Difference("", "after", None, "run: lifecycle verify"))
    return Replay(
        whole.links.records,
        whole.orders,
        whole.compared,
        whole.behind,
        linked,
        tuple(whole.differences.listed),
        whole.differences.count,
        tuple(whole.changed[name] for name in sorted(whole.changed)),
        tuple(returned_rules(recorded_rules(log))),
    )


_sources: Final[list[tuple[Source, int]]] = []
_replayers: Final[list[Replayer]] = []
"""The source and the replayer of this process, if it is a worker."""


def _begin(source: Source, last: int) -> None:
    _sources.append((source, last))


def _replay_here(chosen: Range) -> Part:
    # Opened by the first range, not by `_begin`, whose errors never reach the caller.
    if not _replayers:
        source, last = _sources[0]
        _replayers.append(Replayer(source.open_log(), source.providers(), last))
    return _replayers[0].replay(chosen)
