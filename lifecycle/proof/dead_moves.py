"""Moves that are never taken, found by asking the fold itself with and without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lifecycle.core.definition import Definition, Move
from lifecycle.core.event import Event
from lifecycle.core.verdict import Progress, judge, sort_key
from lifecycle.core.view import Verdict
from lifecycle.proof.alphabet import alphabet
from lifecycle.proof.sketch import Row, Sketch


def dead_moves(drawn: Sketch) -> Iterator[tuple[Row, Verdict]]:
    """Yield the moves that change no verdict, with the verdict that is given instead.

    An order that skipped ahead to the source stands there at its highest rank: if the
    move is not taken then, it never is. Moves from an end and informational names are
    other findings, and left out here.
    """
    definition = drawn.definition
    spoken: dict[str | None, list[Event]] = {}
    for letter in alphabet(definition).wide:
        spoken.setdefault(letter.event.trigger, []).append(letter.event)
    for row in drawn.answers.values():
        if row.source in drawn.terminal or row.trigger in drawn.informational:
            continue
        events = spoken.get(row.trigger, [])
        given = _verdicts(definition, row, events)
        if given == _verdicts(_without(definition, row), row, events):
            yield row, next(iter(given), Verdict.UNRECOGNIZED)


def _verdicts(definition: Definition, row: Row, events: Sequence[Event]) -> list[Verdict]:
    rank = definition.ranks[row.source]
    progress = Progress(row.source, rank, rank)
    return [judge(definition, progress, event, sort_key(definition, event)[0]) for event in events]


def _without(definition: Definition, row: Row) -> Definition:
    gone = Move(row.source, row.trigger, row.dest)
    return replace(definition, moves=tuple(move for move in definition.moves if move != gone))
