"""What a proof has to show, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple


class Proved(StrEnum):
    """How a proof ended. A limit that was reached is `unproved`, never `proved`."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNPROVED = "unproved"


class Counterexample(NamedTuple):
    """What refutes: arrivals, and the two answers that should be one.

    After `prefix`, the arrivals `one` and the arrivals `other` should make no difference;
    `suffix` is the shortest string of arrivals that reveals one.
    """

    prefix: tuple[str, ...]
    one: tuple[str, ...]
    other: tuple[str, ...]
    suffix: tuple[str, ...]
    one_gives: str
    other_gives: str

    def __str__(self) -> str:
        first = ", ".join((*self.prefix, *self.one, *self.suffix)) or "nothing"
        second = ", ".join((*self.prefix, *self.other, *self.suffix)) or "nothing"
        return f"{first} gives {self.one_gives}; {second} gives {self.other_gives}"

    def shown(self) -> dict[str, Any]:
        """Return this as JSON."""
        return {name: _plain(value) for name, value in self._asdict().items()}


class Obligation(NamedTuple):
    """One thing that a proof has to show: `checked` counts the cases that were looked at."""

    name: str
    proved: Proved
    checked: int
    says: str
    counterexample: Counterexample | None = None

    def shown(self) -> dict[str, Any]:
        """Return this as JSON."""
        found = self.counterexample
        return {
            "name": self.name,
            "verdict": self.proved.value,
            "checked": self.checked,
            "says": self.says,
            "counterexample": None if found is None else found.shown(),
        }


def judged(name: str, cases: Iterable[Counterexample | None], says: str) -> Obligation:
    """Look at cases one by one, up to the first that refutes; `says` is told where none does."""
    checked = 0
    for checked, found in enumerate(cases, 1):
        if found is not None:
            return Obligation(name, Proved.REFUTED, checked, str(found), found)
    return Obligation(name, Proved.PROVED, checked, says)


def altogether(proved: Iterable[Proved]) -> Proved:
    """Return the verdict on all of it: one refutation refutes, one gap leaves it unproved."""
    found = set(proved)
    if Proved.REFUTED in found:
        return Proved.REFUTED
    return Proved.PROVED if found == {Proved.PROVED} else Proved.UNPROVED


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
