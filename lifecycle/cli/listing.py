"""`lifecycle list`: the orders for which every condition holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.opened import opened
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    Database,
    Json,
    ProviderName,
    read_duration,
)
from lifecycle.cli.output import Cell, print_json_array, say
from lifecycle.cli.table import print_table
from lifecycle.instant import format_instant
from lifecycle.orders import Orders
from lifecycle.view import OrderView

HEADINGS: Final = ("order", "status", "since", "awaiting", "anomalies")


def listing(
    *,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="Only orders that stand there.")
    ] = None,
    waiting_longer_than: Annotated[
        timedelta | None,
        typer.Option(
            "--waiting-longer-than",
            metavar="SPAN",
            parser=read_duration,
            help="Only orders that wait longer than 90s, 15m, 2h or 3d for their next step.",
        ),
    ] = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="Only orders that a person should look at.")
    ] = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """List orders; several conditions must all hold."""
    with opened(db, provider) as orders:
        _check_status(orders, status)
        views = orders.find(
            status=status, waiting_longer_than=waiting_longer_than, anomalies=anomalies
        )
        if json:
            print_json_array(view.model_dump(mode="json") for view in views)
        elif not print_table(HEADINGS, map(_row, views)):
            say("no such order")


def _check_status(orders: Orders, status: str | None) -> None:
    states = orders.provider.definition.states
    if status is not None and status not in states:
        raise Refusal(f"{status!r} is no status; expected one of {', '.join(states)}")


def _row(view: OrderView) -> tuple[str | Cell, ...]:
    codes = dict.fromkeys(anomaly.code for anomaly in view.anomalies)
    return (
        view.order_id,
        Cell(view.status, "green" if view.terminal else "bold"),
        format_instant(view.arrival.waiting_since),
        ", ".join(view.awaiting) or "-",
        Cell(", ".join(codes) or "-", "red" if codes else "dim"),
    )
