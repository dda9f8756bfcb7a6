"""Harmless texts made to fit: cut with an ellipsis, or broken into lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lifecycle.diagram.metrics import text_width

_ELLIPSIS: Final = "\u2026"
_NARROWEST: Final = 0.19
"""No character is narrower, as a share of the size: so much more text cannot fit."""


def fitted(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return a harmless text, cut with an ellipsis to what fits into a width."""
    if text_width(text, size, bold=bold) <= width:
        return text
    kept = _reach(text, width - text_width(_ELLIPSIS, size, bold=bold), size, bold=bold)
    return text[:kept] + _ELLIPSIS


def broken(text: str, width: float, size: float, *, most: int) -> tuple[str, ...]:
    """Return a harmless text in lines that fit into a width.

    A word that is longer than a line is cut; what `most` lines do not hold, an ellipsis
    stands for.
    """
    lines = [*_lines(text[: int(most * width / (size * _NARROWEST)) + 1], width, size)]
    if len(lines) > most:
        lines = [*lines[: most - 1], fitted(" ".join(lines[most - 1 :][:2]), width, size)]
    return tuple(lines)


def _lines(text: str, width: float, size: float) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        for piece in _pieces(word, width, size):
            longer = f"{line} {piece}" if line else piece
            if line and text_width(longer, size) > width:
                yield line
                line = piece
            else:
                line = longer
    yield line


def _pieces(word: str, width: float, size: float) -> Iterator[str]:
    left = word
    while text_width(left, size) > width:
        kept = max(_reach(left, width, size), 1)
        yield left[:kept]
        left = left[kept:]
    yield left


def _reach(text: str, width: float, size: float, *, bold: bool = False) -> int:
    """Return how many characters of a text fit into a width."""
    for number, character in enumerate(text):
        width -= text_width(character, size, bold=bold)
        if width < 0:
            return number
    return len(text)
