"""A whole log in figures: how many orders took each move, and how long they stayed.

Orders are counted one by one and forgotten: memory depends on the definition, never on
the log. So a quantile is not exact. Stays are counted in classes whose bounds lie 2 %
apart, and a quantile is told within 1 % of the stay that it stands for; stays below a
millisecond count as none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, inf, log
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from lifecycle.core.definition import Definition
from lifecycle.core.fold import Folding

RELATIVE_ERROR: Final = 0.01
"""How far a quantile may be from the true one, as a share of it."""

_GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_SHORTEST: Final = 0.001
_NONE: Final = -1_000_000

Ends = tuple[str | None, str]
"""A move: where from, None for the start, and where to."""


class StateStats(BaseModel):
    """What is known of one state: how many orders were there, and for how long.

    `entered` counts every time, `orders` each order once, `now` those that stand there.
    `stays` are the times that an order left again and both clocks agree that it was after
    it came; `p50` and `p95` are quantiles of them in seconds, None where there are none.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    state: str
    entered: int
    orders: int
    now: int
    stays: int
    p50: float | None
    p95: float | None


class MoveStats(BaseModel):
    """How often orders went from one state to another; `from` (`from_`) is None at the start.

    A move that is not `declared` skipped ahead: what lies between was not seen.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, validate_by_name=True, serialize_by_alias=True
    )

    from_: str | None = Field(alias="from")
    to: str
    count: int
    declared: bool


class LogStats(BaseModel):
    """A whole log of one provider in figures: states by rank, moves by the ranks of their ends.

    `unfoldable` orders are in no other figure: `Orders.find` says why, once it gave the others.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    provider: str
    definition: str
    orders: int
    events: int
    unfoldable: int
    states: tuple[StateStats, ...]
    moves: tuple[MoveStats, ...]


class Stays:
    """Many spans of time, of which quantiles can be asked, in constant memory."""

    __slots__ = ("_classes", "_longest", "_shortest", "count")

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self._shortest, self._longest = inf, 0.0
        self.count: int = 0

    def add(self, seconds: float) -> None:
        """Count one span of so many seconds."""
        place = _NONE if seconds < _SHORTEST else ceil(log(seconds) / log(_GROWTH))
        self._classes[place] += 1
        self._shortest, self._longest = min(self._shortest, seconds), max(self._longest, seconds)
        self.count += 1

    def quantile(self, share: float) -> float | None:
        """Return the span that this share of all does not exceed, in seconds; None of none."""
        wanted = ceil(share * self.count)
        for place in sorted(self._classes):
            wanted -= self._classes[place]
            if wanted <= 0:
                middle = 0.0 if place == _NONE else 2 * _GROWTH**place / (_GROWTH + 1)
                return round(min(max(middle, self._shortest), self._longest), 3)
        return None


class Tally:
    """Counts orders one by one."""

    def __init__(self, provider: str, definition: Definition) -> None:
        self._provider, self._definition = provider, definition
        self._orders = self._events = self._unfoldable = 0
        self._entered: Counter[str] = Counter()
        self._visitors: Counter[str] = Counter()
        self._now: Counter[str] = Counter()
        self._moves: Counter[Ends] = Counter()
        self._stays: dict[str, Stays] = {state: Stays() for state in definition.states}

    def add(self, folding: Folding) -> None:
        """Count one order."""
        path, events = folding.path, folding.events
        self._orders += 1
        self._events += len(events)
        states = [step.status for step in path]
        self._entered.update(states)
        self._visitors.update(set(states))
        self._now[states[-1] if states else self._definition.initial] += 1
        self._moves.update(zip([None, *states], states, strict=False))
        for state, seconds in _lengths(folding):
            self._stays[state].add(seconds)

    def skip(self, orders: int = 1) -> None:
        """Count orders that cannot be folded."""
        self._unfoldable += orders

    def stats(self) -> LogStats:
        """Return the figures of all that was counted."""
        definition = self._definition
        return LogStats(
            provider=self._provider,
            definition=definition.fingerprint,
            orders=self._orders,
            events=self._events,
            unfoldable=self._unfoldable,
            states=tuple(self._state(state) for state in definition.states),
            moves=tuple(
                MoveStats(from_=ends[0], to=ends[1], count=count, declared=self._declared(ends))
                for ends, count in sorted(
                    self._moves.items(), key=lambda item: self._place(item[0])
                )
            ),
        )

    def _state(self, state: str) -> StateStats:
        stays = self._stays[state]
        return StateStats(
            state=state,
            entered=self._entered[state],
            orders=self._visitors[state],
            now=self._now[state],
            stays=stays.count,
            p50=stays.quantile(0.5),
            p95=stays.quantile(0.95),
        )

    def _declared(self, ends: Ends) -> bool:
        source, dest = ends
        if source is None:
            return dest == self._definition.initial
        return any(move.source == source and move.dest == dest for move in self._definition.moves)

    def _place(self, ends: Ends) -> tuple[int, int]:
        ranks = self._definition.ranks
        return -1 if ends[0] is None else ranks[ends[0]], ranks[ends[1]]


def _lengths(folding: Folding) -> Iterator[tuple[str, float]]:
    """Yield each state that an order left again, with how many seconds it stayed.

    A step without a time that came after one that it precedes was taken nobody knows when.
    """
    received = {event.key: event.received_at for event in reversed(folding.events)}
    behind = datetime.max.replace(tzinfo=UTC)
    entered: list[tuple[str, datetime | None]] = []
    for step in reversed(folding.path):
        heard_at = received[step.event]
        entered.append((step.status, step.at or (heard_at if heard_at <= behind else None)))
        behind = min(behind, heard_at)
    for (state, came_at), (_, left_at) in pairwise(reversed(entered)):
        if came_at is not None and left_at is not None and left_at >= came_at:
            yield state, (left_at - came_at).total_seconds()
