"""Making what is missing of a log in PostgreSQL, on one connection, within its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from lifecycle.errors import InvalidArgumentError, StoreUnavailableError
from lifecycle.log.stores.postgres.connection import LogConnection, asking
from lifecycle.log.stores.postgres.owners import missing, refuse_strangers
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.rights import Grants, Role
from lifecycle.log.stores.postgres.schema import Place
from lifecycle.log.stores.postgres.tables import TABLES, Table

_OWNS_LOG: Final = qualified(
    """SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
WHERE c.oid = to_regclass($1) AND (r.rolsuper OR r.oid = c.relowner))"""
)


def make_log(connection: LogConnection, place: Place, url: str) -> None:
    """Make what is missing of the schema, the tables and their guard; nothing is replaced.

    Raises:
        StoreUnavailableError: what is there belongs to a stranger.
    """
    ask = asking(connection)
    refuse_strangers(ask, place, url)
    if ask("SELECT pg_catalog.to_regnamespace($1) IS NULL", place.quoted_schema)[0][0]:
        run(connection, [place.schema_statement()])
    run(connection, place.create_statements(missing(ask, place, TABLES)))
    run(connection, place.index_statements())
    run(connection, place.guard_statements())


def make_missing(
    connection: LogConnection, place: Place, url: str, tables: Sequence[Table]
) -> None:
    """Make tables beside a log whose release had none, as its owner.

    Raises:
        StoreUnavailableError: some are missing, and this user does not own the log.
    """
    ask = asking(connection)
    absent = missing(ask, place, tables)
    if absent and not ask(_OWNS_LOG, place.table)[0][0]:
        names = ", ".join(table.name for table in absent)
        raise StoreUnavailableError(
            url, f"it has no {names}; to make them, as its owner: lifecycle db init"
        )
    run(connection, place.create_statements(absent))


def let_in(connection: LogConnection, place: Place, grants: Grants) -> None:
    """Give roles what they need; to those who may do anything anyway nothing is done.

    Raises:
        InvalidArgumentError: one of them is who logged in.
    """
    ask, names = asking(connection), grants.names()
    if ask("SELECT current_user::pg_catalog.text")[0][0] in names:
        raise InvalidArgumentError("role", "another than the one that logged in")
    roles = [Role.found(ask, place, name) for name in names]
    masters = [role.name for role in roles if role is not None and role.mastery is not None]
    run(connection, grants.statements(place, spared=masters))


def run(connection: LogConnection, statements: Iterable[str]) -> None:
    """Run statements that return nothing, one after the other."""
    for statement in statements:
        connection.execute(statement.encode())
