"""What a server's catalog says of a log: whether it is there, whose it is, and whose code runs.

Whoever may create in the schema may be there first: with a view of the name of one of our
tables, or with a table that has triggers, whose code would run with the rights of whoever
uses it. So nothing is used, and nothing is made beside it, that belongs to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.stores.postgres.connection import LogConnection
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.tables import GUARD_NAME, TABLES, LogTables
from lifecycle.log.stores.sql.tables import Table

_TRUSTED: Final = (
    "(r.rolsuper OR r.rolname = current_user OR r.rolname = 'pg_database_owner' OR r.oid = "
    "(SELECT datdba FROM pg_catalog.pg_database WHERE datname = current_database()))"
)
_OWNED_PARTS: Final = f"""SELECT 'schema ' || nspname, r.rolname::text, {_TRUSTED}
FROM pg_catalog.pg_namespace JOIN pg_catalog.pg_roles r ON r.oid = nspowner
WHERE nspname = {{schema}}
UNION ALL
SELECT 'table ' || relname, r.rolname::text, {_TRUSTED}
FROM pg_catalog.pg_class JOIN pg_catalog.pg_roles r ON r.oid = relowner
JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
WHERE n.nspname = {{schema}} AND relname = ANY({{tables}})
UNION ALL
SELECT 'function ' || proname, r.rolname::text, {_TRUSTED}
FROM pg_catalog.pg_proc JOIN pg_catalog.pg_roles r ON r.oid = proowner
JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
WHERE n.nspname = {{schema}} AND proname = '{GUARD_NAME}'"""  # noqa: S608 - no value from outside
_OWNED: Final = qualified(_OWNED_PARTS.format(schema="$1", tables="$2::text[]"))
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

# Of each table: whether it is there, is ours, and may be read, and whose it is.
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
_OWNS_LOG: Final = qualified(
    """SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_roles r ON r.rolname = current_user
WHERE c.oid = to_regclass($1) AND (r.rolsuper OR r.oid = c.relowner))"""
)


class Catalog:
    """The catalog, asked about the tables of one log on one connection."""

    def __init__(self, connection: LogConnection, tables: LogTables, url: str) -> None:
        self.connection = connection
        self.tables = tables
        self.url = url

    def ask(self, statement: str, *parameters: object) -> list[Any]:
        """Return all rows of a statement."""
        return self.connection.tuples.execute(statement, parameters, prepare=False).fetchall()

    def run(self, statements: Iterable[str]) -> None:
        """Run statements that return nothing, one after the other."""
        for statement in statements:
            self.connection.execute(statement.encode())

    def of_tables(self, statement: str, tables: Iterable[Table] = TABLES) -> list[Any]:
        """Return all rows of a statement about tables, given the schema and their names."""
        return self.ask(statement, self.tables.schema, [table.name for table in tables])

    def make_log(self) -> None:
        """Make what is missing of the schema, the tables and their guard; nothing is replaced.

        Raises:
            StoreUnavailableError: somebody else owns a part: neither who logged in, nor a
                superuser, nor the owner of the database.
        """
        found = self.of_tables(_OWNED)
        for part, owner, is_trusted in found:
            if not is_trusted:
                raise StoreUnavailableError(
                    self.url,
                    f"its {part} belongs to the role {owner}, who can have anything done "
                    "by whoever uses it; if that is meant, run lifecycle db init as that role, "
                    "else drop it or change its owner",
                )
        if not any(part.startswith("schema ") for part, *_ in found):
            self.run([self.tables.schema_statement()])
        self.run(self.tables.create_statements(self._missing(TABLES)))
        self.run(self.tables.index_statements())
        self.run(self.tables.guard_statements())

    def make_missing(self, tables: Iterable[Table]) -> None:
        """Make tables beside a log whose release had none, as its owner.

        Raises:
            StoreUnavailableError: some are missing, and this user does not own the log.
        """
        absent = self._missing(tables)
        if absent and not self.ask(_OWNS_LOG, self.tables.log)[0][0]:
            names = ", ".join(table.name for table in absent)
            raise StoreUnavailableError(
                self.url, f"it has no {names}; to make them, as its owner: lifecycle db init"
            )
        self.run(self.tables.create_statements(absent))

    def may_be_read(self, tables: Iterable[Table]) -> bool:
        """Tell whether tables beside the log are all there, and this role may read them.

        Raises:
            StoreUnavailableError: one of them belongs to a stranger, or is no table.
        """
        found = self.ask(_BESIDE, self.tables.log, [table.name for table in tables])
        for name, is_there, is_trusted, _, owner in found:
            if is_there and not is_trusted:
                raise StoreUnavailableError(
                    self.url,
                    f"its {name} is no table of the log's owner but belongs to the role {owner}; "
                    "drop it, or change its owner, then run: lifecycle db init",
                )
        return bool(found) and all(is_there and readable for _, is_there, _, readable, _ in found)

    def refuse_attached_code(self) -> None:
        """Refuse to append where that would run code of somebody else.

        Raises:
            StoreUnavailableError: a trigger, a check or a default of the table is somebody's who
                is neither who logged in, nor a superuser, nor (for who is none) the table's owner.
        """
        for attached, owner in self.ask(_ATTACHED, self.tables.log):
            raise StoreUnavailableError(
                self.url,
                f"{attached} would run code of the role {owner} with the rights of this user; "
                "drop it, or have the log's owner own that code",
            )

    def _missing(self, tables: Iterable[Table]) -> list[Table]:
        wanted = list(tables)
        found = {part for part, *_ in self.of_tables(_OWNED, wanted)}
        return [table for table in wanted if f"table {table.name}" not in found]


def refusing_statement(tables: LogTables) -> str:
    """Return a statement that fails where `Catalog.make_log` refuses what is a stranger's."""
    names = ", ".join(f"'{table.name}'" for table in TABLES)
    owned = _OWNED_PARTS.format(schema=f"'{tables.schema}'", tables=f"ARRAY[{names}]::text[]")
    return qualified(_REFUSAL.format(owned=owned))
