"""The tables in SQLite, and what keeps that of the log append-only.

The names of the columns are those of `eventsourcing`, whose own recorders can read and
follow the table. `rowid` is the position: given explicitly, one more than the last, under
the write lock. Text compares bytewise.

The constraints hold what every honest record fulfills: a stream of n records took n positions,
so no version is above its position. They cost a hundredth of an append; that a version is the
last plus one would cost an eighth, and shows at the next append of its stream.

REPLACE deletes what is in its way, and runs the trigger on DELETE only where the
connection asked for it (`recursive_triggers`): ours do. That of others shows in the chain;
a trigger against it would cost every insert an eighth of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from lifecycle.log.stores.sql.tables import Column, Table

TABLE: Final = "stored_events"

COLUMNS: Final = ("rowid", "originator_id", "originator_version", "topic", "state")

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS stored_events (
    rowid INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL COLLATE BINARY,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version),
    CHECK (rowid BETWEEN 1 AND 4611686018427387903),
    CHECK (originator_version BETWEEN 1 AND rowid AND typeof(originator_version) = 'integer'),
    CHECK (typeof(originator_id) = 'text' AND instr(originator_id, char(0)) = 0),
    CHECK (originator_id > 'order:' AND originator_id < 'order;'
        OR originator_id IN ('quarantine', 'control')),
    CHECK (typeof(topic) = 'text' AND topic <> ''),
    CHECK (typeof(state) = 'blob')
)"""

_REFUSE_UPDATE: Final = """
CREATE TRIGGER IF NOT EXISTS stored_events_refuse_update BEFORE UPDATE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no UPDATE'); END"""

_REFUSE_DELETE: Final = """
CREATE TRIGGER IF NOT EXISTS stored_events_refuse_delete BEFORE DELETE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no DELETE'); END"""

SCHEMA: Final = (_TABLE, _REFUSE_UPDATE, _REFUSE_DELETE)

_TYPES: Final = {"text": "TEXT", "bytea": "BLOB"}


def create_statements(tables: Iterable[Table]) -> tuple[str, ...]:
    """Return the statements that make tables beside the log, and their indexes."""
    return tuple(statement for table in tables for statement in _statements(table))


def _statements(table: Table) -> Iterator[str]:
    numbers = any(column.is_identity for column in table.columns)
    # A table by its key holds large rows badly.
    by_rowid = numbers or any(column.type == "bytea" for column in table.columns)
    key = [] if numbers else [f"{'UNIQUE' if by_rowid else 'PRIMARY KEY'} ({table.key})"]
    body = ",\n    ".join([*map(_column, table.columns), *key])
    end = "" if by_rowid else " WITHOUT ROWID"
    yield f"CREATE TABLE IF NOT EXISTS {table.name} (\n    {body}\n){end}"
    for index in table.indexes:
        where = f" WHERE {index.where.replace('::text', '')}" if index.where else ""
        yield (f"CREATE INDEX IF NOT EXISTS {index.name}\nON {table.name} ({index.columns}){where}")


def _column(column: Column) -> str:
    kind = _TYPES.get(column.type, "INTEGER")
    if column.is_identity:
        return f"{column.name} {kind} PRIMARY KEY AUTOINCREMENT"
    return f"{column.name} {kind} NOT NULL"
