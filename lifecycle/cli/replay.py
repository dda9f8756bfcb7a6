"""`lifecycle replay`: every view derived anew from the raw bytes, and compared."""

from __future__ import annotations

import json as json_module
import os
from functools import partial
from typing import Annotated, Any, Final

import typer

from lifecycle.audit import replay as auditor
from lifecycle.cli.failure import NO
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json
from lifecycle.cli.output import counted, print_json, say
from lifecycle.cli.progress import progress
from lifecycle.cli.table import print_table
from lifecycle.composition import known_providers, open_log
from lifecycle.log.contract import ORDERS
from lifecycle.service.orders import Orders

LONGEST_VALUE: Final = 60
SMALL_LOG: Final = 20_000
"""Records."""

_IN_MEMORY: Final = "memory:"


def replay(
    *,
    workers: Annotated[
        int,
        typer.Option(
            "--workers", min=0, metavar="N", help="Processes to use; 0 is one a processor."
        ),
    ] = 0,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Derive every view anew from the raw bytes, and compare."""
    with opened(db, DEFAULT_PROVIDER) as orders:
        found = _replayed(orders, db, workers)
    if json:
        print_json(_as_json(found))
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(NO)


def _replayed(orders: Orders, url: str, workers: int) -> auditor.Replay:
    log = orders.log
    last = log.last_position()
    if workers == 0:
        # Starting processes takes longer than replaying a small log.
        workers = (os.cpu_count() or 1) if last > SMALL_LOG else 1
    with progress("replay", last) as advance:
        if workers == 1 or log.url == _IN_MEMORY:
            return auditor.replay(log, known_providers(), advance)
        source = auditor.Source(partial(open_log, url, create=False), known_providers)
        return auditor.replay_in_processes(log, source, workers, advance)


def _as_json(found: auditor.Replay) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "records": found.records,
        "orders": found.orders,
        "compared": found.compared,
        "behind": found.behind,
        "linked": found.linked,
        "found": found.found,
        "differences": [difference._asdict() for difference in found.differences],
    }


def _print(found: auditor.Replay) -> None:
    looked_at = f"{counted(found.records, 'record')} of {counted(found.orders, 'order')}"
    if found.ok:
        say(f"{looked_at}: all of it comes out as it was stored", "green")
    else:
        say(f"{looked_at}: {counted(found.found, 'difference')}", "bold red")
        print_table(
            ("order", "version", "field", "stored", "found"),
            (
                (
                    difference.stream.removeprefix(ORDERS) or "-",
                    "-" if difference.version is None else str(difference.version),
                    difference.field,
                    _told(difference.stored),
                    _told(difference.found),
                )
                for difference in found.differences
            ),
        )
    say(_about_views(found))
    if found.linked is None:
        say("whether nothing is gone from between the records, only verify can tell")


def _about_views(found: auditor.Replay) -> str:
    if not found.compared and not found.behind:
        return "no stored views were there to compare with"
    compared = f"{counted(found.compared, 'stored view')} compared"
    return f"{compared}, {found.behind:,} behind the log" if found.behind else compared


def _told(value: Any) -> str:
    text = "-" if value is None else json_module.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
