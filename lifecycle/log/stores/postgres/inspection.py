"""Whether the tables in a PostgreSQL database are still what `lifecycle db init` makes.

Everything is read from the catalog, for no more rights than any role has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lifecycle.errors import StoreUnavailableError
from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.postgres.catalog import Catalog
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.tables import GUARD_BODY, GUARD_NAME, LOG, TABLES
from lifecycle.log.stores.sql.tables import Column, Table

_NOT_OURS: Final = " is not of this library"
_MOST_TOLD: Final = 5
_TYPES: Final = {"bigint": "int8", "boolean": "bool"}
_INDEX: Final = "index "
_COLUMN: Final = "column "
_PLAIN: Final = "ordinary, logged"
_ONE_BY_ONE: Final = "1, 2, 3 and so on"

_OURS: Final = """FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = $1
"""
_WHERE: Final = "WHERE c.relname = ANY($2::text[])"

_TABLES: Final = f"""SELECT 'table ' || c.relname,
    CASE WHEN c.relkind = 'r' THEN 'ordinary' ELSE 'no table' END
    || CASE WHEN c.relpersistence = 'p' THEN ', logged' ELSE ', lost in a crash' END
    || CASE WHEN c.relrowsecurity OR c.relforcerowsecurity THEN ', rows hidden' ELSE '' END
    || CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits
        WHERE inhparent = c.oid OR inhrelid = c.oid) THEN ', inherits' ELSE '' END
    || CASE WHEN c.relhasrules THEN ', with rules' ELSE '' END
{_OURS}{_WHERE}"""  # noqa: S608 - no value from outside

_COLUMNS: Final = f"""SELECT '{_COLUMN}' || c.relname || '.' || a.attname,
    CASE WHEN y.typnamespace = 'pg_catalog'::regnamespace THEN y.typname::text ELSE 'other' END
    || ' ' || coalesce(l.collname::text, '') || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    || CASE WHEN a.attidentity = 'a' THEN ' numbered' ELSE '' END
    || CASE WHEN a.atthasdef THEN ' computed' ELSE '' END
{_OURS}JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    AND l.collnamespace = 'pg_catalog'::regnamespace
{_WHERE}"""

SHAPE: Final = qualified(f"{_TABLES}\nUNION ALL\n{_COLUMNS}")
"""Asks for some tables and their columns, each with all that counts."""

FOUND: Final = qualified(
    f"""{_TABLES}
UNION ALL
{_COLUMNS}
UNION ALL
SELECT 'constraint of ' || c.relname || ' ' || replace(
    pg_get_constraintdef(k.oid, true), '"', ''), ''
{_OURS}JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
{_WHERE} AND k.contype <> 'n' AND k.contype <> 't'
UNION ALL
SELECT '{_INDEX}' || x.relname,
    CASE WHEN i.indisvalid THEN '' ELSE 'broken: ' END || replace(
    pg_get_indexdef(i.indexrelid, 0, true), '"', '')
{_OURS}JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND NOT i.indisprimary
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
{_WHERE}
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || c.relname, ''
{_OURS}JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
{_WHERE} AND NOT (c.relname = 'stored_events' AND t.tgname = '{GUARD_NAME}')
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || c.relname, ''
{_OURS}JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid
{_WHERE}
UNION ALL
SELECT 'numbers of ' || c.relname,
    CASE WHEN s.seqincrement = 1 AND s.seqmin = 1 AND s.seqcache = 1 AND NOT s.seqcycle
    AND s.seqtypid = 'int8'::regtype THEN '{_ONE_BY_ONE}' ELSE 'out of order' END
{_OURS}JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid = c.oid AND d.deptype = 'i' AND d.classid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_sequence s ON s.seqrelid = d.objid
{_WHERE}
"""
)
"""Asks for everything that belongs to some tables, but for the log's guard."""

GUARD: Final = qualified(
    f"""SELECT t.tgenabled::text, t.tgtype::integer, t.tgqual IS NOT NULL, f.prosrc,
    l.lanname::text, o.rolsuper OR f.proowner = c.relowner
{_OURS}JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND t.tgname = '{GUARD_NAME}'
JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE c.relname = 'stored_events'
"""
)
_BEFORE_CHANGES: Final = 2 | 8 | 16 | 32
"""As `pg_trigger.tgtype` tells it: a statement's, before DELETE, UPDATE and TRUNCATE."""


def check_shape(catalog: Catalog) -> bool:
    """Check the log's table, and tell whether it is there.

    Raises:
        StoreUnavailableError: it is not of this library, or a crash would empty it.
    """
    found = dict(catalog.of_tables(SHAPE, [LOG]))
    kind = found.get(f"table {LOG.name}")
    if kind is None:
        return False
    expected = {name: told for name, told in _expected(LOG) if name.startswith(_COLUMN)}
    if {name: told for name, told in found.items() if name.startswith(_COLUMN)} != expected:
        raise StoreUnavailableError(catalog.url, f"its table {LOG.name} is not of this library")
    if not kind.startswith(_PLAIN):
        found_kind = f"its table {LOG.name} is {kind}, expected {_PLAIN}"
        raise StoreUnavailableError(catalog.url, found_kind)
    return True


def schema_setting(catalog: Catalog) -> Setting:
    """Return whether the tables are what they were made to be, within a transaction."""
    # Definitions then read the same in every schema.
    catalog.run([f"SET LOCAL search_path = pg_catalog, {catalog.tables.quoted_schema}, pg_temp"])
    found = dict(catalog.of_tables(FOUND))
    missing = [table for table in TABLES if f"table {table.name}" not in found]
    there = [table for table in TABLES if table not in missing]
    expected = {name: told for table in there for name, told in _expected(table)}
    differences = [f"table {table.name} is missing" for table in missing]
    differences += _differences(expected, found)
    if not differences:
        return Setting(
            "schema", f"{len(TABLES)} tables", "they are as lifecycle db init makes them"
        )
    told = "; ".join(differences[:_MOST_TOLD])
    told += f"; and {len(differences) - _MOST_TOLD} more" * (len(differences) > _MOST_TOLD)
    return Setting(
        "schema",
        "it differs",
        f"{told}; to make what is missing, as the owner: lifecycle db init",
        Level.NOTE if all(map(_is_harmless, differences)) else Level.FAIL,
    )


def guard_setting(catalog: Catalog) -> Setting:
    """Return whether the trigger that keeps the log append-only does so."""
    fault = _fault_of_guard(catalog.ask(GUARD, catalog.tables.schema))
    if fault is None:
        return Setting("append_only", "on", "a trigger refuses UPDATE, DELETE and TRUNCATE")
    return Setting(
        "append_only", "off", f"{fault}; run, as the owner: lifecycle db init", Level.FAIL
    )


def _fault_of_guard(rows: list[tuple[str, int, bool, str, str, bool]]) -> str | None:
    if not rows:
        return "nothing refuses UPDATE, DELETE and TRUNCATE: the trigger is gone"
    ((enabled, events, is_conditional, body, language, is_trusted),) = rows
    if enabled == "D":
        return "nothing refuses UPDATE, DELETE and TRUNCATE: the trigger is disabled"
    if enabled != "A":
        return "sessions that replicate may UPDATE, DELETE and TRUNCATE: the trigger skips them"
    if events != _BEFORE_CHANGES or is_conditional:
        return "the trigger does not fire on every UPDATE, DELETE and TRUNCATE"
    if body.strip() != GUARD_BODY or language != "plpgsql":
        return "the trigger's function was replaced by another"
    return None if is_trusted else "the trigger's function belongs to a role that is not the owner"


def _expected(table: Table) -> Iterator[tuple[str, str]]:
    yield f"table {table.name}", _PLAIN
    key = {name.strip() for name in table.key.split(",")}
    for column in table.columns:
        yield f"{_COLUMN}{table.name}.{column.name}", _shown(column, is_key=column.name in key)
        if column.is_identity:
            yield f"numbers of {table.name}", _ONE_BY_ONE
    yield f"constraint of {table.name} PRIMARY KEY ({table.key})", ""
    for _, condition in table.checks:
        yield f"constraint of {table.name} CHECK ({condition})", ""
    for index in table.indexes:
        unique = "UNIQUE " if index.is_unique else ""
        where = f" WHERE {index.where}" if index.where else ""
        made = f"CREATE {unique}INDEX {index.name} ON {table.name}"
        yield f"{_INDEX}{index.name}", f"{made} USING btree ({index.columns}){where}"


def _shown(column: Column, *, is_key: bool) -> str:
    required = " not null" if column.required or is_key else ""
    numbered = " numbered" if column.is_identity else ""
    return f"{_TYPES.get(column.type, column.type)} {column.collation}{required}{numbered}"


def _is_harmless(difference: str) -> bool:
    """Tell whether all that differs is an index that somebody added."""
    return difference.startswith(_INDEX) and difference.endswith(_NOT_OURS)


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    gone = [f"{name} is missing" for name in expected if name not in found]
    changed = [
        f"{name} is {found[name]!a}, expected {wanted!a}"
        for name, wanted in expected.items()
        if found.get(name, wanted) != wanted
    ]
    others = [f"{name}{_NOT_OURS}" for name in found if name not in expected]
    return gone + changed + others
