"""`lifecycle views`: the stored views that make `list` fast: build them, keep them up."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from lifecycle.cli.choice import orders_of_one
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName
from lifecycle.cli.output import attributes, counted, print_json, print_table, progress, say
from lifecycle.log.view_store import Generation
from lifecycle.projections.stored_views import ViewsStatus
from lifecycle.service.orders import Orders

MOST_SHOWN: Final = 100


def views(
    *,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build all views again beside those in use, and swap at the end."
        ),
    ] = False,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Take in what was recorded until now.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep the views up until interrupted.")
    ] = False,
    redrive: Annotated[
        bool, typer.Option("--redrive", help="Fold the poisoned orders again, as after a fix.")
    ] = False,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Show, build and keep up the stored views that list asks."""
    if rebuild + catch_up + follow + redrive > 1:
        raise Refusal("choose one of --rebuild, --catch-up, --follow and --redrive")
    with orders_of_one(db, provider, "name") as orders:
        if rebuild:
            _rebuild(orders)
        elif catch_up:
            with progress("views", orders.views.status().behind) as advance:
                orders.views.catch_up(advance)
        elif follow:
            orders.views.follow()
        elif redrive:
            orders.views.redrive()
        ok = _show(orders, json=json)
    if not ok:
        raise typer.Exit(NO)


def _rebuild(orders: Orders) -> None:
    total = sum(1 for _ in orders.log.streams(prefix=f"order:{orders.provider.name}:"))
    with progress("views", total) as advance:
        orders.views.rebuild(advance)


def _show(orders: Orders, *, json: bool) -> bool:
    status = orders.views.status()
    poisoned = [one for one, _ in zip(orders.views.poisoned(), range(MOST_SHOWN), strict=False)]
    if json:
        print_json(
            {
                "ok": status.ok,
                "live": _generation(status.live),
                "building": _generation(status.building),
                **attributes(status, "fits", "behind"),
                "last_position": status.end,
                "poisoned": status.poisoned,
                "poisoned_orders": [one._asdict() for one in poisoned],
            }
        )
        return status.ok
    say(told(status), "green" if status.ok else "bold red")
    if poisoned:
        say(f"{counted(status.poisoned, 'order')} cannot be folded; after a fix: --redrive")
        print_table(("order", "why"), poisoned)
    return status.ok


def told(status: ViewsStatus) -> str:
    """Return how the stored views stand, in one line for people."""
    live, building = status.live, status.building
    on_its_way = "" if building is None else f"; generation {building.number} is being built"
    if live is None:
        return f"no views are stored; list folds the whole log{on_its_way}"
    where = f"generation {live.number} at position {live.position:,} of {status.end:,}"
    made_for = "" if status.fits else ", made for another definition"
    behind = f", {counted(status.behind, 'record')} behind" if status.behind else ""
    return f"{where}{behind}{made_for}{on_its_way}"


def _generation(generation: Generation | None) -> dict[str, Any] | None:
    return None if generation is None else {**generation._asdict(), "phase": generation.phase.value}
