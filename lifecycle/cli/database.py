"""`lifecycle db init`: the log's table, its guards, and a role that may only read and append."""

from __future__ import annotations

from typing import Annotated

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database
from lifecycle.cli.output import print_text, say, visible
from lifecycle.connect import initialize, initializing_statements


def init(
    *,
    role: Annotated[
        str | None,
        typer.Option(
            "--role", metavar="NAME", help="Make a role that may read and append, and no more."
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--print", help="Print the SQL instead of running it.")
    ] = False,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Make the log, guard it, and grant a role what appending needs."""
    statements = initializing_statements(db, role=role)
    if (role is not None or show) and not statements:
        raise Refusal("only PostgreSQL has roles and takes SQL; expected --db postgresql://...")
    if show:
        print_text("".join(f"{statement};\n" for statement in statements))
        return
    place = initialize(db, role=role)
    say(visible(f"{place} is ready, and append-only"))
    if role is not None:
        say(visible(f"role {role} may read and append; give it a password if it is new"))
