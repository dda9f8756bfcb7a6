"""`lifecycle verify`: nothing that is stored was changed, and nothing is gone."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lifecycle.audit import verify as auditor
from lifecycle.audit.checkpoint import Checkpoint
from lifecycle.cli.failure import NO
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, Json
from lifecycle.cli.output import counted, print_json, say
from lifecycle.cli.progress import progress
from lifecycle.cli.table import print_table
from lifecycle.errors import InvalidArgumentError


def _read_checkpoint(text: str) -> Checkpoint:
    try:
        return Checkpoint.parse(text)
    except InvalidArgumentError as refused:
        raise typer.BadParameter(f"expected {refused.expected}, as verify prints it") from None


def verify(
    *,
    checkpoint: Annotated[
        Checkpoint | None,
        typer.Option(
            "--checkpoint",
            metavar="CHECKPOINT",
            parser=_read_checkpoint,
            help="An earlier one, kept elsewhere: what it saw must still be there.",
        ),
    ] = None,
    db: Database = DEFAULT_DATABASE,
    json: Json = False,
) -> None:
    """Check that nothing stored was changed; print a checkpoint."""
    with opened(db, DEFAULT_PROVIDER) as orders, progress("verify"):
        found = auditor.verify(orders.log, checkpoint=checkpoint)
    if json:
        print_json(_as_json(found))
    else:
        _print(found, held=checkpoint is not None)
    if not found.ok:
        raise typer.Exit(NO)


def _as_json(found: auditor.Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "records": found.records,
        "orders": found.orders,
        "found": found.found,
        "findings": [finding._asdict() for finding in found.findings],
        "checkpoint": str(found.checkpoint),
    }


def _print(found: auditor.Verification, *, held: bool) -> None:
    looked_at = f"{counted(found.records, 'record')} of {counted(found.orders, 'order')}"
    if found.ok:
        say(
            f"{looked_at}: nothing that is there was changed, and none is missing in between",
            "green",
        )
        if not held:
            say("only an earlier checkpoint can show whether the end of the log was cut off")
        say(f"checkpoint {found.checkpoint}")
        return
    say(f"{looked_at}: {counted(found.found, 'finding')}, in the order of the log", "bold red")
    print_table(
        ("position", "stream", "version", "found"),
        (
            (
                _told(finding.position),
                _told(finding.stream),
                _told(finding.version),
                finding.sentence,
            )
            for finding in found.findings
        ),
    )


def _told(value: object) -> str:
    return "-" if value is None else str(value)
