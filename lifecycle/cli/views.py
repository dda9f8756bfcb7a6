"""`lifecycle views`: the stored views that make `list` fast: build them, keep them up."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import counted, print_json, print_table, progress, say
from lifecycle.composition import connect
from lifecycle.log.view_store import Generation
from lifecycle.projections.stored_views import Standing
from lifecycle.service.orders import Orders

MOST_SHOWN: Final = 100


def views(
    *,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build all views anew beside those in use, and swap at the end."
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
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Show, build and keep up the stored views that list asks."""
    if rebuild + catch_up + follow + redrive > 1:
        raise Refusal("choose one of --rebuild, --catch-up, --follow and --redrive")
    with connect(db, provider=provider, create=False) as orders:
        if rebuild:
            _rebuild(orders)
        elif catch_up:
            with progress("views", orders.views.standing().behind) as advance:
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
    standing = orders.views.standing()
    poisoned = [one for one, _ in zip(orders.views.poisoned(), range(MOST_SHOWN), strict=False)]
    if json:
        print_json(
            {
                **_as_json(standing),
                "poisoned_orders": [one._asdict() for one in poisoned],
            }
        )
        return standing.ok
    say(told(standing), "green" if standing.ok else "bold red")
    if poisoned:
        say(f"{counted(standing.poisoned, 'order')} cannot be folded; after a fix: --redrive")
        print_table(("order", "why"), poisoned)
    return standing.ok


def told(standing: Standing) -> str:
    """Return how the stored views stand, in one line for people."""
    live, building = standing.live, standing.building
    on_its_way = "" if building is None else f"; generation {building.number} is being built"
    if live is None:
        return f"no views are stored; list folds the whole log{on_its_way}"
    where = f"generation {live.number} at position {live.position:,} of {standing.end:,}"
    made_for = "" if standing.fits else ", made for another definition"
    behind = f", {counted(standing.behind, 'record')} behind" if standing.behind else ""
    return f"{where}{behind}{made_for}{on_its_way}"


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "ok": standing.ok,
        "live": _generation(standing.live),
        "building": _generation(standing.building),
        "fits": standing.fits,
        "behind": standing.behind,
        "last_position": standing.end,
        "poisoned": standing.poisoned,
    }


def _generation(generation: Generation | None) -> dict[str, Any] | None:
    return None if generation is None else {**generation._asdict(), "phase": generation.phase.value}
