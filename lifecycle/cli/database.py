"""`lifecycle db init`: the log's tables, its guard, and roles that may do what they need."""

from __future__ import annotations

from typing import Annotated

import typer

from lifecycle.cli.failure import Refusal
from lifecycle.cli.option import DEFAULT_DATABASE, Database
from lifecycle.cli.output import print_text, say, visible
from lifecycle.composition import initialize, initializing_statements, rights_of
from lifecycle.log.contract import Level, Setting

_Role = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Make a role that may read and append, and no more."),
]
_Follower = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Make a role that may follow: views, subscriptions."),
]
_Reader = Annotated[
    str | None, typer.Option(metavar="NAME", help="Make a role that may read everything.")
]
_RevokePublic = Annotated[
    bool,
    typer.Option("--revoke-public", help="Keep every role that was not let in out of it."),
]
_Print = Annotated[bool, typer.Option("--print", help="Print the SQL instead of running it.")]


def init(
    *,
    role: _Role = None,
    follower: _Follower = None,
    reader: _Reader = None,
    revoke_public: _RevokePublic = False,
    show: _Print = False,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Make the log and what lies beside it, guard it, and let roles in."""
    names = {"role": role, "follower": follower, "reader": reader}
    statements = initializing_statements(db, **names, revoke_public=revoke_public)
    if (show or revoke_public or any(names.values())) and not statements:
        raise Refusal("only PostgreSQL has roles and takes SQL; expected --db postgresql://...")
    if show:
        print_text("".join(f"{statement};\n" for statement in statements))
        return
    place = initialize(db, **names, revoke_public=revoke_public)
    say(visible(f"{place} is ready, and append-only"))
    _say_rights(db, [name for name in names.values() if name], revoke_public=revoke_public)


def _say_rights(db: str, names: list[str], *, revoke_public: bool) -> None:
    for name in dict.fromkeys(names):
        say(visible(_told(rights_of(db, name))))
    if revoke_public:
        say("no other role may connect to this database")


def _told(role: Setting) -> str:
    hint = "; give it a password if it is new" if role.level is Level.OK else ""
    return f"role {role.found} {role.meaning.removeprefix('it ')}{hint}"
