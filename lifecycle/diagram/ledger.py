"""The list of events below a picture: a line each, so that none is ever left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lifecycle.diagram.chart import pill, pill_width, spoken
from lifecycle.diagram.clock import date
from lifecycle.diagram.episode import (
    MARKS,
    PILLS,
    Episode,
    Order,
    arrival,
    meaning,
    remarks,
    shown_time,
)
from lifecycle.diagram.frame import Part
from lifecycle.diagram.metrics import text_width
from lifecycle.diagram.scene import Area, Box, Item, Line, Text, moved

_SIZE: Final = 11.0
_ROW: Final = 21.0
_GAP: Final = 14.0
_MOST_ROWS: Final = 10
_MEANT_IN_HALF: Final = 310.0
_WIDEST: Final = (60.0, 150.0, 230.0, 560.0, 90.0, 190.0)
_HEADS: Final = ("event", "occurred, UTC", "what came", "what it meant", "stayed", "arrived")


class _Row(NamedTuple):
    """One line: its texts by column, and the number in its pill."""

    number: str
    cells: tuple[str, ...]
    ink: str
    late: bool = False


def ledger(order: Order, room: float = 0.0) -> Part:
    """Return every event of an order as a list, then what never came.

    A long one stands in two columns where `room` is wide enough for both.
    """
    rows = [*_rows(order)]
    half = (len(rows) + 1) // 2
    if half > _MOST_ROWS:
        narrow = _widths(rows, _MEANT_IN_HALF)
        whole = sum(narrow) + _GAP * (len(narrow) - 1) + 12
        if 2 * whole + 2 * _GAP <= room:
            first, second = _table(rows[:half], narrow), _table(rows[half:], narrow)
            beside = moved(second.items, whole + 2 * _GAP, 0)
            return Part((*first.items, *beside), 2 * whole + 2 * _GAP, first.height)
    return _table(rows, _widths(rows, _WIDEST[3]))


def _widths(rows: Sequence[_Row], meant: float) -> list[float]:
    """Return the widths of all columns: what they hold asks for, up to what each may have."""
    widths = [max(text_width(_HEADS[0], _SIZE), *(pill_width(row.number) for row in rows))]
    for column, (head, most) in enumerate(zip(_HEADS[1:], _WIDEST[1:], strict=True)):
        cells = (text_width(row.cells[column], _SIZE, bold=column == 1) for row in rows)
        limit = meant if column == 2 else most
        widths.append(max(text_width(head, _SIZE), min(max(cells), limit)))
    return widths


def _table(rows: Sequence[_Row], widths: Sequence[float]) -> Part:
    lefts = [6.0]
    for width in widths[:-1]:
        lefts.append(lefts[-1] + width + _GAP)
    whole = lefts[-1] + widths[-1] + 6
    return Part((*_drawn(rows, lefts, widths, whole),), whole, _ROW * (len(rows) + 1) + 4)


def fitted(text: str, width: float, size: float = _SIZE, *, bold: bool = False) -> str:
    """Return a harmless text, cut with an ellipsis to what fits into a width."""
    if text_width(text, size, bold=bold) <= width:
        return text
    kept = len(text)
    while kept and text_width(text[:kept] + "\u2026", size, bold=bold) > width:
        kept -= 1
    return text[:kept] + "\u2026"


def _rows(order: Order) -> Iterator[_Row]:
    day = None
    for episode in order.episodes:
        at = shown_time(episode)
        if (today := date(episode.moment.at)) != day:
            at, day = f"{today} {at}", today
        yield _Row(
            f"{episode.number}",
            (at, _name(episode), _meant(episode), episode.stay, arrival(episode)),
            episode.ink,
            episode.moment.late,
        )
        for remark in remarks(episode):
            yield _Row("", ("", "", remark, "", ""), "odd")
    for state in order.view.missing:
        said = "missing: no event about it ever came"
        yield _Row("?", ("never", spoken(state), said, "", ""), "odd")


def _name(episode: Episode) -> str:
    entry = episode.moment.entry
    return (
        f"{spoken(entry.name)} ({entry.kind})" if entry.kind != "callback" else spoken(entry.name)
    )


def _meant(episode: Episode) -> str:
    mark = MARKS[episode.verdict]
    return f"{mark} {meaning(episode)}" if mark else meaning(episode)


def _drawn(
    rows: Sequence[_Row], lefts: Sequence[float], room: Sequence[float], whole: float
) -> Iterator[Item]:
    for left, head in zip(lefts, _HEADS, strict=True):
        yield Text(left, _ROW - 6, head, _SIZE, "faint")
    yield Line(((0, _ROW), (whole, _ROW)), "grid")
    for number, row in enumerate(rows):
        top = _ROW * (number + 1) + 1
        if number % 2:
            yield Box(Area(0, top, whole, top + _ROW), "stripe", 0)
        yield from _row(row, top, lefts, room)


def _row(row: _Row, top: float, lefts: Sequence[float], room: Sequence[float]) -> Iterator[Item]:
    if row.number:
        look = PILLS[row.ink]
        yield from pill(lefts[0] + room[0] / 2, top + _ROW / 2, row.number, look, row.ink)
    inks = ("faint", "ink", row.ink, "ink", "odd" if row.late else "faint")
    for column, (text, ink) in enumerate(zip(row.cells, inks, strict=True), 1):
        if text:
            bold = column == 2
            shown = fitted(text, room[column], bold=bold)
            yield Text(lefts[column], top + _ROW - 6.5, shown, _SIZE, ink, bold=bold)
