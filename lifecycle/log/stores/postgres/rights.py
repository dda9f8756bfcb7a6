"""What a role needs on a PostgreSQL database, how it is given, and what a role has.

No role needs CREATE: `lifecycle db init` makes every table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from lifecycle.errors import InvalidArgumentError
from lifecycle.log.contract import Level, Setting
from lifecycle.log.stores.postgres.catalog import Catalog
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.tables import LOG, TABLE, TABLES, LogTables, is_plain_name
from lifecycle.log.stores.sql.tables import BESIDE, KEYS, LINKS

Right = tuple[str, str]
"""What may be done, and to what: a table, or `its schema`."""

INSERTED: Final = tuple(column.name for column in LOG.columns if not column.is_identity)
"""The columns of the log that an append fills."""

_READS: Final = frozenset({("SELECT", TABLE)})
_APPENDS: Final = (
    _READS
    | {("INSERT", TABLE)}
    | {(right, table.name) for table in (*LINKS, *KEYS) for right in ("SELECT", "INSERT")}
)
_READS_ALL: Final = _READS | {("SELECT", table.name) for table in (*LINKS, *KEYS, *BESIDE)}
_FOLLOWS: Final = (
    _READS_ALL
    | {(right, table.name) for table in BESIDE for right in ("INSERT", "UPDATE", "DELETE")}
) - {("DELETE", "feeds"), ("UPDATE", "feed_delivered"), ("DELETE", "feed_delivered")}

_MAKE: Final = qualified(
    """DO $role$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{name}') THEN
        CREATE ROLE {role} LOGIN;
    END IF;
END $role$"""
)
_LET_IN: Final = qualified(
    """DO $database$ BEGIN
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database
        WHERE datname = current_database()) THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO "{name}"', current_database());
    END IF;
END $database$"""
)
"""Told by the owner of the database alone; without it whoever may connect is let in."""

_KEEP_OUT: Final = qualified(
    """DO $database$ BEGIN
    IF NOT (SELECT pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database
        WHERE datname = current_database()) THEN
        RAISE insufficient_privilege;
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END $database$"""
)

_HELD: Final = qualified(
    """SELECT wanted.privilege, c.relname::text
FROM ROWS FROM (unnest($2::text[])) AS wanted (privilege)
CROSS JOIN pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $3 AND c.relname = ANY($4::text[]) AND c.relkind = 'r' AND CASE
    WHEN wanted.privilege = ANY('{INSERT,SELECT,UPDATE,REFERENCES}'::text[])
    THEN has_any_column_privilege($1::name, c.oid, wanted.privilege)
    ELSE has_table_privilege($1::name, c.oid, wanted.privilege) END
UNION ALL
SELECT 'INSERT of a position', c.relname::text FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'notification_id'
WHERE n.nspname = $3 AND c.relname = 'stored_events' AND c.relkind = 'r'
AND has_column_privilege($1::name, c.oid, a.attnum, 'INSERT')
UNION ALL
SELECT 'CREATE', 'its schema' FROM pg_catalog.pg_namespace
WHERE nspname = $3 AND has_schema_privilege($1::name, oid, 'CREATE')
"""
)
_PRIVILEGES: Final = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
)
_ROLE: Final = qualified(
    """SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, EXISTS (
    SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $2 AND c.relname = ANY($3::text[])
    AND pg_has_role(r.oid, c.relowner, 'MEMBER')), EXISTS (
    SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $2
    AND pg_has_role(r.oid, n.nspowner, 'MEMBER'))
FROM pg_catalog.pg_roles r WHERE r.rolname = $1
"""
)

# What PUBLIC may do, and what roles may do that neither own these tables nor their schema.
_OTHERS: Final = qualified(
    """SELECT 'every role', 'CONNECT to', 'the database' FROM pg_catalog.pg_database d
WHERE d.datname = current_database() AND EXISTS (
    SELECT FROM ROWS FROM (aclexplode(coalesce(d.datacl, acldefault('d', d.datdba)))) AS a
    WHERE a.grantee = 0::oid AND a.privilege_type = 'CONNECT')
UNION ALL
SELECT coalesce('role ' || r.rolname::text, 'every role'), a.privilege_type || ' in',
    'its schema'
FROM pg_catalog.pg_namespace n
CROSS JOIN ROWS FROM (aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)))) AS a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE n.nspname = $1 AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
    AND NOT coalesce(r.rolsuper, false)
UNION ALL
SELECT coalesce('role ' || r.rolname::text, 'every role'), a.privilege_type || ' on',
    c.relname::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN ROWS FROM (aclexplode(c.relacl)) AS a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND a.grantee <> c.relowner
    AND NOT coalesce(r.rolsuper, false)
    AND (a.privilege_type = ANY('{TRIGGER,TRUNCATE,REFERENCES}'::text[])
    OR (c.relname = 'stored_events' AND a.privilege_type = ANY('{UPDATE,DELETE}'::text[]))
    OR (a.grantee = 0::oid AND a.privilege_type = ANY('{INSERT,UPDATE,DELETE}'::text[])))
ORDER BY 1, 2, 3
"""
)


class Grants(NamedTuple):
    """The roles that `lifecycle db init` lets in, by what they do; one role may do several."""

    role: str | None = None
    follower: str | None = None
    reader: str | None = None
    revoke_public: bool = False

    def names(self) -> list[str]:
        """Return the roles, each once.

        Raises:
            InvalidArgumentError: one is no name that needs no thought.
        """
        names = list(
            dict.fromkeys(n for n in (self.role, self.follower, self.reader) if n is not None)
        )
        if not all(map(is_plain_name, names)):
            raise InvalidArgumentError("role", "up to 63 letters, digits, or one of _ . @ -")
        return names

    def statements(self, log_tables: LogTables, spared: Collection[str] = ()) -> Iterator[str]:
        """Yield the statements that make the roles, if need be, and give them these rights only.

        Nothing is done to those who are `spared`.
        """
        tables = ", ".join(f"{log_tables.quoted_schema}.{table.name}" for table in TABLES)
        for name in self.names():
            if name in spared:
                continue
            yield _MAKE.format(name=name, role=f'"{name}"')
            yield f'REVOKE ALL ON {tables} FROM "{name}"'
            yield f'REVOKE CREATE ON SCHEMA {log_tables.quoted_schema} FROM "{name}"'
            yield f'GRANT USAGE ON SCHEMA {log_tables.quoted_schema} TO "{name}"'
            yield _LET_IN.format(name=name)
        given = ((self.role, _APPENDS), (self.follower, _FOLLOWS), (self.reader, _READS_ALL))
        for role, rights in given:
            if role is not None and role not in spared:
                yield from _granted(log_tables, role, rights)
        if self.revoke_public:
            yield f"REVOKE CREATE ON SCHEMA {log_tables.quoted_schema} FROM PUBLIC"
            yield f"REVOKE ALL ON {tables} FROM PUBLIC"
            yield _KEEP_OUT


def let_in(catalog: Catalog, grants: Grants) -> None:
    """Give roles what they need; to those who may do anything anyway nothing is done.

    Raises:
        InvalidArgumentError: one of them is who logged in.
    """
    names = grants.names()
    if catalog.ask("SELECT current_user::pg_catalog.text")[0][0] in names:
        raise InvalidArgumentError("role", "another than the one that logged in")
    roles = [Role.found(catalog, name) for name in names]
    masters = [role.name for role in roles if role is not None and role.mastery is not None]
    catalog.run(grants.statements(catalog.tables, spared=masters))


class Role(NamedTuple):
    """What a role may do to a log, as the server says it."""

    name: str
    is_superuser: bool
    passes_row_security: bool
    makes_roles: bool
    owns_tables: bool
    owns_schema: bool
    rights: frozenset[Right]

    @classmethod
    def found(cls, catalog: Catalog, name: str) -> Role | None:
        """Return what a role may do; None if there is none of that name."""
        where = (catalog.tables.schema, [table.name for table in TABLES])
        for row in catalog.ask(_ROLE, name, *where):
            held = catalog.ask(_HELD, name, list(_PRIVILEGES), *where)
            return cls._make((name, *row, frozenset(held)))
        return None

    @property
    def abilities(self) -> str:
        """What it may do, in words."""
        *others, last = ["read", *(task for task in self.tasks if task != "read")]
        return f"it may {', '.join(others)} and {last}" if others else f"it may {last}"

    @property
    def mastery(self) -> str | None:
        """What it may do whatever is granted; None if nothing."""
        if self.is_superuser:
            return "it is a superuser, who may do anything"
        if self.owns_tables or self.owns_schema:
            owned = "the tables" if self.owns_tables else "the schema"
            return f"it owns {owned}, or is a member of who does, and may do anything there"
        return None

    @property
    def tasks(self) -> dict[str, frozenset[Right]]:
        """What its rights suffice for, and which these are."""
        tasks = {"append": _APPENDS, "follow": _FOLLOWS, "read": _READS_ALL}
        return {task: needed for task, needed in tasks.items() if needed <= self.rights}

    @property
    def excess(self) -> list[Right]:
        """The rights that none of its tasks needs."""
        needed = _READS_ALL | _APPENDS | _partly(self.rights)
        extra: list[Right] = sorted(self.rights - needed)
        extra += [("BYPASSRLS", "any table")] * self.passes_row_security
        return extra + [("CREATEROLE", "any role")] * self.makes_roles

    @property
    def lacking(self) -> list[Right]:
        """The rights that it needs for what it may do in part."""
        if _READS - self.rights:
            return sorted(_READS - self.rights)
        return sorted(_partly(self.rights) - self.rights)


def _partly(rights: frozenset[Right]) -> frozenset[Right]:
    """Return what whoever may write beside the log needs to follow it."""
    return _FOLLOWS if rights & (_FOLLOWS - _READS_ALL) else frozenset()


def told_of(role: Role) -> Setting:
    """Return what a role may do as a row for people."""
    if role.mastery is not None:
        advice = "to make one that may read and append only: lifecycle db init --role NAME"
        return Setting("role", role.name, f"{role.mastery}; {advice}", Level.NOTE)
    parts = [role.abilities]
    if role.excess:
        parts.append(f"it may do more than it needs: {_listed(role.excess)}")
    if role.lacking:
        parts.append(f"it lacks {_listed(role.lacking)}")
    if len(parts) == 1:
        return Setting("role", role.name, f"{role.abilities}, and nothing else")
    mend = "to mend that, as the owner: lifecycle db init --role, --follower or --reader NAME"
    return Setting("role", role.name, "; ".join([*parts, mend]), Level.FAIL)


def role_settings(catalog: Catalog, name: str) -> Iterator[Setting]:
    """Yield what the role that logged in may do, and what others may do whom nobody let in."""
    role = Role.found(catalog, name)
    if role is not None:
        yield told_of(role)
    yield _others(catalog.of_tables(_OTHERS))


def _others(rows: list[tuple[str, str, str]]) -> Setting:
    told = [f"{who} may {right} {where}" for who, right, where in rows]
    harmful = [one for one, (_, right, _) in zip(told, rows, strict=True) if right != "CONNECT to"]
    if not told:
        return Setting("others", "kept out", "only roles that were let in may connect")
    advice = "to take that away, as the owner of the database: lifecycle db init --revoke-public"
    if harmful:
        return Setting(
            "others", "may change what is stored here", f"{'; '.join(told)}; {advice}", Level.FAIL
        )
    risk = "any role may connect, and hold up every append by taking its lock"
    return Setting("others", "may connect", f"{risk}; {advice}", Level.NOTE)


def _listed(rights: Iterable[Right]) -> str:
    return ", ".join(f"{right} on {where}" for right, where in rights)


def _granted(log_tables: LogTables, name: str, rights: frozenset[Right]) -> Iterator[str]:
    for table in TABLES:
        names = [
            f"INSERT ({', '.join(INSERTED)})" if table is LOG and right == "INSERT" else right
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
            if (right, table.name) in rights
        ]
        if names:
            yield f'GRANT {", ".join(names)} ON {log_tables.quoted_schema}.{table.name} TO "{name}"'
