"""`lifecycle backup`: a copy of a SQLite log, made while it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.opened import opened
from lifecycle.cli.option import DEFAULT_DATABASE, DEFAULT_PROVIDER, Database
from lifecycle.cli.output import say
from lifecycle.cli.progress import progress
from lifecycle.log.contract import BacksUp


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file for the copy.")],
    *,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Copy a SQLite log into a new file, while others use it."""
    with opened(db, DEFAULT_PROVIDER) as orders, progress("backup"):
        if not isinstance(orders.log, BacksUp):
            raise Refusal(
                "this store is backed up by its own tools, such as pg_dump; "
                "or copy the log: lifecycle copy --from URL --to sqlite:///copy.db"
            )
        _check_free(Path(file))
        orders.log.backup(file)
    say(f"written to {file}; check it with: lifecycle verify --db sqlite:///{file}")


def _check_free(path: Path) -> None:
    if path.exists():
        raise Refusal(f"{str(path)!a} is there already; choose another name for the backup")
    if not path.absolute().parent.is_dir():
        raise Refusal(f"the folder of {str(path)!a} is not there; make it first")
