"""What the log says to SQLite, apart from making its table.

A record is (stream, version, topic, position, state), a head has the header only. CAST and
`typeof`: whoever goes around the constraints may leave text where bytes or numbers belong.
"""

from __future__ import annotations

from typing import Final

from lifecycle.log.contract import MAX_POSITION

_RECORD: Final = (
    "SELECT originator_id, originator_version, topic, rowid, ifnull(CAST(state AS BLOB), x'') "
    "FROM stored_events "
)
_HEAD: Final = (
    "SELECT originator_id, originator_version, rowid, "
    "CASE instr(CAST(state AS BLOB), x'0a') WHEN 0 THEN CAST(state AS BLOB) "
    "ELSE substr(CAST(state AS BLOB), 1, instr(CAST(state AS BLOB), x'0a') - 1) END "
    "FROM stored_events "
)

INSERT: Final = (
    "INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?, ?)"
)
INSERT_UNPLACED: Final = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?)"
)
_UP_TO_LAST: Final = f"WHERE rowid <= {MAX_POSITION} "
LAST_HEAD: Final = _HEAD + _UP_TO_LAST + "ORDER BY rowid DESC LIMIT 1"
LAST_HEAD_OF_STREAM: Final = (
    _HEAD + "WHERE originator_id = ? AND typeof(originator_version) = 'integer' "
    "ORDER BY originator_version DESC LIMIT 1"
)
READ: Final = _RECORD + (
    "WHERE originator_id = ? AND originator_version > ? AND originator_version <= ? "
    "ORDER BY originator_version"
)
READ_PAGE: Final = _RECORD + "WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?"
READ_PAGE_OF_STREAM: Final = _RECORD + (
    "WHERE originator_id = ?1 AND originator_version >= ?2 "
    "AND (originator_version, rowid) > (?2, ?3) AND typeof(originator_version) = 'integer' "
    "ORDER BY originator_version, rowid LIMIT ?4"
)
READ_ODD_ONES: Final = _RECORD + (
    "WHERE originator_id = ? AND (originator_version < 1 "
    "OR typeof(originator_version) <> 'integer') ORDER BY originator_version, rowid"
)
READ_STRAYS: Final = (
    f"{_RECORD}WHERE rowid < 1 UNION ALL {_RECORD}WHERE rowid > {MAX_POSITION} ORDER BY 4"
)
_MOST: Final = "SELECT max(rowid) FROM stored_events "
LAST_POSITION: Final = _MOST + _UP_TO_LAST

# A walk from each name to the next: its cost is the number of names, not of records.
READ_STREAMS: Final = (
    "WITH RECURSIVE names (name) AS ("
    "SELECT min(originator_id) FROM stored_events "
    "WHERE originator_id > CAST(? AS TEXT) AND originator_id >= ? "
    "UNION ALL "
    "SELECT (SELECT min(originator_id) FROM stored_events WHERE originator_id > name) "
    "FROM names WHERE name IS NOT NULL) "
    "SELECT name FROM names WHERE name IS NOT NULL LIMIT ?"
)


def heads_of(streams: int) -> str:
    """Return the statement for all heads of this many streams."""
    return _HEAD + _of_streams(streams)


def records_of(streams: int) -> str:
    """Return the statement for all records of this many streams."""
    return _RECORD + _of_streams(streams)


def _of_streams(streams: int) -> str:
    places = ",".join("?" * streams)
    return f"WHERE originator_id IN ({places}) ORDER BY originator_id, originator_version"
