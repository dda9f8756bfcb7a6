"""The table of the log in SQLite, and what keeps it append-only.

The names of the columns are those of `eventsourcing`, whose own recorders can read and
follow the table. `rowid` is the position: given explicitly, one more than the last, under
the write lock. Text compares bytewise.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = "stored_events"

COLUMNS: Final = ("rowid", "originator_id", "originator_version", "topic", "state")

_CREATE_TABLE: Final = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    rowid INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL COLLATE BINARY,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""

_REFUSE_CHANGES: Final = tuple(
    f"""
CREATE TRIGGER IF NOT EXISTS {TABLE}_refuse_{change.lower()} BEFORE {change} ON {TABLE}
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no {change}'); END"""
    for change in ("UPDATE", "DELETE")
)

# REPLACE deletes what is in its way without running the trigger on DELETE, unless the
# connection asked for it; and other connections do not ask.
_REFUSE_REPLACE: Final = f"""
CREATE TRIGGER IF NOT EXISTS {TABLE}_refuse_replace BEFORE INSERT ON {TABLE}
WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE rowid = NEW.rowid)
  OR EXISTS (
    SELECT 1 FROM {TABLE}
    WHERE originator_id = NEW.originator_id AND originator_version = NEW.originator_version
  )
BEGIN SELECT RAISE(ABORT, 'the log is append-only: this record exists'); END"""

SCHEMA: Final = (_CREATE_TABLE, *_REFUSE_CHANGES, _REFUSE_REPLACE)
