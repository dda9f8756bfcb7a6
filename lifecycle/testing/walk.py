"""Shortest walks through a definition: to every state, and over every move.

    for walk in walks_to_moves(definition):
        *before, last = walk.recordings()
        given(before).when(last).then(status=walk.status, path=list(walk.states))

Shortest by moves; of equal ones, the walk through lower ranks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from lifecycle.composition import DEFAULT_PROVIDER
from lifecycle.core.definition import Definition, Move
from lifecycle.core.event import Event
from lifecycle.registry import part_of
from lifecycle.testing.clock import STARTS_AT
from lifecycle.testing.handmade import ORDER, Recording, event

_STEP: Final = timedelta(minutes=1)


class Walk(NamedTuple):
    """A walk through a definition, from its initial state over declared moves."""

    initial: str
    moves: tuple[Move, ...] = ()

    @property
    def status(self) -> str:
        """The state that it ends in."""
        return self.moves[-1].dest if self.moves else self.initial

    @property
    def states(self) -> tuple[str, ...]:
        """Every state of the walk, as an order's path shows them."""
        return (self.initial, *(move.dest for move in self.moves))

    @property
    def triggers(self) -> tuple[str, ...]:
        """The names of the events of this walk."""
        return (self.initial, *(move.trigger for move in self.moves))

    def recordings(
        self,
        provider: str = DEFAULT_PROVIDER,
        *,
        order_id: str = ORDER,
        starts_at: datetime = STARTS_AT,
    ) -> list[Recording]:
        """Return recordings of a provider for this walk, a minute apart.

        Raises:
            InvalidArgumentError: the provider has no recordings; use `events`.
        """
        recordings_for = part_of(provider, "recordings")
        recordings: list[Recording] = recordings_for(
            self.triggers, order_id=order_id, starts_at=starts_at
        )
        return recordings

    def events(self, *, order_id: str = ORDER, starts_at: datetime = STARTS_AT) -> list[Event]:
        """Return hand-made events for this walk, a minute apart, for any definition."""
        return [
            event(trigger, starts_at + index * _STEP, order_id=order_id)
            for index, trigger in enumerate(self.triggers)
        ]

    def __str__(self) -> str:
        return " → ".join(self.states)


def walkable(definition: Definition) -> tuple[Move, ...]:
    """Return the declared moves that an event can make, sorted by rank.

    A move back into a side state is a milestone, and a move from a state to itself a repeat.
    """
    ranks = definition.ranks

    def is_step(move: Move) -> bool:
        back = ranks[move.dest] <= ranks[move.source]
        return move.source != move.dest and not (back and move.dest in definition.side)

    by_rank = sorted(definition.moves, key=lambda m: (ranks[m.source], ranks[m.dest], m.trigger))
    return tuple(filter(is_step, by_rank))


def walks_to_states(definition: Definition) -> tuple[Walk, ...]:
    """Return a shortest walk to each reachable state, by rank."""
    reached = _reached(definition)
    return tuple(reached[state] for state in definition.states if state in reached)


def walks_to_moves(definition: Definition) -> tuple[Walk, ...]:
    """Return a shortest walk that ends with each reachable move."""
    return tuple(_extensions(definition, _reached(definition)))


def _reached(definition: Definition) -> dict[str, Walk]:
    reached = {definition.initial: Walk(definition.initial)}
    waiting = deque([definition.initial])
    moves = walkable(definition)
    while waiting:
        here = waiting.popleft()
        for move in moves:
            if move.source == here and move.dest not in reached:
                reached[move.dest] = _extended(reached[here], move)
                waiting.append(move.dest)
    return reached


def _extensions(definition: Definition, reached: dict[str, Walk]) -> Iterator[Walk]:
    for move in walkable(definition):
        if move.source in reached:
            yield _extended(reached[move.source], move)


def _extended(walk: Walk, move: Move) -> Walk:
    return walk._replace(moves=(*walk.moves, move))
