"""Moves written shortly: each is named by the state that it leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from lifecycle.core.definition import Awaits
from lifecycle.core.event import REQUESTED, RESUBMITTED

CREATION: Final = (REQUESTED, "validation_failed", RESUBMITTED)
"""The states before the provider has an order, by rank: `validation_failed` waits for another
request."""


def moves_of(onward: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return the moves from each state to the ones named for it."""
    return [move(source, dest) for source, dests in onward.items() for dest in dests]


def along(*states: str) -> list[dict[str, Any]]:
    """Return the moves from each of these states to the next."""
    return [move(source, dest) for source, dest in pairwise(states)]


def move(source: str | Iterable[str], dest: str) -> dict[str, Any]:
    """Return the move from a state, or from each of several."""
    return {
        "trigger": dest,
        "source": source if isinstance(source, str) else list(source),
        "dest": dest,
    }


def moves_of_creation(born: str) -> list[dict[str, Any]]:
    """Return the moves of `CREATION`, up to the state in which the provider has the order."""
    first, rejected, again = CREATION
    onward = {first: (born, rejected, again), rejected: (again,), again: (born, rejected)}
    return moves_of(onward)


def awaits_of_creation(rejected: str, *heard: str) -> dict[str, Awaits]:
    """Return what is expected while an order is created.

    `rejected` is the state of a request that has to be corrected; `heard` are the callbacks by
    which an order shows whose request went unanswered.
    """
    sent = Awaits(("response",), ("resend",), heard)
    correction = Awaits(("correction",), unanswered_before=heard)
    return {REQUESTED: sent, RESUBMITTED: sent, rejected: correction}
