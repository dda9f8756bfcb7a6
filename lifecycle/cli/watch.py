"""`lifecycle watch`: what changes, as it is recorded."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import Cell, arrow, print_styled, print_text, visible, warn
from lifecycle.core.instant import format_instant
from lifecycle.core.strict_json import compact
from lifecycle.projections.change_feed import EVERY_SECONDS, OrderChange


def watch(
    *,
    after: Annotated[
        int | None,
        typer.Option(
            "--after",
            metavar="POSITION",
            min=0,
            help="Begin after this position of the log; 0 tells it all. The end, by default.",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End at the end of the log.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=0.01, max=3600, help="Seconds between two looks.")
    ] = EVERY_SECONDS,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Print each change of an order as it is recorded, until Ctrl-C."""
    with opened(db, provider) as orders:
        begin = orders.log.last_position() if after is None else after
        if not once:
            warn(f"watching from position {begin}; stop with Ctrl-C")
        coming = orders.changes(after=begin) if once else orders.subscribe(after=begin, every=every)
        for change in coming:
            if json:
                print_text(compact(_as_json(change)).decode())
            else:
                _print(change)
            sys.stdout.flush()


def _as_json(change: OrderChange) -> dict[str, object]:
    """Return one line for programs: what changed, and where the order stands then."""
    fields = change._asdict()
    del fields["view"]
    return fields | {
        "received_at": format_instant(change.view.arrival.last_received_at),
        "awaiting": list(change.view.awaiting),
        "anomalies": sorted({anomaly.code for anomaly in change.view.anomalies}),
    }


def _print(change: OrderChange) -> None:
    style = "green" if change.view.terminal else "bold"
    pieces = [
        Cell(f"{change.position:>8}  ", "dim"),
        Cell(f"{format_instant(change.view.arrival.last_received_at)}  ", "dim"),
        Cell(f"{visible(change.order_id)}  "),
        Cell(f"{change.before or '-'} {arrow()} "),
        Cell(change.after, style),
    ]
    if change.corrected:
        pieces.append(Cell("  corrected: something late rewrote the path", "yellow"))
    print_styled(pieces)
