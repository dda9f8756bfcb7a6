"""`lifecycle show` and `lifecycle history`: one order, and why we believe what we believe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.opened import opened
from lifecycle.cli.option import (
    DEFAULT_DATABASE,
    DEFAULT_PROVIDER,
    AsAt,
    AsOf,
    Database,
    Json,
    OrderId,
    ProviderName,
)
from lifecycle.cli.output import (
    Cell,
    arrow,
    print_fields,
    print_json,
    print_json_array,
    print_text,
    say,
    speaks_unicode,
    spoken,
    styled,
    terminal_width,
)
from lifecycle.cli.table import print_table
from lifecycle.core.view import HistoryEntry, OrderView
from lifecycle.diagram.drawing import seen_at_once
from lifecycle.diagram.timeline import timeline

VERDICT_STYLES: Final = {
    "applied": "green",
    "skipped_ahead": "green",
    "reverted": "yellow",
    "repeated": "dim",
    "noted": "",
    "stale": "dim",
    "refused": "bold red",
    "unrecognized": "red",
    "divergent": "bold magenta",
}
Ascii = Annotated[
    bool, typer.Option("--ascii", help="Draw in plain ASCII, the timeline as in a pipe.")
]
_PAGE_WIDTH: Final = 100
_HEAD: Final = ("order_id", "status", "terminal")


def show(
    order: OrderId,
    *,
    as_at: AsAt = None,
    as_of: AsOf = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    ascii_only: Ascii = False,
    json: Json = False,
) -> None:
    """Print the view of one order: everything known about it."""
    with opened(db, provider) as orders:
        view, entries = seen_at_once(orders, order, as_at=as_at, as_of=as_of)
    if json:
        print_json(view.model_dump(mode="json"))
        return
    print_view(view.model_dump(mode="json"))
    print_timeline(view, entries, ascii_only=ascii_only)


def history(
    order: OrderId,
    *,
    as_at: AsAt = None,
    as_of: AsOf = None,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    ascii_only: Ascii = False,
    json: Json = False,
) -> None:
    """Print every event of one order, its verdict and the reason."""
    with opened(db, provider) as orders:
        view, entries = seen_at_once(orders, order, as_at=as_at, as_of=as_of)
    items = [entry.model_dump(mode="json") for entry in entries]
    if json:
        print_json_array(items)
        return
    print_history(items, ascii_only=ascii_only)
    print_timeline(view, entries, ascii_only=ascii_only)


def print_timeline(view: OrderView, entries: Sequence[HistoryEntry], *, ascii_only: bool) -> None:
    """Print an order in time: in color on a terminal, in ASCII where asked and in a pipe."""
    width = terminal_width()
    say()
    print_text(
        timeline(
            view,
            entries,
            width=width or _PAGE_WIDTH,
            ascii_only=ascii_only or width is None or not speaks_unicode(),
            color=styled(),
        )
    )


def print_view(view: Mapping[str, Any]) -> None:
    """Print a view for people: what is said in a word first, what takes a table after it."""
    say(f"{view['order_id']}  {view['status']}{'  (ended)' if view['terminal'] else ''}", "bold")
    flat = dict(_flat(view))
    print_fields({name: value for name, value in flat.items() if name not in _HEAD})
    for name, rows in view.items():
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            say()
            say(name, "bold")
            cells = ([spoken(value) for value in row.values()] for row in rows)
            print_table(list(rows[0]), cells)


def print_history(items: list[dict[str, Any]], *, ascii_only: bool = False) -> None:
    """Print events for people: when, what, what it meant and why."""
    to = "->" if ascii_only else arrow()
    rows = (
        (
            item["occurred_at"] or "-",
            item["received_at"],
            item["name"],
            Cell(item["verdict"], VERDICT_STYLES.get(item["verdict"], "")),
            _move(item, to),
            item["reason"],
        )
        for item in items
    )
    print_table(("occurred", "received", "name", "verdict", "state", "reason"), rows)


def _move(item: Mapping[str, Any], to: str) -> str:
    if item["from"] == item["to"]:
        return item["to"] or "-"
    return f"{item['from'] or '-'} {to} {item['to']}"


def _flat(view: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in view.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        elif not isinstance(value, list) or not value or not isinstance(value[0], dict):
            yield within + name, value
