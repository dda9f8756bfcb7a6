"""The list of events below a picture: a line each, so that none is ever left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from lifecycle.diagram.chart import pill, pill_width
from lifecycle.diagram.clock import date
from lifecycle.diagram.frame import Part
from lifecycle.diagram.harmless import spoken
from lifecycle.diagram.metrics import broken, fitted, text_width
from lifecycle.diagram.moments import Moment, Order
from lifecycle.diagram.scene import Area, Box, Item, Line, Text, moved
from lifecycle.diagram.wording import MARKS, arrival, meaning, recorded, remarks, shown_time

_SIZE: Final = 11.0
_ROW: Final = 21.0
_GAP: Final = 14.0
_MOST_ROWS: Final = 10
_MOST_COLUMNS: Final = 6
_MOST_LINES: Final = 4
_LEAST_MEANT: Final = 165.0
_MEANT_ALONE: Final = 280.0
_APART: Final = 2 * _GAP
_WIDEST: Final = (60.0, 150.0, 230.0, 560.0, 90.0, 190.0, 210.0)
_HEADS: Final = (
    "event",
    "occurred, UTC",
    "what came",
    "what it meant",
    "stayed",
    "arrived",
    "recorded",
)


class _Row(NamedTuple):
    """One line: its texts by column, and the number in its pill."""

    number: str
    cells: tuple[str, ...]
    ink: str
    late: bool = False


def ledger(order: Order, room: float) -> Part:
    """Return every event of an order as a list, then what never came.

    A long one stands in as many columns as `room` is wide enough for. A meaning that is
    longer than its column goes on in further lines.
    """
    rows = [*_rows(order)]
    if not any(row.cells[-1] for row in rows):  # no log holds it
        rows = [row._replace(cells=row.cells[:-1]) for row in rows]
    for count in range(min(len(rows) // _MOST_ROWS, _MOST_COLUMNS), 1, -1):
        meant = _left_for_meaning(rows, room, count)
        if meant >= _LEAST_MEANT:
            return _beside(rows, _widths(rows, min(meant, _WIDEST[3])), count)
    meant = max(_left_for_meaning(rows, room, 1), _MEANT_ALONE)
    return _beside(rows, _widths(rows, min(meant, _WIDEST[3])), 1)


def _left_for_meaning(rows: Sequence[_Row], room: float, count: int) -> float:
    """Return how wide what each event meant may be where so many columns stand side by side."""
    widths = _widths(rows, 0.0)
    taken = sum(widths) - widths[3] + _GAP * (len(widths) - 1) + 12
    return (room - _APART * (count - 1)) / count - taken


def _widths(rows: Sequence[_Row], meant: float) -> list[float]:
    """Return the widths of all columns: what they hold asks for, up to what each may have."""
    widths = [max(text_width(_HEADS[0], _SIZE), *(pill_width(row.number) for row in rows))]
    columns = zip(_HEADS[1:], _WIDEST[1:], rows[0].cells, strict=False)
    for column, (head, most, _) in enumerate(columns):
        cells = (text_width(row.cells[column], _SIZE, bold=column == 1) for row in rows)
        limit = meant if column == 2 else most
        widths.append(max(text_width(head, _SIZE), min(max(cells), limit)))
    return widths


def _beside(rows: Sequence[_Row], widths: Sequence[float], count: int) -> Part:
    """Return the rows as so many tables of about one height, side by side."""
    lines = [line for row in rows for line in _in_lines(row, widths[3])]
    items: list[Item] = []
    left = height = 0.0
    for part in _shared_out(lines, count):
        table = _table(part, widths)
        items += moved(table.items, left, 0)
        left += table.width + _APART
        height = max(height, table.height)
    return Part(tuple(items), left - _APART, height)


def _in_lines(row: _Row, meant: float) -> Iterator[_Row]:
    """Yield a row, and one more for every further line that its meaning takes."""
    first, *others = broken(row.cells[2], meant, _SIZE, most=_MOST_LINES)
    yield row._replace(cells=(*row.cells[:2], first, *row.cells[3:]))
    for line in others:
        yield _Row("", ("", "", line, *[""] * (len(row.cells) - 3)), row.ink)


def _shared_out(lines: Sequence[_Row], count: int) -> Iterator[Sequence[_Row]]:
    """Yield the lines in parts; what belongs to one event stays together."""
    first = 0
    for part in range(1, count + 1):
        last = max(round(len(lines) * part / count), first)
        while last < len(lines) and not lines[last].number:
            last += 1
        if last > first:
            yield lines[first:last]
        first = last


def _table(rows: Sequence[_Row], widths: Sequence[float]) -> Part:
    lefts = [6.0]
    for width in widths[:-1]:
        lefts.append(lefts[-1] + width + _GAP)
    whole = lefts[-1] + widths[-1] + 6
    return Part((*_drawn(rows, lefts, widths, whole),), whole, _ROW * (len(rows) + 1) + 4)


def _rows(order: Order) -> Iterator[_Row]:
    day = None
    for moment in order.moments:
        at = shown_time(moment)
        if (today := date(moment.at)) != day:
            at, day = f"{today} {at}", today
        meant = f"{MARKS[moment.verdict]} {meaning(moment)}".lstrip()
        yield _Row(
            f"{moment.number}",
            (at, _name(moment), meant, moment.stay, arrival(moment), recorded(moment)),
            moment.look,
            moment.late,
        )
        for remark in remarks(moment):
            yield _Row("", ("", "", remark, "", "", ""), "odd")
    for state in order.view.missing:
        said = "missing: no event about it ever came"
        yield _Row("?", ("never", spoken(state), said, "", "", ""), "odd")


def _name(moment: Moment) -> str:
    kind = moment.entry.kind
    return spoken(moment.entry.name) + ("" if kind == "callback" else f" ({kind})")


def _drawn(
    rows: Sequence[_Row], lefts: Sequence[float], room: Sequence[float], whole: float
) -> Iterator[Item]:
    for left, head in zip(lefts, _HEADS, strict=False):
        yield Text(left, _ROW - 6, head, _SIZE, "faint")
    yield Line(((0, _ROW), (whole, _ROW)), "grid")
    event = -1
    for number, row in enumerate(rows):
        top = _ROW * (number + 1) + 1
        event += bool(row.number)
        if event % 2:
            yield Box(Area(0, top, whole, top + _ROW), "stripe", 0)
        yield from _row(row, top, lefts, room)


def _row(row: _Row, top: float, lefts: Sequence[float], room: Sequence[float]) -> Iterator[Item]:
    if row.number:
        yield from pill(lefts[0] + room[0] / 2, top + _ROW / 2, row.number, row.ink)
    inks = ("faint", "ink", row.ink, "ink", "odd" if row.late else "faint", "faint")
    for column, (text, ink) in enumerate(zip(row.cells, inks, strict=False), 1):
        if text:
            bold = column == 2
            shown = fitted(text, room[column], _SIZE, bold=bold)
            yield Text(lefts[column], top + _ROW - 6.5, shown, _SIZE, ink, bold=bold)
