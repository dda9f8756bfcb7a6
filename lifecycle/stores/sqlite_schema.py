"""The table of the log in SQLite, and what keeps it append-only.

The names of the columns are those of `eventsourcing`, whose own recorders can read and
follow the table. `rowid` is the position: given explicitly, one more than the last, under
the write lock. Text compares bytewise.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = "stored_events"

COLUMNS: Final = ("rowid", "originator_id", "originator_version", "topic", "state")

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS stored_events (
    rowid INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL COLLATE BINARY,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""

_REFUSE_UPDATE: Final = """
CREATE TRIGGER IF NOT EXISTS stored_events_refuse_update BEFORE UPDATE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no UPDATE'); END"""

_REFUSE_DELETE: Final = """
CREATE TRIGGER IF NOT EXISTS stored_events_refuse_delete BEFORE DELETE ON stored_events
BEGIN SELECT RAISE(ABORT, 'the log is append-only: no DELETE'); END"""

# REPLACE deletes what is in its way without running the trigger on DELETE, unless the
# connection asked for it; and other connections do not ask.
_REFUSE_REPLACE: Final = """
CREATE TRIGGER IF NOT EXISTS stored_events_refuse_replace BEFORE INSERT ON stored_events
WHEN EXISTS (SELECT 1 FROM stored_events WHERE rowid = NEW.rowid)
  OR EXISTS (
    SELECT 1 FROM stored_events
    WHERE originator_id = NEW.originator_id AND originator_version = NEW.originator_version
  )
BEGIN SELECT RAISE(ABORT, 'the log is append-only: this record exists'); END"""

SCHEMA: Final = (_TABLE, _REFUSE_UPDATE, _REFUSE_DELETE, _REFUSE_REPLACE)
