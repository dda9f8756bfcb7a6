"""`lifecycle export`: recordings out, on stdout or into a file that is whole or not there."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lifecycle.audit import export as exporter
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database, ProviderName
from lifecycle.cli.output import escaped, print_text
from lifecycle.cli.progress import progress
from lifecycle.cli.source import STDIN
from lifecycle.cli.whole_file import whole_or_not_there
from lifecycle.core.event import stream_of

STDOUT = STDIN


def export(
    *,
    order: Annotated[
        str | None, typer.Option("--order", metavar="ORDER", help="Only the events of this order.")
    ] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Also what could not be read.")
    ] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is stdout.")
    ] = STDOUT,
    db: Database = DEFAULT_DATABASE,
    provider: ProviderName = DEFAULT_PROVIDER,
) -> None:
    """Write every stored event as a recording that ingest reads."""
    with opened(db, provider) as orders:
        if order is not None:
            orders.get(order)
        stream = None if order is None else stream_of(orders.provider.name, order)
        lines = exporter.export(orders.log, stream=stream, quarantine=quarantine)
        if output == STDOUT:
            _print(lines)
            return
        last = orders.log.last_position() if stream is None else None
        with (
            whole_or_not_there(Path(output), "export") as file,
            progress("export", last) as advance,
        ):
            for line in lines:
                file.write(line)
                advance(1)


def _print(lines: Iterable[bytes]) -> None:
    if sys.stdout.isatty():
        # Quarantined lines are shown as they came, but must not steer the terminal.
        for line in lines:
            print_text(escaped(line.decode(errors="backslashreplace").rstrip("\n")))
    else:
        sys.stdout.buffer.writelines(lines)
