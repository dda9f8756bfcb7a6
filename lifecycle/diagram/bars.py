"""A picture of figures: one bar a row, its name before it and its figure behind it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Final

from lifecycle.diagram.frame import Part, framed
from lifecycle.diagram.harmless import harmless
from lifecycle.diagram.metrics import fitted, text_width
from lifecycle.diagram.scene import Area, Box, Item, Scene, Text
from lifecycle.errors import InvalidArgumentError

_ROW: Final = 24.0
_BAR: Final = 16.0
_LONGEST: Final = 420.0
_SIZE: Final = 11.0
_GAP: Final = 10.0
_WIDEST_NAME: Final = 240.0

_EXPECTED: Final = "pairs of a text and a number from 0 on"


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str = "") -> Scene:
    """Return a bar for each row, as long as its figure is large.

    Raises:
        InvalidArgumentError: rows are no pairs of a text and a number from 0 on.
    """
    checked = [_checked(row) for row in rows]
    names = [fitted(harmless(name), _WIDEST_NAME, _SIZE) for name, _ in checked]
    left = max((text_width(name, _SIZE) for name in names), default=0.0) + _GAP
    most = max((figure for _, figure in checked), default=0.0) or 1.0
    items: list[Item] = []
    for number, (name, (_, figure)) in enumerate(zip(names, checked, strict=True)):
        top, width = number * _ROW, max(1.0, figure / most * _LONGEST)
        baseline = top + _BAR - 4
        items.append(Text(left - _GAP, baseline, name, _SIZE, anchor="end"))
        items.append(Box(Area(left, top, left + width, top + _BAR), "entered", 2))
        items.append(Text(left + width + 6, baseline, f"{_shown(figure)}{unit}", _SIZE, "faint"))
    told = ", ".join(
        f"{name} {_shown(figure)}{unit}" for name, (_, figure) in zip(names, checked, strict=True)
    )
    part = Part(tuple(items), left + _LONGEST + 90, len(checked) * _ROW)
    return framed(title, (), [part], (), f"{title}: {told}")


def _checked(row: object) -> tuple[str, float]:
    match row:
        case (str() as name, int() | float() as figure) if isfinite(figure) and figure >= 0:
            return name, float(figure)
    raise InvalidArgumentError("rows", _EXPECTED)


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 10 or figure == int(figure) else f"{figure:.1f}"
