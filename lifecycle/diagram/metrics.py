"""How wide a text is when it is drawn, so that it can be given its room before anybody draws it.

The figures are the advance widths of Arial, Helvetica and Liberation Sans, which are the
same. Where a page has none of these, the writer asks for the measured width all the same.
"""

from __future__ import annotations

import unicodedata
from typing import Final

ASCENT: Final = 0.905
DESCENT: Final = 0.212
"""Above and below the baseline, as shares of the size."""

_FULL: Final = 1000
_UNKNOWN: Final = 720
_ASCII, _LATIN, _BEYOND = 0x20, 0xA0, 0x180

_SYMBOLS: Final = {
    **dict.fromkeys("\u2026\u2014\u2190\u2192\u25ba\u25c4", _FULL),
    **dict.fromkeys("\u25cf\u25cb\u25a0", 604),
    **dict.fromkeys("\u2013\u2260\u25ca", 556),
}

# What the bundled fonts have beside the symbols, first and last of each run.
_BUNDLED: Final = (
    (0x0020, 0x007E),
    (0x00A0, 0x017F),
    (0x0384, 0x038A),
    (0x038E, 0x03A1),
    (0x03A3, 0x03CE),
    (0x03D0, 0x045F),
    (0x2012, 0x2022),
)


def _widths(listed: str) -> tuple[int, ...]:
    return tuple(map(int, listed.split()))


# Of the characters from U+0020 to U+007E, in thousandths of the size.
_REGULAR_ASCII: Final = _widths(
    """
    278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556
    556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833
    722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556
    556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334
    260 334 584
    """
)
_BOLD_ASCII: Final = _widths(
    """
    278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556
    556 556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833
    722 778 667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611
    556 333 611 611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389
    280 389 584
    """
)

# Of the characters from U+00A0 to U+017F.
_REGULAR_LATIN: Final = _widths(
    """
    278 333 556 556 556 556 260 556 333 737 370 556 584 333 737 552 400 549 333 333 333 576 537
    333 333 333 365 556 834 834 834 611 667 667 667 667 667 667 1000 722 667 667 667 667 278 278
    278 278 722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611 556 556 556 556 556
    556 889 500 556 556 556 556 278 278 278 278 556 556 556 556 556 556 556 549 611 556 556 556
    556 500 556 500 667 556 667 556 667 556 722 500 722 500 722 500 722 500 722 615 722 556 667
    556 667 556 667 556 667 556 667 556 778 556 778 556 778 556 778 556 722 556 722 556 278 278
    278 278 278 278 278 222 278 278 735 444 500 222 667 500 500 556 222 556 222 556 292 556 334
    556 222 722 556 722 556 722 556 604 723 556 778 556 778 556 778 556 1000 944 722 333 722 333
    722 333 667 500 667 500 667 500 667 500 611 278 611 375 611 278 722 556 722 556 722 556 722
    556 722 556 722 556 944 722 667 500 667 611 500 611 500 611 500 222
    """
)
_BOLD_LATIN: Final = _widths(
    """
    278 333 556 556 556 556 280 556 333 737 370 556 584 333 737 552 400 549 333 333 333 576 556
    333 333 333 365 556 834 834 834 611 722 722 722 722 722 722 1000 722 667 667 667 667 278 278
    278 278 722 722 778 778 778 778 778 584 778 722 722 722 722 667 667 611 556 556 556 556 556
    556 889 556 556 556 556 556 278 278 278 278 611 611 611 611 611 611 611 549 611 611 611 611
    611 556 611 556 722 556 722 556 722 556 722 556 722 556 722 556 722 556 722 719 722 611 667
    556 667 556 667 556 667 556 667 556 778 611 778 611 778 611 778 611 722 611 722 611 278 278
    278 278 278 278 278 278 278 278 785 556 556 278 722 556 556 611 278 611 278 611 385 611 479
    611 278 722 611 722 611 722 611 708 723 611 778 611 778 611 778 611 1000 944 722 389 722 389
    722 389 667 556 667 556 667 556 667 556 611 333 611 479 611 333 722 611 722 611 722 611 722
    611 722 611 722 611 944 778 667 556 667 611 500 611 500 611 500 278
    """
)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide a harmless text of that size is."""
    return sum(_thousandths(ord(character), bold=bold) for character in text) * size / 1000


def _thousandths(code: int, *, bold: bool) -> int:
    if _ASCII <= code < _ASCII + len(_REGULAR_ASCII):
        return (_BOLD_ASCII if bold else _REGULAR_ASCII)[code - _ASCII]
    if _LATIN <= code < _BEYOND:
        return (_BOLD_LATIN if bold else _REGULAR_LATIN)[code - _LATIN]
    if (known := _SYMBOLS.get(chr(code))) is not None:
        return known
    return _FULL if unicodedata.east_asian_width(chr(code)) in "WF" else _UNKNOWN


def is_bundled(text: str) -> bool:
    """Tell whether the fonts that come with this package have every character of a text."""
    return all(
        character in _SYMBOLS or any(first <= ord(character) <= last for first, last in _BUNDLED)
        for character in text
    )
