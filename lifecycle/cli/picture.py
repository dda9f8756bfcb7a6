"""`diagram` and `stats`: what is drawn, and where a picture goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    AsAt,
    AsOf,
    Database,
    Json,
    Output,
    ProviderName,
)
from lifecycle.cli.output import Cell, counted, print_json, print_table, print_text, progress, say
from lifecycle.composition import connect
from lifecycle.diagram import Picture, draw_definition, draw_order, draw_stats
from lifecycle.diagram.fleet import short
from lifecycle.log.private_file import ORDINARY, PRIVATE
from lifecycle.projections.stats import LogStats, StateStats


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
    match form:
        case Format.MERMAID | Format.DOT:
            written = picture.texts[form.value].encode()
        case Format.SVG:
            written = picture.svg(theme=theme.value).encode()
        case Format.PNG:
            written = picture.png(theme=theme.value)
    if output != STDOUT:
        with whole_or_not_there(Path(output), "picture", mode) as file:
            file.write(written)
    elif form is Format.PNG:
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
    else:
        print_text(written.decode())


class View(StrEnum):
    """What a picture of an order shows."""

    PATH = "path"
    TIMELINE = "timeline"
    SEQUENCE = "sequence"


_USUAL: Final = {
    View.PATH: Format.MERMAID,
    View.TIMELINE: Format.SVG,
    View.SEQUENCE: Format.MERMAID,
}


def diagram(
    *,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="ORDER", help="The order to draw, not the definition."),
    ] = None,
    view: Annotated[
        View | None,
        typer.Option(
            "--view",
            help="Of an order: its way through the states, its events in time, or who told whom.",
            show_default="path",
        ),
    ] = None,
    form: FormatName = None,
    theme: Colors = ThemeName.AUTO,
    narrow: Narrow = False,
    output: Output = STDOUT,
    as_at: AsAt = None,
    as_of: AsOf = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
) -> None:
    """Draw the states and moves, or what happened to one order."""
    asked = {"--view": view, "--as-at": as_at, "--as-of": as_of}
    if order is None and (given := [name for name, value in asked.items() if value is not None]):
        raise Refusal(f"{given[0]} is about an order; name one with --order ORDER")
    shown = view or View.PATH
    # The definition is the same whatever the log holds: it takes none to draw it.
    log = db if order is not None else "memory:"
    with connect(log, provider=provider, create=order is None) as orders:
        picture = (
            draw_definition(orders.provider.definition, narrow=narrow)
            if order is None
            else draw_order(orders, order, shown.value, as_at=as_at, as_of=as_of, narrow=narrow)
        )
    # A definition is no secret; what became of an order is.
    mode = ORDINARY if order is None else PRIVATE
    write_picture(picture, form_of(form, output) or _USUAL[shown], theme, output, mode=mode)


def stats(
    *,
    form: FormatName = None,
    theme: Colors = ThemeName.AUTO,
    narrow: Narrow = False,
    output: Output = STDOUT,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Count every move, and how long orders stay in each state."""
    drawn = form_of(form, output, (".svg", ".png"))
    if json and drawn is not None:
        raise Refusal("--json prints figures, --format draws them; use one of both")
    if drawn is None and output != STDOUT:
        raise Refusal(f"{output!a} tells no form; name it .svg or .png, or give --format")
    with (
        connect(db, provider=provider, create=False) as orders,
        progress("stats", orders.log.last_position()) as advance,
    ):
        figures = orders.stats(on_progress=advance)
    if drawn is not None:
        picture = draw_stats(orders.provider.definition, figures, narrow=narrow)
        write_picture(picture, drawn, theme, output)
    elif json:
        print_json(figures.model_dump(mode="json"))
    else:
        _print_stats(figures)


def _print_stats(figures: LogStats) -> None:
    events = counted(figures.events, "event")
    say(f"{counted(figures.orders, 'order')} of {figures.provider}, {events}", "bold")
    if figures.unfoldable:
        orders = counted(figures.unfoldable, "order")
        say(f"{orders} cannot be folded and are not counted; run: lifecycle list", "yellow")
    say()
    print_table(
        ("state", "entered", "orders", "there now", "p50", "p95"), map(_state, figures.states)
    )
    say()
    skipped = Cell("skipped ahead", "yellow")
    moves = (
        (move.from_, move.to, f"{move.count:,}", "" if move.declared else skipped)
        for move in figures.moves
    )
    print_table(("from", "to", "times", ""), moves)


def _state(state: StateStats) -> tuple[Any, ...]:
    now = Cell(f"{state.now:,}", "bold" if state.now else "dim")
    stayed = short(state.p50), short(state.p95)
    return (state.state, f"{state.entered:,}", f"{state.orders:,}", now, *stayed)
