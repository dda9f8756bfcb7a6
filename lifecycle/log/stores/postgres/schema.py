"""Where a log lies in PostgreSQL, its locks, and what keeps its table append-only.

The names of the columns are those of `eventsourcing`, whose own recorders can read and
follow the table. `notification_id` is the position; nobody can give it, as it is
GENERATED ALWAYS. Text compares bytewise. The triggers fire for the table's owner too, and
in sessions that replicate.

The constraints hold what every honest record fulfills: a stream of n records took n positions,
so no version is above its position. That a version is the last plus one would take a trigger,
an eighth of an append; it shows at the next append of its stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from lifecycle.log.stores.postgres.tables import MARK, TABLE, TABLES, TRACKING, Table

CHANNEL: Final = "stored_events"
"""Notified by every append, with an empty payload, as the library's own recorder does."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,62}")

_CREATE_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS {schema}"

GUARD_NAME: Final = "stored_events_refuse"
GUARD_BODY: Final = (
    "BEGIN RAISE EXCEPTION 'the log is append-only: no %', TG_OP USING ERRCODE = '42501'; END"
)
"""It names nothing that a `search_path` could find elsewhere."""

_GUARD: Final = (
    f"""CREATE OR REPLACE FUNCTION {{schema}}.{GUARD_NAME}() RETURNS pg_catalog.trigger
LANGUAGE plpgsql AS $refuse$
{GUARD_BODY}
$refuse$""",
    f"""CREATE OR REPLACE TRIGGER {GUARD_NAME} BEFORE UPDATE OR DELETE OR TRUNCATE ON {{table}}
FOR EACH STATEMENT EXECUTE FUNCTION {{schema}}.{GUARD_NAME}()""",
    f"ALTER TABLE {{table}} ENABLE ALWAYS TRIGGER {GUARD_NAME}",
)


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

    def lock_statement(self, lock: int) -> str:
        """Return the statement that takes one of these locks until the transaction ends."""
        return f"SELECT pg_catalog.pg_advisory_xact_lock({lock})"

    def schema_statement(self) -> str:
        """Return the statement that makes the schema."""
        return _CREATE_SCHEMA.format(schema=self.quoted_schema)

    def create_statements(
        self, tables: Iterable[Table] = TABLES, *, again: bool = False
    ) -> list[str]:
        """Return the statements that make tables; with `again` they may be run once more."""
        schema = self.quoted_schema
        made = [line for table in tables for line in table.statements(schema, again=again)]
        marks = any(table.name == TRACKING for table in tables)
        return [*made, *[MARK.format(schema=schema)] * marks]

    def index_statements(self, tables: Iterable[Table] = TABLES) -> list[str]:
        """Return the statements that make indexes unless they are there."""
        return [line for table in tables for line in table.index_statements(self.quoted_schema)]

    def guard_statements(self) -> list[str]:
        """Return the statements that keep the table append-only; once more does no harm."""
        return [part.format(table=self.table, schema=self.quoted_schema) for part in _GUARD]


def is_plain_name(name: str) -> bool:
    """Tell whether a name may stand in a statement between double quotes as it is."""
    return _NAME.fullmatch(name) is not None


def _lock(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big", signed=True)
