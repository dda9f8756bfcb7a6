"""What goes to stdout: JSON, and text for people. Nothing from the data steers the terminal.

A terminal gets colors. Anything else, and a terminal with `NO_COLOR`, gets plain text
without escape codes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from lifecycle.diagram.harmless import harmless

if TYPE_CHECKING:
    from rich.console import Console

# Controls, lone surrogates, line separators, and marks that turn the writing direction.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


class Cell(NamedTuple):
    """A piece of text, and a style that only a terminal shows."""

    text: str
    style: str = ""


def say(text: str = "", style: str = "") -> None:
    """Print one line of text for people; a style shows on a terminal alone."""
    print_styled([Cell(visible(text), style)])


def print_styled(pieces: Iterable[Cell]) -> None:
    """Print pieces of visible text as one line, whatever the terminal's width."""
    if styled():
        _print_rich(pieces)
    else:
        sys.stdout.write("".join(piece.text for piece in pieces).rstrip() + "\n")


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


def styled() -> bool:
    """Tell whether stdout takes colors: a terminal, and nobody asked for none."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    )


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


def _json(value: Any, indent: int | None = None) -> str:
    """Spell a value so that not even a terminal that shows it can be steered."""
    lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
    return "\n".join(map(escaped, lines))


def escaped(text: str) -> str:
    """Return one line of text with what could steer a terminal as JSON's escapes."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(text: str) -> None:
    """Write JSON as UTF-8, whatever the terminal's encoding: that is what JSON is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


@cache
def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - a pipe never needs it

    return Console(highlight=False, markup=False, emoji=False, force_terminal=True)


def _print_rich(pieces: Iterable[Cell]) -> None:
    from rich.text import Text  # noqa: PLC0415 - a pipe never needs it

    _console().print(Text.assemble(*pieces), soft_wrap=True)
