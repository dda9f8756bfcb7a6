"""`audit`, and `export --format parquet`: a log as columns, checked without the database."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifecycle.audit.columns.manifest import Bodies, Depth, read_manifest
from lifecycle.cli.checkpoint import public_key, read_checkpoint
from lifecycle.cli.failure import NO, Refusal
from lifecycle.cli.integrity import about_change, print_differences
from lifecycle.cli.option import Json
from lifecycle.cli.output import attributes, counted, print_json, print_table, progress, say
from lifecycle.log.contract import Log
from lifecycle.registry import known_providers

if TYPE_CHECKING:
    from lifecycle.audit.columns.auditing import Audit
    from lifecycle.audit.columns.engine import Engine

SMALL_EXPORT = 200_000
"""Records: fewer are audited in one process, since more take a second to start."""


class EngineName(StrEnum):
    """What runs the tasks."""

    LOCAL = "local"
    DASK = "dask"


_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The export to audit.")]
_Depth = Annotated[
    Depth, typer.Option(help="How much of the bodies is read: none, the details, all again.")
]
_Workers = Annotated[
    int,
    typer.Option("--workers", min=0, metavar="N", help="Processes to use; 0 is one a processor."),
]
_Engine = Annotated[
    EngineName, typer.Option(help="What runs the tasks: this machine, or a cluster.")
]
_Address = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Of the scheduler of the cluster.")
]
_Held = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", metavar="CHECKPOINT", help="Of the log, kept elsewhere."),
]
_Trusted = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The public key that must have signed it."),
]


def export_parquet(log: Log, folder: Path, bodies: Bodies) -> None:
    """Write all of a log as columns, and say what to keep."""
    from lifecycle.audit.columns.writing import export_columns  # noqa: PLC0415 - an extra

    with progress("export", log.last_position()) as advance:
        manifest = export_columns(log, known_providers(), folder, bodies=bodies, progress=advance)
    shards = counted(len(manifest.shards), "shard")
    orders = counted(manifest.orders, "order")
    say(f"{counted(manifest.records, 'record')} of {orders} written, in {shards}")
    say(f"checkpoint {manifest.checkpoint}")
    say(f"check them with: lifecycle audit {folder}")


def audit(
    folder: _Folder,
    *,
    depth: _Depth = Depth.BODIES,
    workers: _Workers = 0,
    engine: _Engine = EngineName.LOCAL,
    address: _Address = None,
    checkpoint: _Held = None,
    key: _Trusted = None,
    json: Json = False,
) -> None:
    """Check an export in Parquet: its files, chains, orders, views."""
    from lifecycle.audit.columns import auditing  # noqa: PLC0415 - an extra

    trusted = public_key(key)
    held = [read_checkpoint(text, [trusted] if trusted else []) for text in checkpoint or []]
    records = read_manifest(folder).records
    chosen = _engine(engine, address, workers, records)
    with progress("audit", records) as advance:
        found = auditing.audit_columns(
            folder.resolve(),
            known_providers,
            depth=depth,
            engine=chosen,
            checkpoints=held,
            progress=advance,
        )
    if json:
        _print_as_json(found)
    else:
        _print(found)
    if not found.ok:
        raise typer.Exit(NO)


def _engine(name: EngineName, address: str | None, workers: int, records: int) -> Engine:
    from lifecycle.audit.columns import engine  # noqa: PLC0415 - an extra

    if (name is EngineName.DASK) != (address is not None):
        raise Refusal("--engine dask needs the --address of its scheduler, and no other does")
    if address is not None:
        return engine.on_dask(address)
    if workers == 0:
        workers = (os.cpu_count() or 1) if records > SMALL_EXPORT else 1
    return engine.in_this_process if workers == 1 else engine.in_processes(workers)


def _print_as_json(found: Audit) -> None:
    counts = ("records", "orders", "plain", "compared", "behind", "linked", "found")
    print_json(
        attributes(found, "ok", "manifest", "bodies", "depth", *counts)
        | {
            "files": [each._asdict() for each in found.files],
            "differences": [each._asdict() for each in found.differences],
        }
        | ({"changed": [each._asdict() for each in found.changed]} if found.changed else {})
    )


def _print(found: Audit) -> None:
    looked_at = f"{counted(found.records, 'record')} of {counted(found.orders, 'order')}"
    if found.ok:
        say(f"{looked_at}: all of it comes out as it was exported", "green")
    else:
        say(f"{looked_at}: {counted(found.found, 'finding')}", "bold red")
        print_table(("file", "found"), found.files)
        print_differences(found.differences)
    for change in found.changed:
        say(about_change(change), "yellow")
    replayed = counted(found.orders - found.plain, "order")
    say(f"{counted(found.compared, 'view')} compared; {replayed} replayed one by one")
    if found.bodies is not Bodies.WHOLE:
        say(f"bodies: {found.bodies}; hashes of bodies, details and errors were not compared")
    elif found.depth is Depth.HEADERS:
        say("bodies were not read: their hashes and the details in them were not compared")
    if found.linked is None:
        say("whether nothing is gone from between the records, only verify can tell")
    say(f"manifest {found.manifest}; compare it with the one that you keep elsewhere")
