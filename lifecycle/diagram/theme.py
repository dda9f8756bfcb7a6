"""The colors and strokes of every picture, light and dark.

A look never tells by color alone: what differs in color differs in a dash, a weight, a
border, a mark or a word as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

Theme = Literal["auto", "light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("auto", "light", "dark")

_LIGHT: Final[Mapping[str, str]] = {
    "page": "#ffffff",
    "ink": "#1f2937",
    "faint": "#5b6675",
    "line": "#475569",
    "pale": "#a3afbd",
    "box": "#f8fafc",
    "apart": "#f8fafc",
    "stripe": "#f1f5f9",
    "taken": "#1d4ed8",
    "entered": "#dbeafe",
    "now": "#6d28d9",
    "nowfill": "#ede9fe",
    "odd": "#92400e",
    "oddfill": "#fef3c7",
    "wrong": "#b91c1c",
}
_DARK: Final[Mapping[str, str]] = {
    "page": "#0d1117",
    "ink": "#e6edf3",
    "faint": "#9aa7b4",
    "line": "#aab6c3",
    "pale": "#5a6675",
    "box": "#1a212b",
    "apart": "#12181f",
    "stripe": "#161d26",
    "taken": "#79b4ff",
    "entered": "#15305a",
    "now": "#c4b5fd",
    "nowfill": "#38246b",
    "odd": "#f0c14b",
    "oddfill": "#3b2f0b",
    "wrong": "#ff8b82",
}

# Color, width, dashes.
_LINES: Final[Mapping[str, tuple[str, float, str]]] = {
    "line": ("line", 1.4, ""),
    "taken": ("taken", 2.4, ""),
    "skipped": ("taken", 2.4, "6 4"),
    "back": ("odd", 2.4, "9 3"),
    "unused": ("pale", 1.1, ""),
    "rail": ("pale", 1.6, "2 4"),
    "strong-rail": ("line", 1.6, "2 4"),
    "grid": ("pale", 0.8, ""),
    "lead": ("pale", 0.8, "2 2"),
}
_SHAPES: Final[Mapping[str, str]] = {
    "page": "fill:{page}",
    "stripe": "fill:{stripe}",
    "box": "fill:{box};stroke:{line};stroke-width:1.3",
    "apart": "fill:{apart};stroke:{pale};stroke-width:1.1",
    "entered": "fill:{entered};stroke:{taken};stroke-width:1.6",
    "now": "fill:{nowfill};stroke:{now};stroke-width:3",
    "missing": "fill:{oddfill};stroke:{odd};stroke-width:1.5;stroke-dasharray:5 3",
    "border": "fill:none;stroke:{line};stroke-width:1.1",
    "border-apart": "fill:none;stroke:{pale};stroke-width:1",
    "border-entered": "fill:none;stroke:{taken};stroke-width:1.2",
    "border-now": "fill:none;stroke:{now};stroke-width:1.4",
    "pill": "fill:{page};stroke:{taken};stroke-width:1.5",
    "pill-plain": "fill:{page};stroke:{faint};stroke-width:1.1",
    "pill-odd": "fill:{oddfill};stroke:{odd};stroke-width:1.4;stroke-dasharray:3 2",
    "pill-wrong": "fill:{page};stroke:{wrong};stroke-width:1.4;stroke-dasharray:2 2",
    "dot": "fill:{ink}",
    "hub": "fill:{pale}",
    "hub-strong": "fill:{line}",
    "point": "fill:{taken};stroke:{page};stroke-width:1",
    "point-odd": "fill:{odd};stroke:{page};stroke-width:1",
    "point-wrong": "fill:{page};stroke:{wrong};stroke-width:2",
    "point-plain": "fill:{faint};stroke:{page};stroke-width:1",
    "point-ours": "fill:{page};stroke:{faint};stroke-width:1.4",
}


def style(looks: Iterable[str], scope: str, theme: Theme) -> str:
    """Return the rules for these looks, within the elements of class `scope` alone."""
    wanted = sorted(set(looks))
    rules = "".join(_rules(wanted, scope, _DARK if theme == "dark" else _LIGHT))
    if theme != "auto":
        return rules
    dark = "".join(_rules(wanted, scope, _DARK))
    return f"{rules}@media (prefers-color-scheme:dark){{{dark}}}"


def _rules(looks: Iterable[str], scope: str, palette: Mapping[str, str]) -> Iterator[str]:
    for look in looks:
        yield f".{scope} .{look}{{{_declared(look).format_map(palette)}}}"


def _declared(look: str) -> str:
    kind, _, name = look.partition("-")
    match kind:
        case "t":
            return f"fill:{{{name}}}"
        case "h":
            return f"fill:{{{_LINES[name][0]}}}"
        case "l":
            color, width, dashes = _LINES[name]
            dashed = f";stroke-dasharray:{dashes}" if dashes else ""
            return f"fill:none;stroke:{{{color}}};stroke-width:{width}{dashed}"
        case _:
            return _SHAPES[name]
