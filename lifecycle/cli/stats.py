"""`lifecycle stats`: a whole log in figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lifecycle.cli.failure import Refusal
from lifecycle.cli.opened import opened
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    Database,
    Json,
    ProviderName,
)
from lifecycle.cli.output import Cell, counted, print_json, say
from lifecycle.cli.picture import (
    STDOUT,
    Colors,
    FormatName,
    Narrow,
    Output,
    ThemeName,
    form_of,
    write_picture,
)
from lifecycle.cli.progress import progress
from lifecycle.cli.table import print_table
from lifecycle.diagram import draw_stats
from lifecycle.diagram.fleet import short
from lifecycle.projections.stats import LogStats

_STATES: Final = ("state", "entered", "orders", "there now", "p50", "p95")
_MOVES: Final = ("from", "to", "times", "")


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
        opened(db, provider) as orders,
        progress("stats", orders.log.last_position()) as advance,
    ):
        figures = orders.stats(on_progress=advance)
    if drawn is not None:
        picture = draw_stats(orders.provider.definition, figures, narrow=narrow)
        write_picture(picture, drawn, theme, output)
    elif json:
        print_json(figures.model_dump(mode="json"))
    else:
        _print(figures)


def _print(figures: LogStats) -> None:
    events = counted(figures.events, "event")
    say(f"{counted(figures.orders, 'order')} of {figures.provider}, {events}", "bold")
    if figures.unfoldable:
        orders = counted(figures.unfoldable, "order")
        say(f"{orders} cannot be folded and are not counted; run: lifecycle list", "yellow")
    say()
    print_table(_STATES, _states(figures))
    say()
    print_table(_MOVES, _moves(figures))


def _states(figures: LogStats) -> Iterator[tuple[str | Cell, ...]]:
    for state in figures.states:
        yield (
            state.state,
            f"{state.entered:,}",
            f"{state.orders:,}",
            Cell(f"{state.now:,}", "bold" if state.now else "dim"),
            short(state.p50),
            short(state.p95),
        )


def _moves(figures: LogStats) -> Iterator[tuple[str | Cell, ...]]:
    for move in figures.moves:
        note = "" if move.declared else "skipped ahead"
        yield (move.from_ or "-", move.to, f"{move.count:,}", Cell(note, "yellow"))
