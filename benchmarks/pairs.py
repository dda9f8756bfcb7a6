"""Peers measured together: interleaved in one run, reported as ratios.

Machines are shared and noisy, so no figure stands alone: every round measures all peers, one
after the other, and a ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final, NamedTuple

ROUNDS: Final = 7
"""A ratio is the median of at least five."""

Clock = Callable[[], float]

wall: Final[Clock] = time.perf_counter
"""For work that waits for the disk."""

cpu: Final[Clock] = time.process_time
"""For work that keeps a core busy: what others take of the machine counts less."""


class Row(NamedTuple):
    """One line of the table: a ratio, its spread over the rounds, and what it should reach.

    `reach` is None for a peer that is printed beside, without a figure to reach. `at_most`
    tells that the ratio should stay below instead.
    """

    what: str
    compared_with: str
    ratio: float
    low: float
    high: float
    reach: float | None = None
    at_most: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the ratio is where it should be; None where nothing was asked."""
        if self.reach is None:
            return None
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach


class Stopwatch:
    """Adds up the time of what is to be measured, and leaves out what surrounds it.

    `seconds` are those of its clock, `busy` those of the processor.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0
        self.busy = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens inside; what was left behind before is collected first."""
        gc.collect()
        started, idle = self._clock(), cpu()
        yield
        self.seconds += self._clock() - started
        self.busy += cpu() - idle


Peer = Callable[[Stopwatch], int]
"""Does the work on a stopwatch, and returns how many units of work it did."""


class Measured(NamedTuple):
    """Seconds per unit of work, by peer, a list of rounds each.

    `busy` are those of the processor: where others load the machine, they say more.
    """

    seconds: Mapping[str, Sequence[float]]
    busy: Mapping[str, Sequence[float]] = MappingProxyType({})

    def on_the_processor(self) -> Measured:
        """Return the same rounds by the processor's time."""
        return Measured(self.busy)

    def ratio(self, slower: str, faster: str) -> tuple[float, float, float]:
        """Return how many times `faster` beats `slower`: median and quartiles over the rounds."""
        pairs = zip(self.seconds[slower], self.seconds[faster], strict=True)
        ratios = [one / other for one, other in pairs]
        low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        return median(ratios), low, high

    def row(
        self,
        what: str,
        compared_with: str,
        *,
        of: str,
        to: str,
        reach: float | None = None,
        at_most: bool = False,
    ) -> Row:
        """Return the line for how many times as long `of` takes as `to`."""
        return Row(what, compared_with, *self.ratio(of, to), reach, at_most)


def measure(peers: Mapping[str, Peer], *, clock: Clock, rounds: int = ROUNDS) -> Measured:
    """Return what every peer took, a round after the other; the first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    busy: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        # Every other round goes backwards: whoever comes first finds the machine as it is.
        for name in sorted(peers, reverse=bool(number % 2)):
            watch = Stopwatch(clock)
            units = peers[name](watch)
            if number:
                seconds[name].append(watch.seconds / units)
                busy[name].append(watch.busy / units)
    return Measured(seconds, busy)


@contextmanager
def new_file() -> Iterator[str]:
    """Yield a path for a database that does not exist yet, gone afterwards."""
    with TemporaryDirectory(prefix="lifecycle-benchmark-") as folder:
        yield str(Path(folder) / "orders.db")


def main(
    title: str | None,
    rows: Callable[[argparse.Namespace], list[Row]],
    **sizes: int,
) -> None:
    """Run one benchmark from the command line and print its table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description=(title or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="default: %(default)s")
    for size, usual in sizes.items():
        parser.add_argument(f"--{size}", type=int, default=usual, help="default: %(default)s")
    options = parser.parse_args()
    found = rows(options)
    if options.json:
        json.dump([row._asdict() for row in found], sys.stdout)
        return
    print(f"{parser.description} {options.rounds} rounds, {os.cpu_count()} cores.\n")
    print("\n".join(lines(found)))


def lines(rows: Sequence[Row]) -> list[str]:
    """Return the table that a person reads."""
    head = ("what", "compared with", "ratio", "spread", "reach", "")
    body = [
        (row.what, row.compared_with, number(row.ratio), spread(row), target(row), verdict(row))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *body)
    ]


def number(value: float) -> str:
    """Return a ratio with the digits that mean something."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def spread(row: Row) -> str:
    """Return the middle half of a row's rounds."""
    return f"{number(row.low)} to {number(row.high)}"


def target(row: Row) -> str:
    """Return what a row should reach."""
    if row.reach is None:
        return ""
    return f"{'≤' if row.at_most else '≥'} {row.reach:g}"


def verdict(row: Row) -> str:
    """Return whether a row is where it should be."""
    return {None: "", True: "reached", False: "short"}[row.reached]
