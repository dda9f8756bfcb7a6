"""What the log says to PostgreSQL, apart from making its table.

A record is (stream, version, topic, position, state), a head has the header only.

An append is one statement. It reads from `gate`, which takes the advisory lock before any
position is drawn and holds it until the commit, so that positions become visible in their
order. A `gate` that the insert did not read from would never be run, and no error would
tell. The snapshot is older than the lock: who was first shows by the unique key alone.

Every name in them is qualified, see `postgres_qualified`.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from lifecycle.log.contract import MAX_POSITION
from lifecycle.log.stores.postgres.qualified import qualified
from lifecycle.log.stores.postgres.schema import CHANNEL, Place

_RECORD: Final = (
    "SELECT originator_id, originator_version, topic, notification_id, state FROM {table} "
)
_HEAD: Final = (
    "SELECT originator_id, originator_version, notification_id, "
    "CASE WHEN position('\\x0a'::bytea IN state) = 0 THEN state "
    "ELSE substring(state FROM 1 FOR position('\\x0a'::bytea IN state) - 1) END FROM {table} "
)
_OF_STREAMS: Final = "WHERE originator_id = ANY($1) ORDER BY originator_id, originator_version"

_INSERT: Final = (
    "WITH gate AS MATERIALIZED "
    "(SELECT pg_advisory_xact_lock({lock}), pg_notify('{channel}', '')) "
    "INSERT INTO {table} (originator_id, originator_version, topic, state) "
    "SELECT record.* FROM gate, ROWS FROM ("
    "unnest($1::text[]), unnest($2::bigint[]), unnest($3::text[]), unnest($4::bytea[])) AS record "
    "RETURNING notification_id"
)


def _page_of(condition: str, order: str) -> str:
    """Return a statement for a page: the first record whatever its size, others with room."""
    return (  # the parts are our own
        "SELECT originator_id, originator_version, topic, notification_id, state FROM ("  # noqa: S608
        f"SELECT *, sum(octet_length(state)) OVER (ORDER BY {order}) - octet_length(state) "
        f"AS bytes_before FROM {{table}} WHERE {condition} ORDER BY {order} LIMIT $3) AS page "
        f"WHERE bytes_before <= $4 ORDER BY {order}"
    )


_READ_PAGE: Final = _page_of("notification_id > $1 AND notification_id <= $2", "notification_id")
_READ_PAGE_OF_STREAM: Final = _page_of(
    "originator_id = $5 AND originator_version >= $1 "
    "AND (originator_version, notification_id) > ($1, $2)",
    "originator_version, notification_id",
)

# A walk from each name to the next: its cost is the number of names, not of records.
_READ_STREAMS: Final = (
    "WITH RECURSIVE names (name) AS ("
    "SELECT min(originator_id) FROM {table} WHERE originator_id > $1 AND originator_id >= $2 "
    "UNION ALL "
    "SELECT (SELECT min(originator_id) FROM {table} WHERE originator_id > name) "
    "FROM names WHERE name IS NOT NULL) "
    "SELECT name FROM names WHERE name IS NOT NULL LIMIT $3"
)

_READ_STRAYS: Final = (
    _RECORD + "WHERE notification_id < 1 UNION ALL "
    f"{_RECORD}WHERE notification_id > {MAX_POSITION} ORDER BY 4"
)
_UP_TO_LAST: Final = f"WHERE notification_id <= {MAX_POSITION}"
_MOST: Final = "SELECT max(notification_id) FROM {table} "
_LAST_POSITION: Final = _MOST + _UP_TO_LAST


class Statements(NamedTuple):
    """The statements on the table of one log."""

    insert: str
    lock: str
    heads: str
    last_head: str
    read: str
    read_many: str
    read_page: str
    read_page_of_stream: str
    read_odd_ones: str
    read_strays: str
    read_streams: str
    last_position: str

    @classmethod
    def of(cls, place: Place) -> Self:
        """Return the statements on the table at a place."""
        record, head = _RECORD.format(table=place.table), _HEAD.format(table=place.table)
        plain = cls(
            insert=_INSERT.format(table=place.table, lock=place.append_lock, channel=CHANNEL),
            lock=place.lock_statement(place.append_lock),
            heads=head + _OF_STREAMS,
            last_head=head + "WHERE originator_id = $1 ORDER BY originator_version DESC LIMIT 1",
            read=record
            + "WHERE originator_id = $1 AND originator_version > $2 AND originator_version <= $3 "
            "ORDER BY originator_version",
            read_many=record + _OF_STREAMS,
            read_page=_READ_PAGE.format(table=place.table),
            read_page_of_stream=_READ_PAGE_OF_STREAM.format(table=place.table),
            read_odd_ones=record
            + "WHERE originator_id = $1 AND originator_version < 1 ORDER BY originator_version",
            read_strays=_READ_STRAYS.format(table=place.table),
            read_streams=_READ_STREAMS.format(table=place.table),
            last_position=_LAST_POSITION.format(table=place.table),
        )
        return cls(*map(qualified, plain))
