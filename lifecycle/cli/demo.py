"""`lifecycle demo`: the main job end to end, on a log that is made for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.demo_claims import Demonstration, demonstrate
from lifecycle.cli.failure import NO
from lifecycle.cli.option import Json
from lifecycle.cli.output import (
    arrow,
    counted,
    print_json,
    print_table,
    print_text,
    progress,
    say,
    speaks_unicode,
    styled,
    terminal_width,
)
from lifecycle.composition import connect
from lifecycle.diagram.mermaid import mermaid
from lifecycle.diagram.timeline import timeline

DEFAULT_ORDERS: Final = 1000
MOST_ORDERS: Final = 100_000
# With this one everything arrived of the order that is shown, some of it late, some twice.
DEFAULT_SEED: Final = 37
_PAGE_WIDTH: Final = 100


def demo(
    *,
    count: Annotated[
        int, typer.Option("--orders", min=1, max=MOST_ORDERS, help="How many orders to invent.")
    ] = DEFAULT_ORDERS,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another seed, other orders; the same, the same.")
    ] = DEFAULT_SEED,
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="URL", help="The log to use instead of a fresh one."),
    ] = None,
    json: Json = False,
) -> None:
    """Deliver 1,000 orders badly, and see that every view is right."""
    url = db or f"sqlite:///{Path(mkdtemp(prefix='lifecycle-demo-')) / 'demo.db'}"
    with connect(url) as orders, progress("demo"):
        shown = demonstrate(orders, seed=seed, count=count)
        drawn = mermaid(orders.provider.definition, shown.shown, shown.history)
    if json:
        print_json(_as_json(shown, url, seed, count))
    else:
        _print(shown, url, count, drawn)
    if not shown.ok:
        raise typer.Exit(NO)


def _as_json(shown: Demonstration, url: str, seed: int, count: int) -> dict[str, Any]:
    return {
        "ok": shown.ok,
        "db": url,
        "seed": seed,
        "orders": count,
        "how_to": [
            {"tells": told.tells, "view": told.view.model_dump(mode="json")}
            for told in shown.how_to
        ],
        "delivery": dict(shown.damage),
        "outcomes": dict(shown.outcomes),
        "statuses": dict(shown.statuses),
        "claims": [claim._asdict() for claim in shown.claims],
        "shown": shown.shown.model_dump(mode="json"),
    }


def _print(shown: Demonstration, url: str, count: int, drawn: str) -> None:
    _head("1", "The three stories of the provider's how-to")
    print_table(
        ("order", "what happened", "path"),
        ((told.view.order_id, told.tells, _path(told.view.path)) for told in shown.how_to),
    )
    _head("2", f"{counted(count, 'order')}, delivered badly")
    _print_numbers("delivery", shown.damage)
    _print_numbers("the log", shown.outcomes)
    _print_numbers("they stand at", shown.statuses)
    say()
    for claim in shown.claims:
        say(f"{'yes' if claim.ok else 'NO '}  {claim.name}", "green" if claim.ok else "bold red")
        say(f"     {claim.found}")
    _head("3", "One of them: when it happened, when we heard")
    print_text(
        timeline(
            shown.shown,
            shown.history,
            width=terminal_width() or _PAGE_WIDTH,
            ascii_only=not speaks_unicode(),
            color=styled(),
        )
    )
    _head("4", "Its path as a Mermaid diagram, to paste into a Markdown page")
    print_text(drawn)
    _head("5", "Look around: the log stays until you delete it")
    for command in (
        f"history {shown.shown.order_id}",
        "list --anomalies",
        "list --waiting-longer-than 1h",
        "verify",
    ):
        say(f"  lifecycle {command} --db {url}")


def _head(number: str, title: str) -> None:
    if number != "1":
        say()
    say(f"{number}  {title}", "bold")
    say()


def _print_numbers(what: str, numbers: Mapping[str, int]) -> None:
    said = ", ".join(f"{name} {number:,}" for name, number in numbers.items())
    say(f"  {what}: {said}")


def _path(path: Iterable[Any]) -> str:
    return f" {arrow()} ".join(step.status for step in path)
