"""The verdict of every campaign: one line with its figures, and an exit code.

A campaign holds if its subject shows no fault and its control, a variant broken on purpose,
does. A campaign that did no work fails.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

MOST_SHOWN: Final = 10


class Figures:
    """Counts of work and of faults."""

    def __init__(self, *bad: str) -> None:
        self.bad = bad
        self.counts: Counter[str] = Counter()
        self.shown: list[str] = []

    def count(self, what: str, number: int = 1) -> None:
        """Count some work that was done."""
        self.counts[what] += number

    def find(self, what: str, sentence: str, number: int = 1) -> None:
        """Count a fault, and keep the first sentences to show."""
        self.counts[what] += number
        if number and len(self.shown) < MOST_SHOWN:
            self.shown.append(f"{what}: {sentence}")

    def add(self, other: Figures) -> None:
        """Add the figures of another part of the campaign."""
        self.counts.update(other.counts)
        self.shown += other.shown[: MOST_SHOWN - len(self.shown)]

    @property
    def found(self) -> int:
        """How many faults were found."""
        return sum(self.counts[what] for what in self.bad)

    def __str__(self) -> str:
        work = [
            f"{number:,} {what}" for what, number in self.counts.items() if what not in self.bad
        ]
        return ", ".join([*work, *(f"{self.counts[what]:,} {what}" for what in self.bad)])


class Campaign:
    """The options, the progress and the verdict of one campaign."""

    def __init__(self, description: str, sizes: Mapping[str, tuple[int, str]]) -> None:
        self._started_at = time.monotonic()
        self._reported_at = 0.0
        self._seed = ""
        self.parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        self.parser.add_argument("--seed", type=int, default=20260707, help="of all that is drawn")
        for name, (size, meaning) in sizes.items():
            self.parser.add_argument(f"--{name}", type=int, default=size, help=meaning)

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Return the parsed options."""
        options = self.parser.parse_args(arguments)
        self._seed = f", seed {options.seed}"
        return options

    def tell(self, progress: object) -> None:
        """Write the progress, at most every two seconds."""
        if time.monotonic() - self._reported_at > 2:
            self._reported_at = time.monotonic()
            sys.stderr.write(f"{self._reported_at - self._started_at:6.0f} s  {progress}\n")

    def verdict(self, name: str, subject: Figures, controls: Mapping[str, Figures]) -> int:
        """Print the verdict in one line and return the exit code."""
        for line in subject.shown:
            sys.stderr.write(f"{line}\n")
        blind = [control for control, figures in controls.items() if not figures.found]
        failed = subject.found or not sum(subject.counts.values()) or blind
        ran = [f"control ({control}): {figures}" for control, figures in controls.items()]
        seconds = f"{time.monotonic() - self._started_at:.0f} s{self._seed}"
        print("; ".join([f"{'FAILED' if failed else 'held'}: {name}: {subject}", *ran, seconds]))
        return 1 if failed else 0


def skipped(name: str, why: str) -> int:
    """Print that a campaign could not run here, and return the exit code for that."""
    print(f"SKIPPED: {name}: {why}; nothing was shown")
    return 77
