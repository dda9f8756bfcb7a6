"""`lifecycle views`: the stored views that make `list` fast: build them, keep them up."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from itertools import islice
from threading import Event
from typing import Annotated, Any, Final

import typer

from lifecycle.cli.choice import log_at, only_provider
from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database, Json, ProviderName
from lifecycle.cli.output import attributes, counted, print_table, progress, say
from lifecycle.cli.partition import Answer, print_answers
from lifecycle.composition import orders_on
from lifecycle.log.view_store import Generation, Poisoned
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
    with log_at(db, provider) as log:
        name = provider or only_provider(log, "name")
        every = [orders_on(part, name) for part in log.partitions]
        if follow:
            _follow(every)
        for orders in every:
            if rebuild:
                _rebuild(orders)
            elif catch_up:
                with progress("views", orders.views.status().behind) as advance:
                    orders.views.catch_up(advance)
            elif redrive:
                orders.views.redrive()
        print_answers(list(map(_status, every)), ("behind", "poisoned"), json=json)


def _follow(every: Sequence[Orders]) -> None:
    """Keep the views of all partitions up at the same time; what ends one ends all."""
    stop = Event()
    with ThreadPoolExecutor(len(every)) as threads:
        following = [threads.submit(orders.views.follow, stop) for orders in every]
        try:
            for done in as_completed(following):
                done.result()
        finally:
            stop.set()


def _rebuild(orders: Orders) -> None:
    total = sum(1 for _ in orders.log.streams(prefix=f"order:{orders.provider.name}:"))
    with progress("views", total) as advance:
        orders.views.rebuild(advance)


def _status(orders: Orders) -> Answer:
    status = orders.views.status()
    poisoned = list(islice(orders.views.poisoned(), MOST_SHOWN))
    as_json = {
        "ok": status.ok,
        "live": _generation(status.live),
        "building": _generation(status.building),
        **attributes(status, "fits", "behind"),
        "last_position": status.end,
        "poisoned": status.poisoned,
        "poisoned_orders": [one._asdict() for one in poisoned],
    }
    return Answer(status.ok, as_json, partial(_show, status, poisoned))


def _show(status: ViewsStatus, poisoned: Sequence[Poisoned]) -> None:
    say(told(status), "green" if status.ok else "bold red")
    if poisoned:
        say(f"{counted(status.poisoned, 'order')} cannot be folded; after a fix: --redrive")
        print_table(("order", "why"), poisoned)


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
