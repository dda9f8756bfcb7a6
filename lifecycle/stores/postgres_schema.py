"""The table of the log in PostgreSQL, what keeps it append-only, and who may do what.

The names of the columns are those of `eventsourcing`, whose own recorders can read and
follow the table. `notification_id` is the position; nobody can give it, as it is
GENERATED ALWAYS. Text compares bytewise. The triggers fire for the table's owner too, and
in sessions that replicate.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple

from lifecycle.errors import InvalidArgumentError

TABLE: Final = "stored_events"
CHANNEL: Final = "stored_events"
"""Notified by every append, with an empty payload, as the library's own recorder does."""

COLUMNS: Final = (
    ("originator_id", "text", "C", ""),
    ("originator_version", "bigint", "", ""),
    ("topic", "text", "C", ""),
    ("state", "bytea", "", ""),
    ("notification_id", "bigint", "", "a"),
)
"""Name, type, collation, and whether the value is generated (`a`: always)."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,62}")

_CREATE_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS {schema}"

_CREATE: Final = (
    """CREATE TABLE IF NOT EXISTS {table} (
    originator_id text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic text COLLATE "C" NOT NULL,
    state bytea NOT NULL,
    notification_id bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (originator_id, originator_version)
)""",
    """CREATE UNIQUE INDEX IF NOT EXISTS stored_events_notification_id_idx
ON {table} (notification_id)""",
)
_GUARD: Final = (
    """CREATE OR REPLACE FUNCTION {schema}.stored_events_refuse() RETURNS trigger
LANGUAGE plpgsql AS $refuse$
BEGIN RAISE EXCEPTION 'the log is append-only: no %', TG_OP USING ERRCODE = '42501'; END
$refuse$""",
    """CREATE OR REPLACE TRIGGER stored_events_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {schema}.stored_events_refuse()""",
    "ALTER TABLE {table} ENABLE ALWAYS TRIGGER stored_events_refuse",
)

_GRANT: Final = (
    """DO $role$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{name}') THEN
        CREATE ROLE {role} LOGIN;
    END IF;
END $role$""",
    "REVOKE ALL ON {table} FROM {role}",
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON {table} TO {role}",
    "GRANT INSERT (originator_id, originator_version, topic, state) ON {table} TO {role}",
)


MAY_READ: Final = (
    "SELECT coalesce(bool_and(to_regclass(name) IS NOT NULL "
    "AND has_table_privilege(to_regclass(name), 'SELECT')), false) FROM unnest($1::text[]) name"
)
"""Whether tables are there and may be read, by their names."""


class Place(NamedTuple):
    """The schema in which a log lies; a database may hold several logs."""

    schema: str = "public"

    @property
    def quoted_schema(self) -> str:
        """The schema as it stands in a statement."""
        return f'"{self.schema}"'

    @property
    def table(self) -> str:
        """The table as it stands in a statement."""
        return f'"{self.schema}".{TABLE}'

    @property
    def append_lock(self) -> int:
        """The advisory lock that every append holds until its commit. Fixed for ever."""
        return _lock(f"lifecycle append {self.schema}")

    @property
    def views_lock(self) -> int:
        """The advisory lock of whoever writes stored views."""
        return _lock(f"lifecycle views {self.schema}")

    @property
    def create_lock(self) -> int:
        """The advisory lock of whoever makes the table."""
        return _lock(f"lifecycle create {self.schema}")

    def schema_statement(self) -> str:
        """Return the statement that makes the schema."""
        return _CREATE_SCHEMA.format(schema=self.quoted_schema)

    def create_statements(self) -> list[str]:
        """Return the statements that make the table, which is not there yet."""
        return [part.format(table=self.table) for part in _CREATE]

    def guard_statements(self) -> list[str]:
        """Return the statements that keep the table append-only; once more does no harm."""
        return [part.format(table=self.table, schema=self.quoted_schema) for part in _GUARD]

    def grant_statements(self, role: str) -> list[str]:
        """Return the statements that make a role, if need be, which may read and append only.

        Raises:
            InvalidArgumentError: `role` is no name that needs no thought.
        """
        if not is_plain_name(role):
            raise InvalidArgumentError("role", "up to 63 letters, digits, or one of _ . @ -")
        names = {"name": role, "role": f'"{role}"'}
        return [
            part.format(table=self.table, schema=self.quoted_schema, **names) for part in _GRANT
        ]


def is_plain_name(name: str) -> bool:
    """Tell whether a name may stand in a statement between double quotes as it is."""
    return _NAME.fullmatch(name) is not None


def _lock(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)
