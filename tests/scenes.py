"""Looking at drawn pictures without drawing them: what overlaps, what leaves the page.

The rules here are about any picture: texts keep apart from each other and within the page,
no line runs along another, and no line runs through a state's box.
"""

from __future__ import annotations

from itertools import combinations, pairwise

from lifecycle.diagram.scene import Area, Box, Line, Scene

_SLACK = 0.6
_BOXES = {"box", "apart", "entered", "now", "missing"}


def collisions(scene: Scene) -> list[str]:
    """Return the texts that overlap each other or leave the page."""
    page = Area(0, 0, scene.width, scene.height)
    texts = sorted(((text.area, text.text) for text in scene.texts), key=lambda pair: pair[0].top)
    found = [
        f"{text!r} leaves the page"
        for area, text in texts
        if area.left < page.left - _SLACK
        or area.top < page.top - _SLACK
        or area.right > page.right + _SLACK
        or area.bottom > page.bottom + _SLACK
    ]
    for number, (area, text) in enumerate(texts):
        for other, beside in texts[number + 1 :]:
            if other.top > area.bottom:
                break
            if area.meets(other, _SLACK):
                found.append(f"{text!r} overlaps {beside!r}")
    return found


def covered_lines(scene: Scene) -> list[str]:
    """Return the arrows of which a piece runs along a piece of another."""
    lines = [item for item in scene.items if isinstance(item, Line) and item.head]
    found = []
    for one, other in combinations(lines, 2):
        for piece in pairwise(one.points):
            for beside in pairwise(other.points):
                # Arrows may join where they come from or go to the same small shape.
                joined = one.points[-1] == other.points[-1] or one.points[0] == other.points[0]
                if not joined and _shared(piece, beside) > 1:
                    found.append(f"{piece} runs along {beside}")
    return found


def crossed_boxes(scene: Scene) -> list[str]:
    """Return the lines that run through a state's box."""
    boxes = [item for item in scene.items if isinstance(item, Box) and item.look in _BOXES]
    lines = [item for item in scene.items if isinstance(item, Line)]
    return [
        f"{piece} runs through {box.title!r}"
        for line in lines
        for piece in pairwise(line.points)
        for box in boxes
        if box.title and _around(piece).meets(box.area, 1.5)
    ]


def _around(piece: tuple[tuple[float, float], tuple[float, float]]) -> Area:
    (x, y), (far_x, far_y) = piece
    return Area(min(x, far_x) - 1, min(y, far_y) - 1, max(x, far_x) + 1, max(y, far_y) + 1)


def _shared(piece, beside) -> float:
    """Return along which length two upright or level pieces lie on each other."""
    for level in (0, 1):
        ends = {point[level] for point in (*piece, *beside)}
        if max(ends) - min(ends) < 1.0:
            along = 1 - level
            low, high = sorted((piece[0][along], piece[1][along]))
            other_low, other_high = sorted((beside[0][along], beside[1][along]))
            return min(high, other_high) - max(low, other_low)
    return 0.0
