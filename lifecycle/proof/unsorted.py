"""What sorting is for: a definition's own verdicts, folded as events arrive.

The verdicts are those of the shipped fold; only the sorting is left out, and the output
is where the order stands. That this is no function of the set is the reason for sorting.
The pairs that commute all the same are arrivals whose order never mattered to the status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lifecycle.core.definition import Definition
from lifecycle.core.verdict import Stage, first_stage, sort_key
from lifecycle.proof.alphabet import Alphabet, Letter
from lifecycle.proof.arrivals import ArrivalProof, prove
from lifecycle.proof.quotient import FunctionFold


@dataclass(frozen=True)
class Heard:
    """One event with its lane, shown by its label."""

    letter: Letter
    lane: int

    def __str__(self) -> str:
        return self.letter.label


def unsorted(definition: Definition, heard: Iterable[Heard]) -> FunctionFold:
    """Return a definition's verdicts as a fold over arrivals; it tells the status."""
    name = f"{definition.name} without sorting"
    return FunctionFold(name, tuple(heard), first_stage(definition), _after, _status)


def _after(stage: Stage, event: Heard) -> Stage:
    heard = event.letter.event
    is_timed = heard.occurred_at is not None
    return stage.steps[heard.trigger, heard.kind, is_timed, event.lane].after


def _status(stage: Stage) -> str:
    return stage.status or "not placed"


class Unordered(NamedTuple):
    """What the definition's verdicts come to without sorting.

    `commuting` are pairs of labels whose order never matters to the status; `harmless`
    the events that commute with every other.
    """

    finding: ArrivalProof
    pairs: int
    commuting: tuple[tuple[str, str], ...]
    harmless: tuple[str, ...]


def unordered(definition: Definition, over: Alphabet) -> Unordered:
    """Return which arrivals never mattered, even without sorting."""
    heard = [Heard(letter, sort_key(definition, letter.event)[0]) for letter in over.wide]
    finding = prove(unsorted(definition, heard))
    labels = [letter.label for letter in over.wide]
    commuting = tuple((labels[one], labels[other]) for one, other in finding.commuting)
    partners = Counter(label for pair in commuting for label in pair)
    return Unordered(
        finding,
        pairs=len(labels) * (len(labels) - 1) // 2,
        commuting=commuting,
        harmless=tuple(label for label in labels if partners[label] == len(labels) - 1),
    )
