"""What a terminal is drawn on: lines in color or plain, and characters, Unicode or ASCII alone.

Color never carries meaning alone, and taking it away changes no character of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from lifecycle.core.view import Verdict
from lifecycle.diagram.harmless import cells, harmless
from lifecycle.diagram.metrics import pieces, shortened
from lifecycle.diagram.moments import LOOKS

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


class Strokes(NamedTuple):
    """One set of characters, each one cell wide but for `joint`.

    `rail` leads from state to state, `beyond` on from the last one; `branch` and `arm` lead
    to what is no state. `way` and `heard` show how long a late event was under way.
    """

    joint: str
    marks: Mapping[Verdict, str]
    rule: str
    rail: str
    beyond: str
    branch: str
    arm: str
    bar: str
    way: str
    heard: str
    times: str
    now: str
    ended: str

    @property
    def ascii_only(self) -> bool:
        """Whether all of them are ASCII."""
        return self.rule.isascii()

    def text(self, foreign: str) -> str:
        """Return foreign text as it may be shown in these characters."""
        return harmless(foreign, ascii_only=self.ascii_only)

    def remark(self, sentence: str) -> str:
        """Return a sentence of ours as it may be shown; names that it quotes are harmless."""
        return sentence if sentence.isascii() and sentence.isprintable() else self.text(sentence)

    def cut(self, shown: str, width: int) -> str:
        """Return a text that may be shown, cut to `width` cells."""
        return shortened(shown, max(width, 0), ascii_only=self.ascii_only)


_OF_LOOKS: Final = {"taken": Ink.STEP, "faint": Ink.FAINT, "odd": Ink.ODD, "wrong": Ink.WRONG}
INKS: Final = {verdict: _OF_LOOKS[look] for verdict, look in LOOKS.items()}

UNICODE: Final = Strokes(
    " · ",
    dict(zip(INKS, "●»↑=·◌\N{MULTIPLICATION SIGN}?≠", strict=True)),
    *"─│┊├─━┄○\N{MULTIPLICATION SIGN}◆■",
)
ASCII: Final = Strokes(", ", dict(zip(INKS, "*>^=.%x?!", strict=True)), *"-|:|-=.ox@#")


def printed(lines: Iterable[Line], *, color: bool) -> str:
    """Return lines as text, each ended, without blanks at their ends."""
    return "".join(_printed(line, color=color) + "\n" for line in lines)


def wrapped(words: Iterable[Span], width: int, *, gap: str = " ") -> Iterator[Line]:
    """Yield words in as few lines of at most `width` cells as keep their order.

    A word that is wider than a line is cut into pieces.
    """
    line: list[Span] = []
    room = width
    for word in (
        Span(part, whole.ink) for whole in words for part in pieces(whole.text, width, cells)
    ):
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
