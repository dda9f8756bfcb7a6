"""`diagram` and `stats`: what is drawn, and where a picture goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from lifecycle.cli.choice import (
    check_installed,
    log_at,
    named_rules,
    only_provider,
    orders_with,
    provider_of_a_log,
    providers_asked,
    readable,
)
from lifecycle.cli.failure import Refusal
from lifecycle.cli.file import STDOUT, whole_or_not_there
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    AsAt,
    AsOf,
    Database,
    Json,
    LogAt,
    Output,
    ProviderName,
    RulesName,
)
from lifecycle.cli.output import Cell, counted, print_json, print_table, print_text, progress, say
from lifecycle.cli.partition import end_of
from lifecycle.composition import orders_on
from lifecycle.core.definition import Definition
from lifecycle.diagram import OrderPicture, Picture, Theme, draw_definition, draw_order, draw_stats
from lifecycle.diagram.stats_picture import short
from lifecycle.log.contract import Log
from lifecycle.log.log_time import LookOptions
from lifecycle.log.private_file import ORDINARY, PRIVATE
from lifecycle.projections.stats import LogStats, StateStats
from lifecycle.registry import find_provider

Format = Literal["mermaid", "dot", "svg", "png"]

_SUFFIXES: Final[Mapping[str, Format]] = {
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".png": "png",
}
_USUAL: Final[Mapping[OrderPicture, Format]] = {
    "path": "mermaid",
    "timeline": "svg",
    "sequence": "mermaid",
}

FormatName = Annotated[
    Format | None,
    typer.Option("--format", help="The form to write it in.", show_default="as FILE is named"),
]
Colors = Annotated[
    Theme, typer.Option("--theme", help="The colors of an SVG or PNG; auto is the reader's.")
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
    picture: Picture, form: Format, theme: Theme, output: str, *, mode: int = PRIVATE
) -> None:
    """Write a picture to stdout or into a file; `mode` is that of the file.

    Raises:
        Refusal: it has no such form, or a terminal would get bytes that are no text.
    """
    if form not in picture.formats:
        having = " or ".join(picture.formats)
        raise Refusal(f"this view cannot be written as {form}; expected --format {having}")
    if form == "png" and output == STDOUT and sys.stdout.isatty():
        raise Refusal("a PNG is no text for a terminal; name a file with -o FILE, or pipe it on")
    match form:
        case "mermaid" | "dot":
            written = picture.texts[form].encode()
        case "svg":
            written = picture.svg(theme=theme).encode()
        case "png":
            written = picture.png(theme=theme)
    if output != STDOUT:
        with whole_or_not_there(Path(output), "picture", mode) as file:
            file.write(written)
    elif form == "png":
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
    else:
        print_text(written.decode())


def diagram(
    *,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="ORDER", help="The order to draw, not the definition."),
    ] = None,
    view: Annotated[
        OrderPicture | None,
        typer.Option(
            "--view",
            help="Of an order: its way through the states, its events in time, or who told whom.",
            show_default="path",
        ),
    ] = None,
    form: FormatName = None,
    theme: Colors = "auto",
    narrow: Narrow = False,
    output: Output = STDOUT,
    as_at: AsAt = None,
    as_of: AsOf = None,
    log_at: LogAt = None,
    rules: RulesName = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
) -> None:
    """Draw the states and moves, or what happened to one order."""
    how = LookOptions(as_at=as_at, as_of=as_of, log_at=log_at, rules=named_rules(rules))
    if order is None and (given := [n for n, v in {"view": view, **how}.items() if v is not None]):
        named = given[0].replace("_", "-")
        raise Refusal(f"--{named} is about an order; name one with --order ORDER")
    shown = view or "path"
    if order is None:
        drawn = find_provider(provider or provider_of_a_log(db, "draw")).provider
        picture = draw_definition(drawn.definition, narrow=narrow)
    else:
        with orders_with(db, provider, order) as orders:
            picture = draw_order(orders, order, shown, narrow=narrow, **how)
    # A definition is no secret; what became of an order is.
    mode = ORDINARY if order is None else PRIVATE
    write_picture(picture, form_of(form, output) or _USUAL[shown], theme, output, mode=mode)


def stats(
    *,
    form: FormatName = None,
    theme: Colors = "auto",
    narrow: Narrow = False,
    output: Output = STDOUT,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Count every move, and how long orders stay in each state."""
    drawn = form_of(form, output, (".svg", ".png"))
    if json and drawn is not None:
        raise Refusal("--json prints figures, --format draws them; use one of both")
    if drawn is None and output != STDOUT:
        raise Refusal(f"{output!a} tells no form; name it .svg or .png, or give --format")
    with log_at(db, provider) as log:
        if drawn is not None:
            ((definition, figures),) = _figures(log, [provider or only_provider(log, "draw")])
            picture = draw_stats(definition, figures, narrow=narrow)
            write_picture(picture, drawn, theme, output)
        elif json:
            found = _figures(log, _readable(log, provider))
            each = [figures.model_dump(mode="json") for _, figures in found]
            print_json(each[0] if len(each) == 1 else {"providers": each})
        else:
            for _, figures in _figures(log, _readable(log, provider)):
                _print_stats(figures)


def _readable(log: Log, provider: str | None) -> Iterator[str]:
    """Yield the providers whose orders are to be counted; refuse at last for one not installed."""
    names = providers_asked(log, provider)
    known = readable(names, provider)
    yield from known
    for name in names:
        if name not in known:
            check_installed(name)


def _figures(log: Log, providers: Iterable[str]) -> Iterator[tuple[Definition, LogStats]]:
    for name in providers:
        orders = orders_on(log, name)
        with progress("stats", end_of(log)) as advance:
            figures = orders.stats(on_progress=advance)
        yield orders.provider.definition, figures


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
