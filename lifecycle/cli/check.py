"""`lifecycle check`: whether a definition holds together, and whether arrival can matter to it."""

from __future__ import annotations

from typing import Annotated

import typer

from lifecycle.cli.failure import NO
from lifecycle.cli.option import Json, ProviderName
from lifecycle.cli.output import print_json
from lifecycle.composition import DEFAULT_PROVIDER

Asked = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:NAME",
        help="A definition or a fold of yours; the provider's definition if none is named.",
    ),
]
Size = Annotated[
    int | None,
    typer.Option("--size", metavar="N", min=1, max=8, help="Compare sets of up to N events; 4."),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Give up beyond N sets, or states of a fold."),
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=0, max=256, help="Processes to use; 0 is all.")
]


def check(
    target: Asked = None,
    *,
    size: Size = None,
    limit: Limit = None,
    workers: Workers = 0,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Lint a definition, and prove that arrival never matters."""
    # No other command waits for the prover to be imported.
    from lifecycle.cli.proving import certified, named, print_certificate, shipped  # noqa: PLC0415

    asked = (
        shipped(DEFAULT_PROVIDER if provider is None else provider)
        if target is None
        else named(target)
    )
    certificate = certified(asked, size=size, limit=limit, workers=workers)
    if json:
        print_json(certificate.shown())
    else:
        print_certificate(certificate)
    if not certificate.ok:
        raise typer.Exit(NO)
