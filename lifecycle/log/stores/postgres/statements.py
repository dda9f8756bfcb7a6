"""What the log says to PostgreSQL, apart from making its table.

An append is one statement. It reads from `gate`, which takes the advisory lock before any
position is drawn and holds it until the commit, so that positions become visible in their
order. A `gate` that the insert did not read from would never be run, and no error would
tell. The snapshot is older than the lock: who was first shows by the unique key alone.

Every name in them is qualified, see `qualified`.
"""

from __future__ import annotations

from typing import Final

from lifecycle.log.stores.postgres.qualified import translated
from lifecycle.log.stores.postgres.tables import CHANNEL, LogTables, lock_statement
from lifecycle.log.stores.sql.records import Columns, RecordStatements

_HEADER: Final = (
    "CASE WHEN position('\\x0a'::bytea IN state) = 0 THEN state "
    "ELSE substring(state FROM 1 FOR position('\\x0a'::bytea IN state) - 1) END"
)
_INSERT: Final = (
    "WITH gate AS MATERIALIZED "
    "(SELECT pg_advisory_xact_lock({lock}), pg_notify('{channel}', '')) "
    "INSERT INTO {table} (originator_id, originator_version, topic, state) "
    "SELECT record.* FROM gate, ROWS FROM ("
    "unnest($1::text[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bytea[])) AS record "
    "RETURNING notification_id"
)


_ADD_LINKS: Final = (
    "INSERT INTO order_links (provider, link, order_id) SELECT told.* FROM ROWS FROM ("
    "unnest($1::text[]), unnest($2::text[]), unnest($3::text[])) AS told ON CONFLICT DO NOTHING"
)


def _page_of(table: str, condition: str, order: str) -> str:
    """Return a statement for a page: the first record whatever its size, others with room."""
    return (  # the parts are our own
        "SELECT originator_id, originator_version, topic, notification_id, state FROM ("  # noqa: S608
        f"SELECT *, sum(octet_length(state)) OVER (ORDER BY {order}) - octet_length(state) "
        f"AS bytes_before FROM {table} WHERE {condition} ORDER BY {order} LIMIT $3) AS page "
        f"WHERE bytes_before <= $4 ORDER BY {order}"
    )


def link_statement(tables: LogTables) -> str:
    """Return the statement that adds to the index of links."""
    return translated(_ADD_LINKS, tables.quoted_schema)


def record_statements(tables: LogTables) -> RecordStatements:
    """Return the statements on the table of a log."""
    table = tables.log
    of_streams = "originator_id = ANY($1)"
    columns = Columns(table, "notification_id", "state", _HEADER, "true", of_streams)
    plain = RecordStatements(
        insert=_INSERT.format(table=table, lock=tables.append_lock, channel=CHANNEL),
        lock=lock_statement(tables.append_lock),
        page=_page_of(table, "notification_id > $1 AND notification_id <= $2", "notification_id"),
        page_of_stream=_page_of(
            table,
            "originator_id = $5 AND originator_version >= $1 "
            "AND (originator_version, notification_id) > ($1, $2)",
            "originator_version, notification_id",
        ),
        **columns.shared(),
    )
    return RecordStatements._make(translated(each, tables.quoted_schema) for each in plain)
