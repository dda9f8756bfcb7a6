"""`lifecycle copy`: a log moves from one store to another, every record just as it is."""

from __future__ import annotations

from typing import Annotated

import typer

from lifecycle.audit.copying import Copied
from lifecycle.audit.copying import copy as copy_log
from lifecycle.cli.failure import NO
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_PROVIDER, Json
from lifecycle.cli.output import counted, print_json, say
from lifecycle.cli.progress import progress


def copy(
    *,
    source: Annotated[str, typer.Option("--from", metavar="URL", help="The log to read.")],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="An empty store, or an earlier copy.")
    ],
    json: Json = False,
) -> None:
    """Copy a log to another store, chains and all, and verify it."""
    with (
        opened(source, DEFAULT_PROVIDER) as old,
        opened(target, DEFAULT_PROVIDER, create=True) as new,
        progress("copy", old.log.last_position()) as advance,
    ):
        done = copy_log(old.log, new.log, advance=advance)
    if json:
        print_json(_as_json(done))
    else:
        _print(done)
    if not done.verification.ok:
        raise typer.Exit(NO)


def _as_json(done: Copied) -> dict[str, object]:
    found = done.verification
    return {
        "ok": found.ok,
        "written": done.written,
        "present": done.present,
        "records": found.records,
        "orders": found.orders,
        "found": found.found,
        "checkpoint": str(found.checkpoint),
    }


def _print(done: Copied) -> None:
    found = done.verification
    say(f"{counted(done.written, 'record')} copied, {done.present} were there before")
    if found.ok:
        say(f"the copy of {counted(found.orders, 'order')} holds together", "green")
        say(f"checkpoint {found.checkpoint}")
    else:
        say(f"the copy has {counted(found.found, 'finding')}; run: lifecycle verify", "bold red")
