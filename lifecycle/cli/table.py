"""Tables: aligned columns where they fit, one field a line where they do not.

A pipe gets every column whole, on one line a row, for `grep` and `cut`. A terminal gets
columns as long as they fit; the last one may wrap. In a narrower one each row becomes a
block of fields, so that nothing is cut and no word is broken to bits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from lifecycle.cli.output import Cell, print_styled, say, terminal_width, visible
from lifecycle.diagram.harmless import cells

_PAGE: Final = 200
_GAP: Final = 2
_NARROWEST_LAST: Final = 24


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> bool:
    """Print rows under headings, page by page; tell whether there were any."""
    waiting = iter(rows)
    widths = [len(column) for column in columns]
    first = True
    while page := [[_cell(cell) for cell in row] for row in islice(waiting, _PAGE)]:
        for row in page:
            widths = [max(pair) for pair in zip(widths, (cells(c.text) for c in row), strict=True)]
        if _fits(widths):
            _print_columns([[Cell(c, "bold") for c in columns], *page] if first else page, widths)
        else:
            _print_blocks(columns, page)
        first = False
    return not first


def _cell(cell: str | Cell) -> Cell:
    return cell._replace(text=visible(cell.text)) if isinstance(cell, Cell) else Cell(visible(cell))


def _fits(widths: Sequence[int]) -> bool:
    width = terminal_width()
    return width is None or _before_last(widths) + min(widths[-1], _NARROWEST_LAST) <= width


def _before_last(widths: Sequence[int]) -> int:
    return sum(widths[:-1]) + _GAP * (len(widths) - 1)


def _print_columns(rows: Iterable[Sequence[Cell]], widths: Sequence[int]) -> None:
    indent = _before_last(widths)
    width = terminal_width()
    for *row, last in rows:
        padded = [_padded(cell, space) for cell, space in zip(row, widths, strict=False)]
        first, *further = _wrapped(last.text, None if width is None else width - indent)
        print_styled([*padded, Cell(first, last.style)])
        for line in further:
            print_styled([Cell(" " * indent), Cell(line, last.style)])


def _print_blocks(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    width = max(map(len, columns))
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            if cell.text and cell.text != "-":
                print_styled([Cell(f"{column:<{width}}  ", "dim"), cell])
        say()


def _padded(cell: Cell, width: int) -> Cell:
    return cell._replace(text=cell.text + " " * (width - cells(cell.text) + _GAP))


def _wrapped(text: str, room: int | None) -> list[str]:
    if room is None or cells(text) <= room:
        return [text]
    return textwrap.wrap(text, room)
