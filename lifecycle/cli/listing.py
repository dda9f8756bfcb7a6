"""`lifecycle list`: the orders for which every condition holds."""

from __future__ import annotations

from collections.abc import Iterator
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
    ReceivedBefore,
    ReceivedSince,
    read_duration,
)
from lifecycle.cli.output import Cell, print_json_array, say
from lifecycle.cli.table import print_table
from lifecycle.core.instant import format_instant
from lifecycle.core.view import OrderView
from lifecycle.errors import PoisonedOrdersError
from lifecycle.service.orders import Orders

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
    received_since: ReceivedSince = None,
    received_before: ReceivedBefore = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """List orders; several conditions must all hold."""
    with opened(db, provider) as orders:
        _check_status(orders, status)
        views = orders.find(
            status=status,
            waiting_longer_than=waiting_longer_than,
            anomalies=anomalies,
            received_since=received_since,
            received_before=received_before,
        )
        readable = _Readable(views)
        if json:
            print_json_array(view.model_dump(mode="json") for view in readable)
        elif not print_table(HEADINGS, map(_row, readable)):
            say("no such order")
        readable.tell_the_rest()


class _Readable:
    """The views that could be folded; the others are told of when all of these are printed."""

    def __init__(self, views: Iterator[OrderView]) -> None:
        self._views = views
        self._rest: PoisonedOrdersError | None = None

    def __iter__(self) -> Iterator[OrderView]:
        try:
            yield from self._views
        except PoisonedOrdersError as rest:
            self._rest = rest

    def tell_the_rest(self) -> None:
        """Raise for the orders that could not be folded, if there are any."""
        if self._rest is not None:
            raise self._rest


def _check_status(orders: Orders, status: str | None) -> None:
    states = orders.provider.definition.states
    if status is not None and status not in states:
        raise Refusal(f"{status!a} is no status; expected one of {', '.join(states)}")


def _row(view: OrderView) -> tuple[str | Cell, ...]:
    codes = dict.fromkeys(anomaly.code for anomaly in view.anomalies)
    return (
        view.order_id,
        Cell(view.status, "green" if view.terminal else "bold"),
        format_instant(view.arrival.waiting_since),
        ", ".join(view.awaiting) or "-",
        Cell(", ".join(codes) or "-", "red" if codes else "dim"),
    )
