"""What surrounds a drawing: its title above, a legend below, and a page around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from lifecycle.diagram.breaking import broken
from lifecycle.diagram.metrics import text_width
from lifecycle.diagram.scene import Item, Scene, Text, centered, moved

EDGE: Final = 24.0
_TITLE: Final = 19.0
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


class Part(NamedTuple):
    """A piece of a picture with its size; pieces stand under each other."""

    items: tuple[Item, ...]
    width: float
    height: float


def framed(
    title: str, facts: Sequence[str], parts: Sequence[Part], signs: Sequence[Sign], summary: str
) -> Scene:
    """Return a whole picture: title and facts, then the parts, then the legend."""
    heads = [*_broken(title, 60)]
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


def _broken(text: str, longest: int) -> Iterator[str]:
    """Yield a long title in lines; a word that is longer than a line is cut."""
    line = ""
    for word in text.split(" "):
        for piece in [word[at : at + longest] for at in range(0, max(len(word), 1), longest)]:
            if line and len(line) + 1 + len(piece) > longest:
                yield line
                line = piece
            else:
                line = f"{line} {piece}" if line else piece
    yield line
