"""What the log says to SQLite, apart from making its table.

CAST and `typeof`: whoever goes around the constraints may leave text where bytes or numbers
belong.
"""

from __future__ import annotations

from typing import Final

from lifecycle.log.contract import MAX_POSITION
from lifecycle.log.stores.sql.records import Columns, RecordStatements

_HEADER: Final = (
    "CASE instr(CAST(state AS BLOB), x'0a') WHEN 0 THEN CAST(state AS BLOB) "
    "ELSE substr(CAST(state AS BLOB), 1, instr(CAST(state AS BLOB), x'0a') - 1) END"
)
_COLUMNS: Final = Columns(
    table="stored_events",
    position="rowid",
    state="ifnull(CAST(state AS BLOB), x'')",
    header=_HEADER,
    is_number="typeof(originator_version) = 'integer'",
    of_streams="originator_id IN ({places})",
    name="CAST(? AS TEXT)",
)
STATEMENTS: Final = RecordStatements(
    insert="INSERT INTO stored_events (rowid, originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?, ?)",
    page=f"{_COLUMNS.record}WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?",
    page_of_stream=f"{_COLUMNS.record}WHERE originator_id = ? AND originator_version >= ? "
    f"AND (originator_version, rowid) > (?, ?) AND {_COLUMNS.is_number} "
    "ORDER BY originator_version, rowid LIMIT ?",
    **_COLUMNS.shared(),
)
INSERT_UNPLACED: Final = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
    "VALUES (?, ?, ?, ?)"
)
ADD_LINK: Final = (
    "INSERT INTO order_links (provider, link, order_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
LAST: Final = f"{_COLUMNS.record}WHERE rowid <= {MAX_POSITION} ORDER BY rowid DESC LIMIT 1"
