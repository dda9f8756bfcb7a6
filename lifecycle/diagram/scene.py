"""A picture before anybody writes it: shapes and measured texts at their places.

Coordinates are pixels from the top left corner, y downwards. Texts are harmless, and
each has a box of its own: whoever lays out a scene can see whether two of them meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from lifecycle.diagram.metrics import ASCENT, DESCENT, text_width

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


class Area(NamedTuple):
    """A rectangle: its left, top, right and bottom edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> Point:
        """The point in its middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def meets(self, other: Area, slack: float = 0.0) -> bool:
        """Tell whether two areas overlap by more than `slack` in both directions."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > slack
            and min(self.bottom, other.bottom) - max(self.top, other.top) > slack
        )


class Text(NamedTuple):
    """One line of harmless text; `y` is its baseline, `look` its color's role."""

    x: float
    y: float
    text: str
    size: float = 11
    look: str = "ink"
    anchor: Anchor = "start"
    bold: bool = False

    @property
    def width(self) -> float:
        """How wide it is drawn, whatever the font."""
        return text_width(self.text, self.size, bold=self.bold)

    @property
    def area(self) -> Area:
        """The rectangle that it takes."""
        width = self.width
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        top, bottom = self.y - ASCENT * self.size, self.y + DESCENT * self.size
        return Area(left, top, left + width, bottom)


class Box(NamedTuple):
    """A rectangle with round corners; `title` shows to whoever points at it."""

    area: Area
    look: str
    radius: float = 6
    title: str = ""


class Line(NamedTuple):
    """A line through points, with round corners and perhaps a head at its end."""

    points: tuple[Point, ...]
    look: str
    head: bool = False


class Shape(NamedTuple):
    """A filled polygon."""

    points: tuple[Point, ...]
    look: str


class Disc(NamedTuple):
    """A circle."""

    x: float
    y: float
    radius: float
    look: str


Item = Text | Box | Line | Shape | Disc


class Scene(NamedTuple):
    """A whole picture. What comes first is painted first; `summary` tells it in words."""

    width: float
    height: float
    title: str
    summary: str
    items: tuple[Item, ...]

    @property
    def texts(self) -> tuple[Text, ...]:
        """Every text in it."""
        return tuple(item for item in self.items if isinstance(item, Text))


def moved(items: Iterable[Item], right: float, down: float) -> tuple[Item, ...]:
    """Return the same things at another place."""
    return tuple(_moved(item, right, down) for item in items)


def centered(x: float, y: float, text: str, size: float, look: str = "ink", **more: bool) -> Text:
    """Return a text whose middle is at a point."""
    return Text(x, y + (ASCENT - DESCENT) / 2 * size, text, size, look, "middle", **more)


def diamond(x: float, y: float, radius: float, look: str) -> Shape:
    """Return a diamond around a point."""
    return Shape(((x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)), look)


def _moved(item: Item, right: float, down: float) -> Item:
    match item:
        case Box(area):
            left, top, far, bottom = area
            return item._replace(area=Area(left + right, top + down, far + right, bottom + down))
        case Line() | Shape():
            return item._replace(points=tuple((x + right, y + down) for x, y in item.points))
        case Text() | Disc():
            return item._replace(x=item.x + right, y=item.y + down)
