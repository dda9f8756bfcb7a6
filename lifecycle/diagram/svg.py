"""A scene written as SVG, one file that needs nothing else and runs nothing; and drawn as PNG.

The same scene gives the same bytes. Rules hold for this picture alone, so that many
may stand on one page. Every text has its measured length, whatever the font. A PNG is drawn
with the two fonts that come with this package, so that its bytes depend on no machine; only
a character that these lack is taken from the machine's fonts, or shows as an empty box.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from math import hypot, sqrt
from typing import Final
from xml.sax.saxutils import escape

from lifecycle.diagram.metrics import FONTS, is_bundled
from lifecycle.diagram.scene import Box, Disc, Item, Line, Point, Scene, Shape, Text
from lifecycle.diagram.theme import THEMES, Theme, style
from lifecycle.errors import InvalidArgumentError, MissingExtraError

FAMILIES: Final = "Helvetica,Arial,'Liberation Sans',Arimo,'Nimbus Sans',sans-serif"

_FAMILY: Final = "Lifecycle Sans"
_LARGEST: Final = 8.0
_LONGEST_SIDE: Final = 16_000
_MOST_PIXELS: Final = 24_000_000

_CORNER: Final = 7.0
_HEAD: Final = 8.0
_HALF_HEAD: Final = 4.0


def written(scene: Scene, *, theme: Theme = "auto", fonts: str = FAMILIES) -> str:
    """Return a scene as the text of an SVG file.

    Args:
        scene: what to write.
        theme: `auto` follows the reader's preference, `light` and `dark` do not.
        fonts: the font families to ask for, first come first.

    Raises:
        InvalidArgumentError: there is no such theme.
    """
    if theme not in THEMES:
        raise InvalidArgumentError("theme", "one of " + ", ".join(THEMES), found=theme)
    drawn = [element for item in scene.items for element in _elements(item)]
    looks = [look for look, _ in drawn]
    body = "".join(f"{element}\n" for _, element in drawn)
    scope = "o" + sha256(f"{theme}{scene.title}{body}".encode()).hexdigest()[:10]
    width, height = _number(scene.width), _number(scene.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{scope}" role="img" '
        f'aria-labelledby="{scope}-t {scope}-d" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{fonts}" xml:space="preserve">\n'
        f'<title id="{scope}-t">{escape(scene.title)}</title>\n'
        f'<desc id="{scope}-d">{escape(scene.summary)}</desc>\n'
        f"<style>{style([*looks, 's-page'], scope, theme)}</style>\n"
        f'<rect class="s-page" width="{width}" height="{height}"/>\n'
        f"{body}</svg>\n"
    )


def rendered(scene: Scene, *, theme: Theme = "light", scale: float = 2.0) -> bytes:
    """Return a scene as a PNG, in pixels `scale` times as fine as the scene's.

    A picture that would have more than 24 million, or 16,000 on a side, is drawn coarser.

    Raises:
        InvalidArgumentError: the scale is not between 0 and 8, or there is no such theme.
        MissingExtraError: the extra `png` is not installed.
    """
    if not isinstance(scale, int | float) or not 0 < scale <= _LARGEST:
        raise InvalidArgumentError("scale", f"a number above 0 and up to {_LARGEST:g}")
    try:
        from resvg_py import svg_to_bytes  # noqa: PLC0415 - only a PNG needs it
    except ImportError:
        raise MissingExtraError("png", "resvg-py") from None
    drawn = written(scene, theme="light" if theme == "auto" else theme, fonts=_FAMILY)
    image = svg_to_bytes(
        svg_string=drawn,
        zoom=min(
            scale,
            _LONGEST_SIDE / max(scene.width, scene.height),
            sqrt(_MOST_PIXELS / (scene.width * scene.height)),
        ),
        skip_system_fonts=all(is_bundled(text.text) for text in scene.texts),
        font_files=[str(font) for font in sorted(FONTS.glob("*.ttf"))],
        font_family=_FAMILY,
        sans_serif_family=_FAMILY,
    )
    return bytes(image)


def _elements(item: Item) -> Iterator[tuple[str, str]]:
    """Yield what to write for one thing, each with the look that it needs."""
    match item:
        case Text():
            yield _text(item)
        case Box((left, top, right, bottom), look, radius, title):
            size = {"width": right - left, "height": bottom - top}
            inside = f"<title>{escape(title)}</title>" if title else None
            yield _element("rect", f"s-{look}", inside, x=left, y=top, **size, rx=radius)
        case Disc(x, y, radius, look):
            yield _element("circle", f"s-{look}", cx=x, cy=y, r=radius)
        case Shape(points, look):
            yield _element("polygon", f"s-{look}", points=_listed(points))
        case Line():
            yield from _line(item)


def _element(
    tag: str, look: str, inside: str | None = None, **attributes: float | str
) -> tuple[str, str]:
    """Return an element of that look with what is inside it, written out already."""
    told = "".join(
        f' {name.replace("_", "-")}="{value if isinstance(value, str) else _number(value)}"'
        for name, value in attributes.items()
    )
    end = f">{inside}</{tag}>" if inside is not None else "/>"
    return look, f'<{tag} class="{look}"{told}{end}'


def _text(item: Text) -> tuple[str, str]:
    said: dict[str, float | str] = {"x": item.x, "y": item.y, "font_size": item.size}
    if item.bold:
        said["font_weight"] = "700"
    if item.anchor != "start":
        said["text_anchor"] = item.anchor
    said |= {"textLength": item.width, "lengthAdjust": "spacingAndGlyphs"}
    return _element("text", f"t-{item.look}", escape(item.text), **said)


def _line(item: Line) -> Iterator[tuple[str, str]]:
    points = _without_repeats(item.points)
    end = points[-1]
    if item.head:
        points = (*points[:-1], _towards(end, points[-2], _HEAD - 1))
    yield _element("path", f"l-{item.look}", d=_track(points))
    if item.head:
        yield _element("polygon", f"h-{item.look}", points=_listed(_head(end, points[-2])))


def _without_repeats(points: tuple[Point, ...]) -> tuple[Point, ...]:
    kept = [points[0]]
    kept += [after for before, after in pairwise(points) if before != after]
    return tuple(kept)


def _track(points: tuple[Point, ...]) -> str:
    """Return a path through the points, each corner rounded as far as its sides allow."""
    told = [f"M{_pair(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        start, stop = _towards(corner, before, radius), _towards(corner, after, radius)
        told.append(f"L{_pair(start)}Q{_pair(corner)} {_pair(stop)}")
    told.append(f"L{_pair(points[-1])}")
    return "".join(told)


def _head(end: Point, before: Point) -> tuple[Point, ...]:
    (x, y), (back_x, back_y) = end, _towards(end, before, _HEAD)
    along = (x - back_x) / _HEAD, (y - back_y) / _HEAD
    across = -along[1] * _HALF_HEAD, along[0] * _HALF_HEAD
    return (
        end,
        (back_x + across[0], back_y + across[1]),
        (back_x - across[0], back_y - across[1]),
    )


def _towards(start: Point, goal: Point, by: float) -> Point:
    length = _distance(start, goal) or 1.0
    share = by / length
    return start[0] + (goal[0] - start[0]) * share, start[1] + (goal[1] - start[1]) * share


def _distance(one: Point, other: Point) -> float:
    return hypot(one[0] - other[0], one[1] - other[1])


def _listed(points: tuple[Point, ...]) -> str:
    return " ".join(map(_pair, points))


def _pair(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """Return a coordinate to a tenth of a pixel, without digits that say nothing."""
    told = f"{value:.1f}"
    return told.removesuffix(".0") if told != "-0.0" else "0"
