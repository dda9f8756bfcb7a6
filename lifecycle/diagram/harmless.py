r"""Foreign text made harmless: order ids and names come from others, and are shown to people.

Nothing that `harmless` returns can move a cursor, change a color, start a line, hide
itself or turn the text around it: such a character is written out, as `\x1b` or `\u202e`.
A backslash is doubled, so that no two texts look the same. What markup means to a format
(`<`, `"`, `#`) is for the writer of that format to escape.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Controls, formats (bidi controls and zero-width ones among them), surrogates, private and
# unassigned ones, line ends, spaces that pass for another, and marks that pile up on others.
_OUT_OF_SIGHT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Me"})

# Letters that turn the direction of the neutral text beside them.
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})

# Letters and symbols by category, and yet blank on every screen.
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")

# A name of ours, as of a state or a trigger.
_PLAIN: Final = re.compile("[a-z0-9]+(_[a-z0-9]+)*")


def harmless(text: str, *, ascii_only: bool = False) -> str:
    """Return `text` as one line that only shows, with every other character written out."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(character, ascii_only=ascii_only) for character in text)


def spoken(name: str) -> str:
    """Return a state's or trigger's name as people read it: plain ones with blanks."""
    return name.replace("_", " ") if _PLAIN.fullmatch(name) else harmless(name)


def cells(text: str) -> int:
    """Return how many terminal cells a harmless text takes; wide characters take two."""
    if text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def _shown(character: str, *, ascii_only: bool) -> str:
    if character == "\\":
        return "\\\\"
    if " " <= character <= "~":
        return character
    if ascii_only or _is_harmful(character):
        return _written_out(ord(character))
    return character


def _written_out(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_harmful(character: str) -> bool:
    return (
        unicodedata.category(character) in _OUT_OF_SIGHT
        or unicodedata.bidirectional(character) in _RIGHT_TO_LEFT
        or character in _BLANK
    )
