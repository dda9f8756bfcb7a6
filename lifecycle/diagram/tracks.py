"""Tracks along a channel: pieces of lines that would meet are laid beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

_APART: Final = 8.0

Group = Literal["upper", "middle", "lower"]
"""Whether a piece belongs to the row above a channel, passes between both, or to the row below."""

Owner = tuple[str, int, int]
"""Whose a piece is: a kind of line, its number, and which of its pieces."""


class Span(NamedTuple):
    """A piece of a channel that somebody needs."""

    owner: Owner
    group: Group
    left: float
    right: float
    label: bool


def stacked(spans: Sequence[Span]) -> Iterator[tuple[Owner, int]]:
    """Yield tracks from the top down: arcs of the row above, what passes, arcs of the row below."""
    above = 0
    for group in ("upper", "middle", "lower"):
        chosen = [span for span in spans if span.group == group]
        found = [*tracked(chosen)]
        count = max((track + 1 for _, track in found), default=0)
        for span, track in found:
            yield span.owner, above + (count - 1 - track if group == "lower" else track)
        above += count


def tracked(spans: Iterable[Span], *, apart: float = _APART) -> Iterator[tuple[Span, int]]:
    """Yield each piece with the first track on which it meets nobody, short ones first."""
    taken: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span.right - span.left, span.left, span.owner)):
        free = (
            track
            for track, others in enumerate(taken)
            if all(
                span.right + apart < other.left or other.right + apart < span.left
                for other in others
            )
        )
        track = next(free, len(taken))
        if track == len(taken):
            taken.append([])
        taken[track].append(span)
        yield span, track
