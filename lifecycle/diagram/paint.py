"""Lines for a terminal: laid out once, printed plain or in color.

Color never carries meaning alone, and taking it away changes no character of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from lifecycle.diagram.harmless import cells

_RESET: Final = "\x1b[0m"


class Ink(StrEnum):
    """What a piece of text is, as the SGR code that shows it."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    STEP = "36"
    NOW = "1;36"
    BAR = "34"
    ODD = "33"
    WRONG = "31"


class Span(NamedTuple):
    """A piece of a line; its text is harmless and holds no line end."""

    text: str
    ink: Ink = Ink.PLAIN


Line = tuple[Span, ...]


def printed(lines: Iterable[Line], *, color: bool) -> str:
    """Return lines as text, each ended, without blanks at their ends."""
    return "".join(_printed(line, color=color) + "\n" for line in lines)


def wrapped(words: Iterable[Span], width: int, *, gap: str = " ") -> Iterator[Line]:
    """Yield words in as few lines of at most `width` cells as keep their order.

    A word that is wider than a line is cut into pieces.
    """
    line: list[Span] = []
    room = width
    for word in (piece for whole in words for piece in _pieces(whole, width)):
        needed = cells(word.text) + (len(gap) if line else 0)
        if needed > room and line:
            yield tuple(line)
            line, room, needed = [], width, cells(word.text)
        line += [Span(gap, word.ink), word] if line else [word]
        room -= needed
    if line:
        yield tuple(line)


def sentence(text: str, ink: Ink) -> Iterator[Span]:
    """Yield the words of a harmless text."""
    return (Span(word, ink) for word in text.split())


def padded(text: str, width: int) -> str:
    """Return a harmless text filled up with blanks to `width` cells."""
    return text + " " * (width - cells(text))


def _pieces(word: Span, width: int) -> Iterator[Span]:
    piece = ""
    for character in word.text:
        if cells(piece + character) > width:
            yield Span(piece, word.ink)
            piece = ""
        piece += character
    yield Span(piece, word.ink)


def _printed(line: Line, *, color: bool) -> str:
    spans = list(line)
    while spans and not spans[-1].text.rstrip(" "):
        spans.pop()
    if not spans:
        return ""
    spans[-1] = Span(spans[-1].text.rstrip(" "), spans[-1].ink)
    return "".join(_painted(span) if color else span.text for span in spans)


def _painted(span: Span) -> str:
    if span.ink is Ink.PLAIN or not span.text.strip(" "):
        return span.text
    return f"\x1b[{span.ink}m{span.text}{_RESET}"
