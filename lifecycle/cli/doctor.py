"""`lifecycle doctor`: the installation, the database, and whether something needs a person."""

from __future__ import annotations

import typer

from lifecycle.cli.checkup import Check, checks_of_installation, checks_of_log
from lifecycle.cli.failure import DONE, NO, STORE, USAGE
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import Cell, print_json, say
from lifecycle.cli.progress import progress
from lifecycle.cli.table import print_table
from lifecycle.errors import StoreError, StoreUrlError


def doctor(
    *,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
    json: Json = False,
) -> None:
    """Check the installation and the database; say what to do."""
    checks = list(checks_of_installation())
    code = _check_log(checks, db, provider)
    ok = all(check.ok for check in checks)
    if json:
        print_json({"ok": ok, "checks": [check._asdict() for check in checks]})
    else:
        _print(checks, ok=ok)
    if code or not ok:
        raise typer.Exit(code or NO)


def _check_log(checks: list[Check], db: str, provider: str) -> int:
    """Add what is to be said about the log, and return the code of one that cannot be opened."""
    try:
        with opened(db, provider) as orders, progress("doctor"):
            checks.extend(checks_of_log(orders))
    except StoreUrlError as failure:
        checks.append(Check("database", False, "no store answers to this URL", str(failure)))
        return USAGE
    except StoreError as failure:
        checks.append(Check("database", False, "it cannot be used", str(failure)))
        return STORE
    return DONE


def _print(checks: list[Check], *, ok: bool) -> None:
    rows = (
        (
            Cell("ok", "green") if check.ok else Cell("look", "bold red"),
            check.name,
            check.found,
            check.advice or check.meaning or "",
        )
        for check in checks
    )
    print_table(("", "check", "found", "what it means, or what to do"), rows)
    say()
    say("all is well" if ok else "something needs a person: see the lines marked 'look'")
