"""What is said to the tables of stored views: the same words for SQLite and PostgreSQL.

Every index leads by order id within its generation, so that any query is walked page by page
and nothing is sorted: what is read is an index of the orders that wait, that have a status,
or that show an anomaly. Times are whole microseconds since 1970. Text compares bytewise.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lifecycle.log.view_store import Conditions, StoredView

COLUMNS: Final = StoredView._fields

_GENERATION: Final = (
    "SELECT number, provider, definition, form, release, phase, walked, "
    "coalesce((SELECT max(notification_id) FROM tracking "
    "WHERE application_name = ('views:' || provider || ':' || number)), 0) FROM view_generations "
)
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM order_views "  # noqa: S608 - no values

_ON_CONFLICT: Final = "ON CONFLICT (generation, order_id) DO UPDATE SET "
_TAKEN_OVER: Final = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])


class ViewStatements(NamedTuple):
    """All statements, with `?` for each value."""

    generations: str = _GENERATION + "WHERE provider = ? ORDER BY number"
    generation: str = _GENERATION + "WHERE number = ?"
    under_way: str = (
        "SELECT count(*) FROM view_generations "
        "WHERE provider = ? AND (phase = 'walking' OR phase = 'trailing')"
    )
    begin: str = (
        "INSERT INTO view_generations (provider, definition, form, release, phase, walked) "
        "VALUES (?, ?, ?, ?, ?, ?) RETURNING number"
    )
    walk: str = "UPDATE view_generations SET walked = ? WHERE number = ?"
    promote: str = "UPDATE view_generations SET phase = ? WHERE number = ?"
    retire: str = (
        "UPDATE view_generations SET phase = 'retired' "
        "WHERE provider = ? AND phase = 'live' AND number <> ?"
    )
    upsert: str = (
        f"INSERT INTO order_views (generation, {', '.join(COLUMNS)}) "  # noqa: S608 - no values
        f"VALUES (?{', ?' * len(COLUMNS)}) {_ON_CONFLICT}{_TAKEN_OVER} "
        "WHERE excluded.version >= order_views.version"
    )
    drop_view: str = "DELETE FROM order_views WHERE generation = ? AND order_id = ?"
    poison: str = (
        "INSERT INTO poisoned_orders (generation, order_id, reason) VALUES (?, ?, ?) "
        "ON CONFLICT (generation, order_id) DO UPDATE SET reason = excluded.reason"
    )
    odd: str = "SELECT count(*) FROM order_views WHERE generation = ? AND anomalies > 0"
    heal: str = "DELETE FROM poisoned_orders WHERE generation = ? AND order_id = ?"
    poisoned: str = (
        "SELECT order_id, reason FROM poisoned_orders "
        "WHERE generation = ? AND order_id > ? ORDER BY order_id LIMIT ?"
    )
    sweep_views: str = (
        "DELETE FROM order_views WHERE generation = ? AND order_id IN "
        "(SELECT order_id FROM order_views WHERE generation = ? LIMIT ?) RETURNING order_id"
    )
    sweep_poisoned: str = "DELETE FROM poisoned_orders WHERE generation = ?"
    sweep_generation: str = "DELETE FROM view_generations WHERE number = ?"
    sweep_tracking: str = "DELETE FROM tracking WHERE application_name = ?"
    between: str = (
        f"{_SELECT}WHERE generation = ? AND order_id > ? AND order_id <= coalesce(?, order_id) "
        "ORDER BY order_id"
    )


class Finding(NamedTuple):
    """A statement that finds views, its values, and `via` which index.

    Its first values are the generation and `after`, its last one is the limit.
    """

    statement: str
    values: list[object]
    via: str


def finding(wanted: Conditions) -> Finding:
    """Return the statement for these conditions."""
    index, terms, values = "sqlite_autoindex_order_views_1", [], list[object]()
    if wanted.received_since is not None or wanted.received_before is not None:
        index = "order_views_by_time"
    if wanted.anomalies:
        index = "order_views_odd"
        terms.append("anomalies > 0")
    if wanted.waiting_before is not None:
        index = "order_views_waiting"
        terms.append("awaiting <> '' AND waiting_since < ?")
        values.append(wanted.waiting_before)
    if wanted.status is not None:
        index = index if index == "order_views_odd" else "order_views_by_status"
        terms.append("status = ?")
        values.append(wanted.status)
    if wanted.received_since is not None:
        terms.append("last_received_at >= ?")
        values.append(wanted.received_since)
    if wanted.received_before is not None:
        terms.append("last_received_at < ?")
        values.append(wanted.received_before)
    where = " AND ".join(["generation = ? AND order_id > ?", *terms])
    return Finding(f"{_SELECT}WHERE {where} ORDER BY order_id LIMIT ?", values, index)
