"""`lifecycle doctor`: the installation, the database, and whether something needs a person."""

from __future__ import annotations

from typing import Final

import typer

from lifecycle.cli.doctor_checks import Check, checks_of_installation, checks_of_log
from lifecycle.cli.failure import DONE, NO, STORE, USAGE
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json, ProviderName
from lifecycle.cli.output import Cell, attributes, print_json, print_table, progress, say
from lifecycle.composition import connect
from lifecycle.errors import StoreError, StoreUrlError
from lifecycle.log.contract import Level

_KEYS: Final = ("name", "level", "ok", "found", "advice", "meaning")
_STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.ATTENTION: "bold yellow",
    Level.FAIL: "bold red",
}


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
        print_json({"ok": ok, "checks": [attributes(check, *_KEYS) for check in checks]})
    else:
        _print(checks)
    if code or not ok:
        raise typer.Exit(code or NO)


def _check_log(checks: list[Check], db: str, provider: str) -> int:
    """Add what is to be said about the log, and return the code of one that cannot be opened."""
    try:
        with connect(db, provider=provider, create=False) as orders, progress("doctor"):
            checks.extend(checks_of_log(orders))
    except StoreUrlError as failure:
        checks.append(Check("database", Level.FAIL, "no store answers to this URL", str(failure)))
        return USAGE
    except StoreError as failure:
        checks.append(Check("database", Level.FAIL, "it cannot be used", str(failure)))
        return STORE
    return DONE


def _print(checks: list[Check]) -> None:
    rows = (
        (Cell(check.level.value, _STYLES[check.level]), check.name, check.found, _told(check))
        for check in checks
    )
    print_table(("", "check", "found", "what it means, or what to do"), rows)
    say()
    wanting = ", ".join(check.name for check in checks if not check.ok)
    say(f"something needs a person: {wanting}" if wanting else "all is well")


def _told(check: Check) -> str:
    """Return what it means and what to do, each once."""
    parts = [check.meaning, None if check.advice == check.meaning else check.advice]
    return "; ".join(part for part in parts if part)
