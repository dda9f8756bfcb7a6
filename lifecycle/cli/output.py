"""What goes to stdout and stderr: JSON, text, tables and progress; no data steers the terminal.

A terminal gets colors, and a table's columns as long as they fit; in a narrower one each row
becomes a block of fields, so that nothing is cut and no word is broken to bits. A pipe, and a
terminal with `NO_COLOR`, get plain text without escape codes; a pipe one line a row, every
column whole, for `grep` and `cut`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from lifecycle.diagram.harmless import cells, harmless

if TYPE_CHECKING:
    from rich.console import Console

# Controls, lone surrogates, line separators, and marks that turn the writing direction.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

_PAGE: Final = 200
_GAP: Final = 2
_NARROWEST_LAST: Final = 24

Advance = Callable[[int], None]
"""Tells how much more was done."""


class Cell(NamedTuple):
    """A piece of text, and a style that only a terminal shows."""

    text: str
    style: str = ""


def say(text: str = "", style: str = "") -> None:
    """Print one line of text for people; a style shows on a terminal alone."""
    print_styled([Cell(visible(text), style)])


def print_styled(pieces: Iterable[Cell]) -> None:
    """Print pieces of visible text as one line, whatever the terminal's width."""
    if not styled():
        sys.stdout.write("".join(piece.text for piece in pieces).rstrip() + "\n")
        return
    from rich.text import Text  # noqa: PLC0415 - a pipe never needs it

    _console().print(Text.assemble(*pieces), soft_wrap=True)


def print_text(text: str) -> None:
    """Print a text of several lines that was made to be piped on."""
    sys.stdout.write(_encodable(text.rstrip("\n"), sys.stdout) + "\n")


def warn(sentence: str) -> None:
    """Print one sentence on stderr."""
    sys.stderr.write(_encodable(escaped(sentence), sys.stderr) + "\n")


def print_json(value: Any) -> None:
    """Print one JSON value, indented."""
    _write(_json(value, indent=2) + "\n")


def print_json_array(items: Iterable[Any]) -> None:
    """Print one JSON array, an item a line, in constant memory.

    Nothing is printed before the first item is there: what fails at once fails clean.
    """
    waiting = iter(items)
    first = next(waiting, None)
    if first is None:
        _write("[]\n")
        return
    _write("[\n" + _json(first))
    for item in waiting:
        _write(",\n" + _json(item))
    _write("\n]\n")


def print_json_report(
    name: str, items: Iterable[Any], totals: Callable[[], Mapping[str, Any]]
) -> None:
    """Print one JSON object in constant memory: under `name` a list of items, then the totals."""
    between = f'{{\n"{name}": [\n'
    for item in items:
        _write(between + _json(item))
        between = ",\n"
    _write("\n],\n" if between == ",\n" else f'{{\n"{name}": [],\n')
    _write(_json(totals(), indent=2).removeprefix("{\n") + "\n")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print names and values under each other."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        say(f"  {name:<{width}}  {spoken(value)}")


def spoken(value: Any) -> str:
    """Return a JSON value as people read it: `-` for null, `yes` and `no`."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(spoken(item) for item in value) or "-"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


def counted(number: int, what: str) -> str:
    """Return how many there are: `1 order`, `2,000 orders`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def attributes(value: object, *names: str) -> dict[str, Any]:
    """Return some attributes of a value by their names, for JSON."""
    return {name: getattr(value, name) for name in names}


def styled() -> bool:
    """Tell whether stdout takes colors: a terminal, and nobody asked for none."""
    return _is_screen(sys.stdout) and not os.environ.get("NO_COLOR")


def visible(text: str) -> str:
    """Return foreign text as one line that stdout can print and that steers nothing."""
    return harmless(text, ascii_only=not speaks_unicode())


def terminal_width() -> int | None:
    """Return how many columns stdout has, None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def speaks_unicode() -> bool:
    """Tell whether stdout can print every character."""
    return (sys.stdout.encoding or "").lower().startswith("utf")


def arrow() -> str:
    """Return an arrow that stdout can print."""
    return "→" if speaks_unicode() else "->"


def escaped(text: str) -> str:
    """Return one line of text with what could steer a terminal as JSON's escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def print_table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> bool:
    """Print rows of cells and values under headings, page by page; tell whether there were any."""
    waiting = iter(rows)
    widths = [len(column) for column in columns]
    headings = [[Cell(column, "bold") for column in columns]]
    while page := [[_cell(cell) for cell in row] for row in islice(waiting, _PAGE)]:
        for row in page:
            widths = [max(pair) for pair in zip(widths, (cells(c.text) for c in row), strict=True)]
        width, indent = terminal_width(), sum(widths[:-1]) + _GAP * (len(widths) - 1)
        if width is None or indent + min(widths[-1], _NARROWEST_LAST) <= width:
            _print_columns([*headings, *page], widths, None if width is None else width - indent)
        else:
            _print_blocks(columns, page)
        headings = []
    return not headings


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """Show a bar on stderr where a person watches; without a total, that something goes on."""
    if not _is_screen(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where it shows
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")) or None)
    with Progress(console=console, transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)


@cache
def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - a pipe never needs it

    return Console(highlight=False, markup=False, emoji=False, force_terminal=True)


def _is_screen(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def _json(value: Any, indent: int | None = None) -> str:
    """Spell a value so that not even a terminal that shows it can be steered."""
    lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
    return "\n".join(map(escaped, lines))


def _write(text: str) -> None:
    """Write JSON as UTF-8, whatever the terminal's encoding: that is what JSON is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _cell(value: Any) -> Cell:
    text, style = value if isinstance(value, Cell) else (spoken(value), "")
    return Cell(visible(text), style)


def _print_columns(rows: Iterable[Sequence[Cell]], widths: Sequence[int], room: int | None) -> None:
    """Print rows, the last column in as many lines as its room asks for."""
    for *row, last in rows:
        text = last.text
        lines = [text] if room is None or cells(text) <= room else textwrap.wrap(text, room)
        start = [_padded(cell, space) for cell, space in zip(row, widths, strict=False)]
        for line in lines or [""]:
            print_styled([*start, Cell(line, last.style)])
            start = [_padded(Cell(""), space) for space in widths[:-1]]


def _print_blocks(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    width = max(map(len, columns))
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            if cell.text and cell.text != "-":
                print_styled([Cell(f"{column:<{width}}  ", "dim"), cell])
        say()


def _padded(cell: Cell, width: int) -> Cell:
    return cell._replace(text=cell.text + " " * (width - cells(cell.text) + _GAP))
