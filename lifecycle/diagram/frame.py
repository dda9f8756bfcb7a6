"""What surrounds a drawing: its title above, a legend below, and a page around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lifecycle.diagram.metrics import broken, in_lines, text_width
from lifecycle.diagram.scene import Area, Box, Item, Line, Scene, Text, centered, moved

EDGE: Final = 24.0
_TITLE: Final = 19.0
_LONGEST_TITLE: Final = 60
_FACTS: Final = 12.0
_FACTS_WIDTH: Final = 760.0
_MOST_LINES_OF_A_FACT: Final = 4
_KEY: Final = 11.0
_KEY_LINE: Final = 22.0
_SWATCH: Final = 30.0


class Sign(NamedTuple):
    """One entry of a legend: what is drawn around (0, 0), and what it means."""

    items: tuple[Item, ...]
    says: str


def line_sign(look: str, says: str, *, head: bool = True) -> Sign:
    """Return what a line of that look means."""
    return Sign((Line(((-13, 0), (13, 0)), look, head=head),), says)


def box_sign(look: str, says: str) -> Sign:
    """Return what a box of that look means."""
    return Sign((Box(Area(-12, -8, 12, 8), look, 4),), says)


class Part(NamedTuple):
    """A piece of a picture with its size; pieces stand under each other."""

    items: tuple[Item, ...]
    width: float
    height: float


def framed(
    title: str,
    facts: Sequence[str],
    parts: Sequence[Part],
    signs: Sequence[Sign],
    summary: str,
    *,
    bare: bool = False,
) -> Scene:
    """Return a whole picture: title and facts, then the parts, then the legend.

    A `bare` one leaves title and facts to the page that it stands on.
    """
    heads = [] if bare else [*in_lines(title, _LONGEST_TITLE, len)]
    facts = () if bare else facts
    widest = max(_FACTS_WIDTH, *(part.width for part in parts))
    lines = [
        line for fact in facts for line in broken(fact, widest, _FACTS, most=_MOST_LINES_OF_A_FACT)
    ]
    inner = max(
        *(part.width for part in parts),
        *(text_width(head, _TITLE, bold=True) for head in heads),
        *(text_width(line, _FACTS) for line in lines),
        320.0,
    )
    items: list[Item] = []
    y = EDGE
    for head in heads:
        y += _TITLE * 1.2
        items.append(Text(EDGE, y - 4, head, _TITLE, "ink", bold=True))
    for line in lines:
        y += _FACTS * 1.5
        items.append(Text(EDGE, y - 3, line, _FACTS, "faint"))
    y += 12
    for part in parts:
        items += moved(part.items, EDGE, y)
        y += part.height + 12
    legend = legend_of(signs, inner)
    items += moved(legend.items, EDGE, y)
    return Scene(inner + 2 * EDGE, y + legend.height + EDGE - 6, title, summary, tuple(items))


def legend_of(signs: Iterable[Sign], width: float) -> Part:
    """Return a legend on as many lines as it takes."""
    items: list[Item] = []
    x, y = 0.0, _KEY_LINE / 2
    for sign in signs:
        room = _SWATCH + text_width(sign.says, _KEY) + 18
        if x and x + room > width + 18:
            x, y = 0.0, y + _KEY_LINE
        items += moved(sign.items, x + _SWATCH / 2 - 2, y)
        label = centered(0, y, sign.says, _KEY, "faint")
        items.append(label._replace(x=x + _SWATCH + 2, anchor="start"))
        x += room
    return Part(tuple(items), width, y + _KEY_LINE / 2 if items else 0.0)
