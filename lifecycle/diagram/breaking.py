"""Harmless texts made to fit: cut with an ellipsis, or broken into lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from lifecycle.diagram.harmless import cells
from lifecycle.diagram.metrics import text_width

Measure = Callable[[str], float]
"""How wide a text is; a whole is as wide as its characters together."""

_ELLIPSIS: Final = "\u2026"
_NARROWEST: Final = 0.19
"""No character is narrower, as a share of the size: so much more text cannot fit."""


def shortened(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Return a harmless text cut to at most `width` cells, with an ellipsis where it was cut."""
    return _cut(text, width, cells, ("..." if ascii_only else _ELLIPSIS)[:width])


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return a harmless text, cut with an ellipsis to what fits into a width."""
    return _cut(text, width, partial(text_width, size=size, bold=bold), _ELLIPSIS)


def broken(text: str, width: float, size: float, *, most: int) -> tuple[str, ...]:
    """Return a harmless text in lines that fit into a width.

    A word that is longer than a line is cut; what `most` lines do not hold, an ellipsis
    stands for.
    """
    start = text[: int(most * width / (size * _NARROWEST)) + 1]
    lines = [*in_lines(start, width, partial(text_width, size=size))]
    if len(lines) > most:
        lines = [*lines[: most - 1], fitted(" ".join(lines[most - 1 :][:2]), width, size)]
    return tuple(lines)


def in_lines(text: str, width: float, measure: Measure) -> Iterator[str]:
    """Yield a text in as many lines of that width as it takes; longer words are cut."""
    line = ""
    for word in text.split(" "):
        for piece in pieces(word, width, measure):
            longer = f"{line} {piece}" if line else piece
            if line and measure(longer) > width:
                yield line
                line = piece
            else:
                line = longer
    yield line


def pieces(word: str, width: float, measure: Measure) -> Iterator[str]:
    """Yield a word in as few pieces of that width as it takes."""
    left = word
    while measure(left) > width:
        kept = max(_reach(left, width, measure), 1)
        yield left[:kept]
        left = left[kept:]
    yield left


def _cut(text: str, width: float, measure: Measure, ellipsis: str) -> str:
    if measure(text) <= width:
        return text
    return text[: _reach(text, width - measure(ellipsis), measure)] + ellipsis


def _reach(text: str, width: float, measure: Measure) -> int:
    """Return how many characters of a text fit into a width."""
    for number, character in enumerate(text):
        width -= measure(character)
        if width < 0:
            return number
    return len(text)
