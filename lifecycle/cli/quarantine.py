"""`lifecycle quarantine`: what could not be read and why; and reading it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import Cell, counted, print_json_array, say, warn
from lifecycle.cli.table import print_table
from lifecycle.composition import known_providers
from lifecycle.core.event import Event
from lifecycle.service.orders import Orders
from lifecycle.service.receipt import QuarantineItem

HEADINGS: Final = (
    "item",
    "received",
    "reason",
    "provider",
    "kind",
    "order",
    "line",
    "bytes",
    "re-driven",
    "detail",
)
LONGEST_ID_SHOWN: Final = 60
REDRIVEN_HEADINGS: Final = ("item", "order", "outcome", "event")


def quarantine(
    *,
    redrive: Annotated[
        bool,
        typer.Option(
            "--redrive", help="Read every waiting item again, and record what can be read now."
        ),
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Also items that were re-driven.")] = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """List what could not be read and why; --redrive reads it again."""
    if redrive and every:
        raise Refusal("--redrive and --all do not go together; run them one after the other")
    with opened(db, provider) as orders:
        if redrive:
            _redrive(orders, json=json)
        elif json:
            print_json_array(item.model_dump(mode="json") for item in orders.quarantine(all=every))
        elif not print_table(HEADINGS, map(_row, orders.quarantine(all=every))):
            say("nothing is in the quarantine")


def _redrive(orders: Orders, *, json: bool) -> None:
    # All of it first: a reader of our output that goes away must not stop the work.
    became = list(_redriven(orders))
    if json:
        print_json_array(became)
    elif not print_table(
        REDRIVEN_HEADINGS, ([str(value) for value in event.values()] for event in became)
    ):
        say("nothing in the quarantine can be read yet")
    for provider, count in _without_provider(orders).items():
        warn(f"{counted(count, 'item')} left: provider {provider!a} is not known here")


def _redriven(orders: Orders) -> Iterator[dict[str, Any]]:
    for receipt in orders.redrive():
        if isinstance(receipt.event, Event):
            yield {
                "item": receipt.event.redriven_from,
                "order_id": receipt.event.order_id,
                "outcome": receipt.outcome.value,
                "key": receipt.event.key,
            }


def _without_provider(orders: Orders) -> Counter[str]:
    """Count the waiting items whose provider nobody here can ask, by its name."""
    known = known_providers()
    return Counter(item.provider for item in orders.quarantine() if item.provider not in known)


def _row(item: QuarantineItem) -> tuple[str | Cell, ...]:
    shown = item.model_dump(mode="json")
    return (
        str(item.item),
        shown["received_at"] or "-",
        Cell(item.reason, "red" if item.redriven is None else "dim"),
        item.provider,
        item.kind or "-",
        _shortened(item.order_id or "-"),
        "-" if item.line_number is None else str(item.line_number),
        str(item.size),
        item.redriven or "-",
        item.detail,
    )


def _shortened(text: str) -> str:
    """An order id lands here because it may be far too long: a table shows how it starts."""
    return text if len(text) <= LONGEST_ID_SHOWN else f"{text[:LONGEST_ID_SHOWN]}..."
