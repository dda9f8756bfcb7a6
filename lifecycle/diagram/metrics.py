"""How wide a text is before anybody draws it, and harmless texts made to fit.

The fonts that come with this package are as wide as Arial, Helvetica and Liberation Sans.
Where a page has none of these, the writer asks for the measured width all the same.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

from lifecycle.diagram.harmless import cells

ASCENT: Final = 0.905
DESCENT: Final = 0.212
"""Above and below the baseline, as shares of the size."""

FONTS: Final = Path(__file__).with_name("fonts")

Measure = Callable[[str], float]
"""How wide a text is; a whole is as wide as its characters together."""

_FULL: Final = 1000
_UNKNOWN: Final = 720
# These are a little wider in Arial than in the fonts that come with this package.
_WIDER: Final = {ord("\u25ba"): 1000, ord("\u25c4"): 1000, ord("\u2260"): 556, ord("\u25ca"): 556}
_ELLIPSIS: Final = "\u2026"
_NARROWEST: Final = 0.19
"""No character is narrower, as a share of the size: so much more text cannot fit."""


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a harmless text of that size is."""
    known = _widths("Bold" if bold else "Regular")
    return sum(known.get(code) or _guessed(code) for code in map(ord, text)) * size / 1000


def is_bundled(text: str) -> bool:
    """Tell whether the fonts that come with this package have every character of a text."""
    return _widths("Regular").keys() >= set(map(ord, text))


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


def _guessed(code: int) -> int:
    return _FULL if unicodedata.east_asian_width(chr(code)) in "WF" else _UNKNOWN


@cache
def _widths(style: str) -> Mapping[int, int]:
    """Return how wide a bundled font's characters are, in thousandths of the size.

    As OpenType says where it stands. These fonts have their characters in runs (`cmap` of
    format 4), in which each has the glyph that follows that of the one before.
    """
    font = (FONTS / f"LifecycleSans-{style}.ttf").read_bytes()

    def read(of: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f">{of}", font, at)

    start = {
        font[at : at + 4]: read("L", at + 8)[0] for at in range(12, 12 + 16 * read("H", 4)[0], 16)
    }
    (unit,), (measured,) = read("H", start[b"head"] + 18), read("H", start[b"hhea"] + 34)
    advances = read(measured * "H2x", start[b"hmtx"])
    runs = start[b"cmap"] + read("L", start[b"cmap"] + 8)[0]
    size = read("H", runs + 6)[0] // 2
    ends, firsts, shifts = (
        read(f"{size}H", runs + 14 + offset) for offset in (0, 2 * size + 2, 4 * size + 2)
    )
    return {
        code: round(advances[min((code + shift) % 0x10000, measured - 1)] * 1000 / unit)
        for first, end, shift in zip(firsts, ends, shifts, strict=True)
        for code in range(first, end + 1)
    } | _WIDER
