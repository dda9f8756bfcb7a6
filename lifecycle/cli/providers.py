"""`lifecycle providers`: the providers that are installed, and what each offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from lifecycle.cli.option import Json
from lifecycle.cli.output import Cell, print_json_array, print_table
from lifecycle.registry import BrokenProvider, FoundProvider, found_providers

HEADINGS: Final = ("name", "from", "definition", "fingerprint", "offers")
_FINGERPRINT_SHOWN: Final = 12


def providers(context: typer.Context, *, json: Json = False) -> None:
    """List the providers that are installed, broken ones too."""
    if context.invoked_subcommand is not None:
        return
    if json:
        print_json_array(map(_as_json, found_providers()))
    else:
        print_table(HEADINGS, map(_row, found_providers()))


def _as_json(found: FoundProvider | BrokenProvider) -> dict[str, Any]:
    named: dict[str, Any] = {
        "name": found.name,
        "from": found.origin,
        "ok": isinstance(found, FoundProvider),
    }
    if isinstance(found, BrokenProvider):
        return (
            named
            | {"definition": None, "fingerprint": None, "offers": []}
            | {"trouble": found.trouble}
        )
    definition = found.provider.definition
    return named | {
        "definition": definition.name,
        "fingerprint": definition.fingerprint,
        "offers": list(_offers(found)),
        "trouble": None,
    }


def _row(found: FoundProvider | BrokenProvider) -> tuple[str | Cell, ...]:
    if isinstance(found, BrokenProvider):
        trouble = Cell(f"cannot be used: {found.trouble}", "bold red")
        return found.name, found.origin, "-", "-", trouble
    definition = found.provider.definition
    fingerprint = definition.fingerprint[:_FINGERPRINT_SHOWN]
    return found.name, found.origin, definition.name, fingerprint, ", ".join(_offers(found))


def _offers(found: FoundProvider) -> Iterator[str]:
    """Yield what a provider can be used for: reading, which all can, and its parts."""
    yield "reader"
    yield from found.parts
