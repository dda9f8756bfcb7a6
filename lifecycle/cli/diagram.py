"""`lifecycle diagram`: the definition, or the path that one order took through it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, ProviderName
from lifecycle.cli.output import print_text
from lifecycle.definition import Definition
from lifecycle.diagram.dot import dot
from lifecycle.diagram.mermaid import mermaid
from lifecycle.view import OrderView


class Format(StrEnum):
    """The languages in which a diagram can be written."""

    MERMAID = "mermaid"
    DOT = "dot"


def diagram(
    *,
    order: Annotated[
        str | None,
        typer.Option("--order", metavar="ORDER", help="The path that this order took."),
    ] = None,
    language: Annotated[
        Format, typer.Option("--format", help="The language to write it in.")
    ] = Format.MERMAID,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
) -> None:
    """Draw the states and moves, or the path that one order took."""
    # The definition is the same whatever the log holds: it takes none to draw it.
    with opened(db if order is not None else "memory:", provider, create=order is None) as orders:
        view = None if order is None else orders.get(order)
        print_text(_writer(language)(orders.provider.definition, view))


def _writer(language: Format) -> Callable[[Definition, OrderView | None], str]:
    match language:
        case Format.MERMAID:
            return mermaid
        case Format.DOT:
            return dot
