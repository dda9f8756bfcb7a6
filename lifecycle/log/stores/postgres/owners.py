"""Who owns what a log consists of, and whose code runs when it is used.

Whoever may create in the schema may be there first: with a view of the name of one of our
tables, or with a table that has triggers, whose code would run with the rights of whoever
uses it. So nothing is used, and nothing is made beside it, that belongs to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.schema import Place
from lifecycle.log.stores.postgres.tables import TABLES, Table

_TRUSTED: Final = (
    "(r.rolsuper OR r.rolname = current_user OR r.rolname = 'pg_database_owner' OR r.oid = "
    "(SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()))"
)
_OWNED_PARTS: Final = """SELECT 'schema ' || nspname, r.rolname::text, {trusted}
FROM pg_catalog.pg_namespace JOIN pg_catalog.pg_roles r ON r.oid = nspowner
WHERE nspname = {schema}
UNION ALL
SELECT 'table ' || relname, r.rolname::text, {trusted}
FROM pg_catalog.pg_class JOIN pg_catalog.pg_roles r ON r.oid = relowner
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = {schema} AND relname = ANY({tables})
UNION ALL
SELECT 'function ' || proname, r.rolname::text, {trusted}
FROM pg_catalog.pg_proc JOIN pg_catalog.pg_roles r ON r.oid = proowner
JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
WHERE n.nspname = {schema} AND proname = 'stored_events_refuse'"""
_OWNED: Final = qualified(_OWNED_PARTS.format(trusted=_TRUSTED, schema="$1", tables="$2::text[]"))
_REFUSAL: Final = """DO $owners$ BEGIN
    IF EXISTS (SELECT FROM ({owned}) AS owned (part, owner, is_trusted)
        WHERE NOT is_trusted) THEN
        RAISE EXCEPTION 'a part of the log belongs to a role that is not to be trusted';
    END IF;
END $owners$"""

# A trigger counts if it fires on INSERT: nothing else is ever done to the log.
_ATTACHED: Final = qualified(
    """SELECT pg_describe_object(own.classid, own.objid, 0), r.rolname::text
FROM pg_catalog.pg_depend own
JOIN pg_catalog.pg_depend uses ON uses.classid = own.classid AND uses.objid = own.objid
LEFT JOIN pg_catalog.pg_operator o
    ON uses.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = uses.refobjid
JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
    OR (uses.refclassid = 'pg_catalog.pg_proc'::regclass AND p.oid = uses.refobjid)
JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
LEFT JOIN pg_catalog.pg_trigger t
    ON own.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = own.objid
WHERE own.refclassid = 'pg_catalog.pg_class'::regclass AND own.refobjid = to_regclass($1)
AND (t.oid IS NULL OR (t.tgtype & 4) <> 0)
AND NOT r.rolsuper AND r.rolname <> current_user
AND (EXISTS (SELECT FROM pg_catalog.pg_roles u WHERE u.rolname = current_user AND u.rolsuper)
    OR r.oid <> (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass($1)))
ORDER BY 1 LIMIT 1
"""
)

_BESIDE: Final = qualified(
    """SELECT given.name, c.oid IS NOT NULL, c.relkind = 'r' AND (r.rolsuper
    OR r.rolname = current_user OR c.relowner = l.relowner),
    coalesce(has_table_privilege(c.oid, 'SELECT'), false), r.rolname::text
FROM ROWS FROM (unnest($2::text[])) AS given (name)
JOIN pg_catalog.pg_class l ON l.oid = to_regclass($1)
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = l.relnamespace AND c.relname = given.name
LEFT JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
"""
)
_FOUND: Final = qualified(
    """SELECT relname::text FROM pg_catalog.pg_class
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = $1 AND relname = ANY($2::text[])
"""
)


class Asking(Protocol):
    """Runs a statement on a connection and returns its rows."""

    def __call__(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        ...


class Owned(NamedTuple):
    """One part of a log in the database, and whose it is."""

    part: str
    owner: str
    is_trusted: bool


def refuse_strangers(ask: Asking, place: Place, url: str) -> None:
    """Refuse to make, or to mend, a log of which a part belongs to a stranger.

    Raises:
        StoreUnavailableError: somebody else owns it: neither who logged in, nor a superuser,
            nor the owner of the database.
    """
    names = [table.name for table in TABLES]
    for owned in map(Owned._make, ask(_OWNED, place.schema, names)):
        if not owned.is_trusted:
            raise StoreUnavailableError(
                url,
                f"its {owned.part} belongs to the role {owned.owner}, who can have anything done "
                "by whoever uses it; if that is meant, run lifecycle db init as that role, "
                "else drop it or change its owner",
            )


def refusing_statement(place: Place) -> str:
    """Return a statement that fails where `refuse_strangers` refuses."""
    names = ", ".join(f"'{table.name}'" for table in TABLES)
    schema, tables = f"'{place.schema}'", f"ARRAY[{names}]::text[]"
    owned = _OWNED_PARTS.format(trusted=_TRUSTED, schema=schema, tables=tables)
    return qualified(_REFUSAL.format(owned=owned))


def refuse_attached_code(ask: Asking, place: Place, url: str) -> None:
    """Refuse to append where that would run code of somebody else.

    Raises:
        StoreUnavailableError: a trigger, a check or a default of the table is somebody's who
            is neither who logged in, nor a superuser, nor (for who is none) the table's owner.
    """
    for attached, owner in ask(_ATTACHED, place.table):
        raise StoreUnavailableError(
            url,
            f"{attached} would run code of the role {owner} with the rights of this user; "
            "drop it, or have the log's owner own that code",
        )


def may_be_read(ask: Asking, place: Place, url: str, tables: Iterable[Table]) -> bool:
    """Tell whether tables beside the log are all there, and this role may read them.

    Raises:
        StoreUnavailableError: one of them belongs to a stranger, or is no table.
    """
    found = ask(_BESIDE, place.table, [table.name for table in tables])
    for name, is_there, is_trusted, _, owner in found:
        if is_there and not is_trusted:
            raise StoreUnavailableError(
                url,
                f"its {name} is no table of the log's owner but belongs to the role {owner}; "
                "drop it, or change its owner, then run: lifecycle db init",
            )
    return bool(found) and all(is_there and readable for _, is_there, _, readable, _ in found)


def missing(ask: Asking, place: Place, tables: Iterable[Table]) -> list[Table]:
    """Return the tables that are not there."""
    wanted = list(tables)
    found = {name for (name,) in ask(_FOUND, place.schema, [table.name for table in wanted])}
    return [table for table in wanted if table.name not in found]
