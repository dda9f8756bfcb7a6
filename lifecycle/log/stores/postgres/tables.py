"""The tables of a log in PostgreSQL, its locks, and what keeps the log append-only.

One description is what is made, what must be found and what roles are let into. The columns
of the log are named as those of `eventsourcing`, whose own recorders can read and follow the
table. `notification_id` is the position; nobody can give it, as it is GENERATED ALWAYS. Text
compares bytewise. The triggers fire for the table's owner too, and in sessions that replicate.

The constraints hold what every honest record fulfills: a stream of n records took n positions,
so no version is above its position. That a version is the last plus one would take a trigger,
an eighth of an append; it shows at the next append of its stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from lifecycle.log.contract import MAX_POSITION
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.sql.tables import (
    BESIDE,
    KEYS,
    LINKS,
    TRACKING,
    Column,
    Index,
    Table,
    number,
    text,
)

TABLE: Final = "stored_events"

CHANNEL: Final = "stored_events"
"""Notified by every append, with an empty payload, as the library's own recorder does."""

_OF_AN_ORDER: Final = "originator_id > 'order:'::text AND originator_id < 'order;'::text"
_OF_NO_ORDER: Final = "originator_id = 'quarantine'::text OR originator_id = 'control'::text"

LOG: Final = Table(
    TABLE,
    (
        text("originator_id"),
        number("originator_version"),
        text("topic"),
        Column("state", "bytea"),
        Column("notification_id", "bigint", is_identity=True),
    ),
    "originator_id, originator_version",
    (Index("stored_events_notification_id_idx", "notification_id", is_unique=True),),
    (
        (
            "stored_events_position",
            f"notification_id >= 1 AND notification_id <= '{MAX_POSITION}'::bigint",
        ),
        (
            "stored_events_version",
            "originator_version >= 1 AND originator_version <= notification_id",
        ),
        ("stored_events_stream", f"{_OF_AN_ORDER} OR {_OF_NO_ORDER}"),
        ("stored_events_topic", "topic <> ''::text"),
    ),
)

TABLES: Final = (LOG, *LINKS, *KEYS, *BESIDE)

# How the library knows a tracking table that holds one row a name.
_MARK: Final = (
    "INSERT INTO {schema}.tracking (application_name, notification_id) "
    "VALUES ('__migration__', 1) ON CONFLICT DO NOTHING"
)

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

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,62}")


class LogTables(NamedTuple):
    """The tables of one log, by the schema that they lie in; a database may hold several logs."""

    schema: str = "public"

    @property
    def quoted_schema(self) -> str:
        """The schema as it stands in a statement."""
        return f'"{self.schema}"'

    @property
    def log(self) -> str:
        """The log's table as it stands in a statement."""
        return f'"{self.schema}".{TABLE}'

    @property
    def append_lock(self) -> int:
        """The advisory lock that every append holds until its commit. Fixed for ever."""
        return self._lock("append")

    @property
    def views_lock(self) -> int:
        """The advisory lock of whoever writes stored views."""
        return self._lock("views")

    @property
    def create_lock(self) -> int:
        """The advisory lock of whoever makes the tables."""
        return self._lock("create")

    def schema_statement(self) -> str:
        """Return the statement that makes the schema."""
        return f"CREATE SCHEMA IF NOT EXISTS {self.quoted_schema}"

    def create_statements(
        self, tables: Iterable[Table] = TABLES, *, again: bool = False
    ) -> Iterator[str]:
        """Yield the statements that make tables; with `again` they may be run once more."""
        for table in tables:
            lines = [_column(column) for column in table.columns]
            lines += [f"PRIMARY KEY ({table.key})"]
            lines += [f"CONSTRAINT {name} CHECK ({qualified(so)})" for name, so in table.checks]
            unless, body = "IF NOT EXISTS " if again else "", ",\n    ".join(lines)
            yield f"CREATE TABLE {unless}{self.quoted_schema}.{table.name} (\n    {body}\n)"
            yield from self.index_statements([table])
            if table is TRACKING:
                yield _MARK.format(schema=self.quoted_schema)

    def index_statements(self, tables: Iterable[Table] = TABLES) -> Iterator[str]:
        """Yield the statements that make indexes unless they are there."""
        for table in tables:
            for index in table.indexes:
                unique = "UNIQUE " if index.is_unique else ""
                where = f" WHERE {qualified(index.where)}" if index.where else ""
                yield (
                    f"CREATE {unique}INDEX IF NOT EXISTS {index.name}\n"
                    f"ON {self.quoted_schema}.{table.name} ({index.columns}){where}"
                )

    def guard_statements(self) -> list[str]:
        """Return the statements that keep the log append-only; once more does no harm."""
        return [part.format(table=self.log, schema=self.quoted_schema) for part in _GUARD]

    def _lock(self, purpose: str) -> int:
        name = f"lifecycle {purpose} {self.schema}"
        return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)


def lock_statement(lock: int) -> str:
    """Return the statement that takes an advisory lock until the transaction ends."""
    return f"SELECT pg_catalog.pg_advisory_xact_lock({lock})"


def is_plain_name(name: str) -> bool:
    """Tell whether a name may stand in a statement between double quotes as it is."""
    return _NAME.fullmatch(name) is not None


def _column(column: Column) -> str:
    collation = f' COLLATE "{column.collation}"' if column.collation == "C" else ""
    identity = " GENERATED ALWAYS AS IDENTITY" if column.is_identity else ""
    required = " NOT NULL" if column.required and not column.is_identity else ""
    plain = column.type in {"bigint", "boolean"}
    named = column.type if plain else f"pg_catalog.{column.type}"
    return f"{column.name} {named}{qualified(collation)}{required}{identity}"
