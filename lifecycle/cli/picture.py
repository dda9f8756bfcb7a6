"""Options of commands that draw, and where a drawn picture goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.output import print_text
from lifecycle.cli.source import STDIN
from lifecycle.cli.whole_file import whole_or_not_there
from lifecycle.diagram import Picture
from lifecycle.log.file_mode import PRIVATE

STDOUT: Final = STDIN


class Format(StrEnum):
    """The forms in which a picture can be written."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"


class ThemeName(StrEnum):
    """The colors of an SVG or PNG: as the reader prefers, light, or dark."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


_SUFFIXES: Final = {
    ".mmd": Format.MERMAID,
    ".mermaid": Format.MERMAID,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".svg": Format.SVG,
    ".png": Format.PNG,
}

FormatName = Annotated[
    Format | None,
    typer.Option("--format", help="The form to write it in.", show_default="as FILE is named"),
]
Colors = Annotated[
    ThemeName, typer.Option("--theme", help="The colors of an SVG or PNG; auto is the reader's.")
]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is stdout.")
]
Narrow = Annotated[
    bool,
    typer.Option("--narrow", help="Break the happy path into shorter rows, in SVG and PNG."),
]


def form_of(
    form: Format | None, output: str, endings: Sequence[str] = tuple(_SUFFIXES)
) -> Format | None:
    """Return the form that was asked for, else the one that the file's name tells, if any.

    Raises:
        Refusal: the name ends as that of something else, and nobody asked for a form.
    """
    suffix = Path(output).suffix.lower()
    if form is None and suffix and suffix not in _SUFFIXES:
        *some, last = endings
        named = f"{', '.join(some)} or {last}"
        raise Refusal(f"{output!a} tells no form; name it {named}, or give --format")
    return form or _SUFFIXES.get(suffix)


def write_picture(
    picture: Picture, form: Format, theme: ThemeName, output: str, *, mode: int = PRIVATE
) -> None:
    """Write a picture to stdout or into a file; `mode` is that of the file.

    Raises:
        Refusal: it has no such form, or a terminal would get bytes that are no text.
    """
    if form.value not in picture.formats:
        having = " or ".join(picture.formats)
        raise Refusal(f"this view cannot be written as {form.value}; expected --format {having}")
    if form is Format.PNG and output == STDOUT and sys.stdout.isatty():
        raise Refusal("a PNG is no text for a terminal; name a file with -o FILE, or pipe it on")
    written = _written(picture, form, theme)
    if output != STDOUT:
        with whole_or_not_there(Path(output), "picture", mode) as file:
            file.write(written if isinstance(written, bytes) else written.encode())
    elif isinstance(written, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
    else:
        print_text(written)


def _written(picture: Picture, form: Format, theme: ThemeName) -> str | bytes:
    match form:
        case Format.MERMAID:
            return picture.mermaid()
        case Format.DOT:
            return picture.dot()
        case Format.SVG:
            return picture.svg(theme=theme.value)
        case Format.PNG:
            return picture.png(theme=theme.value)
