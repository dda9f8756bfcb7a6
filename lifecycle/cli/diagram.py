"""`lifecycle diagram`: the definition, or what happened to one order."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.opened import opened
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    AsAt,
    AsOf,
    Database,
    ProviderName,
)
from lifecycle.cli.picture import (
    STDOUT,
    Colors,
    Format,
    FormatName,
    Narrow,
    Output,
    ThemeName,
    form_of,
    write_picture,
)
from lifecycle.diagram import draw_definition, draw_order
from lifecycle.log.file_mode import ORDINARY, PRIVATE


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
    with opened(db if order is not None else "memory:", provider, create=order is None) as orders:
        picture = (
            draw_definition(orders.provider.definition, narrow=narrow)
            if order is None
            else draw_order(orders, order, shown.value, as_at=as_at, as_of=as_of, narrow=narrow)
        )
    # A definition is no secret; what became of an order is.
    mode = ORDINARY if order is None else PRIVATE
    write_picture(picture, form_of(form, output) or _USUAL[shown], theme, output, mode=mode)
